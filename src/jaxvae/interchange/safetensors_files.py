"""Reads and writes safetensors files: first what they hold, then tensor by tensor, so that mistakes cost nothing."""

import importlib.util
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxvae.errors import UserError
from jaxvae.system.small_files import read_text

WEIGHTS = "diffusion_pytorch_model"
PICKLES = (".bin", ".ckpt", ".pkl", ".pt", ".pth")
REMEDY = (
    "convert it to safetensors in an environment that you trust, with torch: `safetensors.torch.save_file("
    '{k: v.contiguous() for k, v in torch.load(FILE, weights_only=True, map_location="cpu").items()}, '
    '"model.safetensors")`'
)


class StoredTensor(NamedTuple):
    """Where a tensor is, and what it is: `dtype` is as safetensors calls it, such as F32 or BF16."""

    file: Path
    name: str
    shape: tuple[int, ...]
    dtype: str


def require_safetensors() -> None:
    """Raises UserError unless the library is installed."""
    if importlib.util.find_spec("safetensors") is None:
        raise UserError(
            "convert reads and writes files with safetensors; install it with pip install 'jaxvae[convert]'."
        )


def refuse_pickle(path: Path) -> None:
    """Raises UserError for a file whose suffix says that it is pickled: opening one can run any code."""
    if path.suffix.lower() in PICKLES:
        raise UserError(f"{path} is a pickle, which can run code when it is opened; {REMEDY}.")


def weight_files(folder: Path) -> dict[str, StoredTensor]:
    """Returns the tensors of a model's folder by name: one file, the shards of an index, or a single variant.

    Raises:
        UserError: there is no such file, several variants, or one that cannot be read.
    """
    single, index = folder / f"{WEIGHTS}.safetensors", folder / f"{WEIGHTS}.safetensors.index.json"
    if single.is_file():
        return stored_tensors(single)
    if index.is_file():
        return _sharded(index)
    variants = sorted(folder.glob(f"{WEIGHTS}.*.safetensors"))
    if len(variants) == 1:
        return stored_tensors(variants[0])
    if variants:
        names = ", ".join(path.name for path in variants)
        raise UserError(f"{folder} has several variants ({names}); rename one of them to {single.name}.")
    for path in sorted(folder.glob(f"{WEIGHTS}.*")):
        refuse_pickle(path)
    raise UserError(f"{folder} has no weights; expected {single.name} or {index.name}.")


def stored_tensors(path: Path) -> dict[str, StoredTensor]:
    """Returns what a file holds, from its header alone."""
    with _opened(path) as file:
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        return {
            name: StoredTensor(path, name, tuple(each.get_shape()), str(each.get_dtype()))
            for name, each in slices.items()
        }


def read_tensors(tensors: Mapping[str, StoredTensor]) -> Iterator[tuple[str, np.ndarray]]:
    """Yields each tensor with its name, file by file."""
    for path in dict.fromkeys(tensor.file for tensor in tensors.values()):
        with _opened(path) as file:
            for name, tensor in tensors.items():
                if tensor.file == path:
                    yield name, file.get_tensor(tensor.name)


def write_tensors(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    """Writes tensors to a new file, which PyTorch's libraries read."""
    from safetensors.numpy import save_file

    contiguous = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    save_file(contiguous, path, metadata={"format": "pt"})


def read_json(path: Path) -> dict[str, Any]:
    """Returns the JSON object in a file; raises UserError if there is none."""
    try:
        values = json.loads(read_text(path))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read: {error}.") from error
    if not isinstance(values, dict):
        raise UserError(f"{path} does not hold a JSON object.")
    return values


def _sharded(index: Path) -> dict[str, StoredTensor]:
    files = read_json(index).get("weight_map")
    if not isinstance(files, dict) or not all(isinstance(name, str) for name in files.values()):
        raise UserError(f"{index} is damaged: it has no weight_map of file names.")
    if outside := next((name for name in files.values() if Path(name).name != name), None):
        raise UserError(f"{index} names the file {outside!r}, but its files must lie next to it.")
    shards = {name: stored_tensors(index.parent / name) for name in dict.fromkeys(files.values())}
    for name, file in files.items():
        if name not in shards[file]:
            raise UserError(f"{index.parent / file} has no tensor {name}, although {index.name} says so.")
    return {name: shards[file][name] for name, file in files.items()}


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import ml_dtypes  # noqa: F401  (NumPy knows bfloat16 once this is imported.)
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            yield file
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or error}).") from error
    except SafetensorError as error:
        raise UserError(f"{path} is not a safetensors file, or is damaged ({error}).") from error
