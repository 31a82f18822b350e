"""Reads tensors from what torch.save writes, a zip archive with a pickle, without PyTorch and without trusting it.

A pickle is a program. Its instructions are checked against a list before it runs, and the few names that it may call
stand for functions of this module, so that nothing outside of it is ever called.
"""

import math
import pickle
import zipfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxvae.data.sources.containers.restricted_pickle import INSTRUCTIONS, check_instructions
from jaxvae.errors import UserError, printable
from jaxvae.system.stored_tensor import StoredTensor

PICKLES = (".bin", ".ckpt", ".pt", ".pth")
REMEDY = (
    "where you trust it, convert it with PyTorch: safetensors.torch.save_file(torch.load(FILE, map_location='cpu', "
    "weights_only=True), 'model.safetensors')"
)
LARGEST_PICKLE = 64 * 2**20  # Bytes of the part that describes the tensors.
DTYPES = {
    "FloatStorage": "F32", "HalfStorage": "F16", "BFloat16Storage": "BF16", "DoubleStorage": "F64",
    "LongStorage": "I64", "IntStorage": "I32", "ShortStorage": "I16", "CharStorage": "I8", "ByteStorage": "U8",
    "BoolStorage": "BOOL",
}  # fmt: skip
NUMPY = {"F32": "<f4", "F16": "<f2", "BF16": "bfloat16"}  # What can be converted; others are refused by name before.


class _Storage(NamedTuple):
    """The numbers of one or more tensors: a file of the archive, with `length` of them."""

    dtype: str
    key: str
    length: int


class _View(NamedTuple):
    """A tensor: where its numbers are in a storage."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Dict(dict[Any, Any]):
    """What becomes an OrderedDict. Attributes that PyTorch adds to it, such as versions, are dropped."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        pass


def in_archive(path: Path) -> dict[str, StoredTensor]:
    """Returns the tensors of an archive by name; of a checkpoint of a training, those of its `state_dict`.

    Raises:
        UserError: it is an older pickle, contains anything but tensors and plain values, or is damaged.
    """
    return {
        name: StoredTensor(path, name, view.shape, view.storage.dtype) for name, view in _views(path).items()
    }  # fmt: skip


def read_archive(path: Path, names: Mapping[str, str]) -> Iterator[tuple[str, np.ndarray]]:
    """Yields tensors of an archive, each with the name that `names` gives to what it is called there."""
    import ml_dtypes  # noqa: F401  (NumPy knows bfloat16 once this is imported.)

    views = _views(path)
    with zipfile.ZipFile(path) as archive:
        root = _root(path, archive)
        for there, name in names.items():
            view = views[there]
            dtype = np.dtype(NUMPY[view.storage.dtype])
            flat = np.frombuffer(archive.read(f"{root}/data/{view.storage.key}"), dtype, view.storage.length)
            steps = [step * dtype.itemsize for step in view.strides]
            yield name, np.lib.stride_tricks.as_strided(flat[view.offset :], view.shape, steps).copy()


def _views(path: Path) -> dict[str, _View]:
    try:
        with zipfile.ZipFile(path) as archive:
            root = _root(path, archive)
            inside = {info.filename: info for info in archive.infolist()}
            if f"{root}/byteorder" in inside and archive.read(f"{root}/byteorder") != b"little":
                raise UserError(f"{path} was written with another order of bytes; {REMEDY}.")
            if inside[f"{root}/data.pkl"].file_size > LARGEST_PICKLE:
                raise UserError(f"{path} has a description of more than {LARGEST_PICKLE} bytes; it may be damaged.")
            views = _tensors(path, _unpickle(path, archive.read(f"{root}/data.pkl")))
            for view in views.values():
                _check_inside(path, inside.get(f"{root}/data/{view.storage.key}"), view)
            return views
    except zipfile.BadZipFile as error:
        raise UserError(f"{path} is a pickle, which can run code when it is opened; {REMEDY}.") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or error}).") from error
    except UserError:
        raise
    except Exception as error:  # A damaged archive or pickle may raise nearly anything.
        what = printable(" ".join(str(error).split()))[:200] or type(error).__name__
        raise UserError(f"{path} cannot be read as an archive of tensors ({what}); it may be damaged.") from error


def _root(path: Path, archive: zipfile.ZipFile) -> str:
    roots = [name.removesuffix("/data.pkl") for name in archive.namelist() if name.endswith("/data.pkl")]
    if len(roots) != 1:
        raise UserError(f"{path} is a zip archive, but not one that torch.save wrote: it has no single data.pkl.")
    return roots[0]


def _tensors(path: Path, value: Any) -> dict[str, _View]:
    if isinstance(value, dict) and isinstance(value.get("state_dict"), dict):
        value = value["state_dict"]
    if not isinstance(value, dict):
        raise UserError(f"{path} holds no dictionary of tensors.")
    return {name: view for name, view in value.items() if isinstance(name, str) and isinstance(view, _View)}


def _check_inside(path: Path, info: zipfile.ZipInfo | None, view: _View) -> None:
    # Uncompressed, as torch.save writes them, so that no small file claims much memory.
    sizes = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "I16": 2}
    needed = view.storage.length * sizes.get(view.storage.dtype, 1)
    last = view.offset + sum((size - 1) * step for size, step in zip(view.shape, view.strides, strict=True))
    whole = info is not None and info.compress_type == zipfile.ZIP_STORED and info.file_size >= needed
    within = math.prod(view.shape) <= view.storage.length and (0 in view.shape or last < view.storage.length)
    if not (whole and within):
        raise UserError(f"{path} is damaged: its storage {view.storage.key} is not as large as its tensors.")


def _refusal(path: Path, what: str) -> UserError:
    return UserError(
        f"{path} is a pickle with {printable(what)[:200]}, but only tensors are read, and nothing in it was executed; "
        f"{REMEDY}."
    )


def _unpickle(path: Path, data: bytes) -> Any:
    allowed = _allowed()
    refusal = partial(_refusal, path)
    check_instructions(data, lambda *name: name in allowed, refusal, INSTRUCTIONS | {"BINPERSID"})

    class Unpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str, /) -> Any:
            if (module, name) not in allowed:
                raise refusal(f"{module}.{name}")
            return allowed[module, name]

        def persistent_load(self, pid: Any, /) -> Any:
            kind, dtype, key, _, count = pid
            if kind != "storage" or not isinstance(dtype, _Dtype) or not isinstance(key, str) or type(count) is not int:
                raise ValueError("a storage")
            return _Storage(dtype.name, key, count)

    return Unpickler(BytesIO(data)).load()


class _Dtype:
    """The type of a storage."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


def _allowed() -> dict[tuple[str, str], Callable[..., Any] | _Dtype]:
    """Returns fresh functions: a pickle can set attributes of those that it is given."""

    def ordered(*pairs: Any) -> _Dict:
        return _Dict(*pairs)

    def tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _View:
        numbers = (offset, *shape, *strides)
        if not isinstance(storage, _Storage) or not all(type(each) is int and each >= 0 for each in numbers):
            raise ValueError("a tensor")
        return _View(storage, offset, tuple(shape), tuple(strides))

    def parameter(data: Any, *_: Any) -> Any:
        return data

    names: dict[tuple[str, str], Callable[..., Any] | _Dtype] = {
        ("torch", name): _Dtype(each) for name, each in DTYPES.items()
    }
    return names | {
        ("collections", "OrderedDict"): ordered,
        ("torch._utils", "_rebuild_tensor_v2"): tensor,
        ("torch._utils", "_rebuild_parameter"): parameter,
    }  # fmt: skip
