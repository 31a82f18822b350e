"""The prepared dataset: a folder with a memory-mapped uint8 array per split and a JSON file that describes it.

train.npy validation.npy test.npy                  uint8 [n, h, w, c]
train.attributes.npy …                             int16 [n, a]
dataset.json                                       shape, counts, attributes, recipe, origin, SHA-256 per file
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxvae.data.numpy_files import UNREADABLE, memory_map
from jaxvae.data.sources.base import MAX_BANDS, SPLITS, Example, Source
from jaxvae.data.verified import mark, verify
from jaxvae.errors import UserError
from jaxvae.system.checksums import sha256
from jaxvae.system.files import temp_dir
from jaxvae.system.small_files import read_text

FORMAT_VERSION = 1
MAX_SIDE = 2**16
FIELDS = {"name": str, "shape": list, "attributes": list, "classes": dict, "recipe": dict, "splits": dict,
          "origin": dict}  # fmt: skip


class Split(NamedTuple):
    """Images uint8 [n, h, w, c] and attributes int16 [n, a], memory-mapped."""

    images: np.ndarray
    attributes: np.ndarray


@dataclass(frozen=True)
class Prepared:
    """A prepared dataset on disk."""

    path: Path
    info: dict[str, Any]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of each image."""
        height, width, channels = self.info["shape"]
        return height, width, channels

    @property
    def attributes(self) -> tuple[str, ...]:
        """Names of the attribute columns."""
        return tuple(self.info["attributes"])

    @property
    def data(self) -> dict[str, Any]:
        """The description stored in checkpoints: the contents of `dataset.json` plus the `path`."""
        return {**self.info, "path": str(self.path.resolve())}

    def split(self, name: str) -> Split:
        """Opens the images and attributes of `train`, `validation` or `test`.

        Raises:
            UserError: there is no such split, or a file was changed after the data set was prepared.
        """
        if name not in SPLITS:
            raise UserError(f"unknown split {name!r}; expected one of {', '.join(SPLITS)}.")
        count = self.info["splits"][name]["n"]
        files = {f"{name}.npy": ((count, *self.shape), np.uint8),
                 f"{name}.attributes.npy": ((count, len(self.attributes)), np.int16)}  # fmt: skip
        arrays = [_open_array(self.path / file) for file in files]
        for array, (file, (shape, kind)) in zip(arrays, files.items(), strict=True):
            if array.shape != shape or array.dtype != kind:
                raise UserError(
                    f"{self.path} is damaged: {file} does not match dataset.json; delete it and prepare it again."
                )
        verify(self.path, list(files), self.info["splits"][name]["sha256"])
        return Split(*arrays)


def open_prepared(path: Path) -> Prepared:
    """Opens a prepared dataset.

    Raises:
        UserError: if the dataset is missing, damaged, or was written by a newer version.
    """
    try:
        info = json.loads(read_text(path / "dataset.json"))
    except FileNotFoundError as error:
        if path.exists():
            raise UserError(f"{path} is damaged: it has no dataset.json; delete it and prepare it again.") from error
        raise UserError(f"no prepared dataset in {path}; create one with python -m jaxvae.prepare.") from error
    except OSError as error:
        raise UserError(f"{path / 'dataset.json'} cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path / 'dataset.json'} is damaged; delete {path} and prepare it again.") from error
    if (wrong := metadata_error(info)) is not None:
        raise UserError(f"{path / 'dataset.json'} is damaged: {wrong}; delete {path} and prepare it again.")
    if info["format_version"] > FORMAT_VERSION:
        raise UserError(
            f"{path} has data format {info['format_version']}, but this jaxvae reads formats up to {FORMAT_VERSION}; "
            "install a newer jaxvae, or delete it and prepare it again."
        )
    return Prepared(path, info)


def without_images(path: Path, shape: tuple[int, int, int], name: str) -> Prepared:
    """Returns the description of images that are not here: those of a model that was trained elsewhere.

    Args:
        path: where images could be; nothing is there.
        shape: height, width and channels of the images.
        name: where the model came from.
    """
    nothing = {"n": 0, "range": [0, 255], "sha256": {}}
    info = {
        "format_version": FORMAT_VERSION, "name": name, "shape": list(shape), "attributes": [], "classes": {},
        "recipe": {}, "splits": dict.fromkeys(SPLITS, nothing), "origin": {"images": None},
    }  # fmt: skip
    return Prepared(path, info)


def lacks_images(info: dict[str, Any]) -> bool:
    """Returns whether a description is that of `without_images`."""
    return "images" in info["origin"] and info["origin"]["images"] is None


def metadata_error(info: Any) -> str | None:
    """Returns what is wrong with the description of a dataset, from disk or from a checkpoint; None if it is valid."""
    if not isinstance(info, dict):
        return "it is not a JSON object"
    if not isinstance(info.get("format_version"), int):
        return "it has no format_version"
    if info["format_version"] > FORMAT_VERSION:
        return None  # The fields of later formats are unknown; the caller rejects the version.
    for name, kind in FIELDS.items():
        if not isinstance(info.get(name), kind):
            return f"its {name} is {info.get(name)!r}"
    shape, splits, classes = info["shape"], info["splits"], info["classes"]
    valid = len(shape) == 3 and all(type(side) is int and 1 <= side <= MAX_SIDE for side in shape)
    if not (valid and shape[2] <= MAX_BANDS):
        return f"its shape is {shape!r}"
    if not all(isinstance(name, str) for name in info["attributes"]):
        return f"its attributes are {info['attributes']!r}"
    if not all(isinstance(names, list) and all(isinstance(name, str) for name in names) for names in classes.values()):
        return f"its classes are {classes!r}"
    fewest = 0 if lacks_images(info) else 1
    for split in SPLITS:
        part = splits.get(split)
        if not (isinstance(part, dict) and type(part.get("n")) is int and part["n"] >= fewest):
            return f"its split {split} is {part!r}"
        low_high = part.get("range")
        if not (isinstance(low_high, list) and len(low_high) == 2 and all(type(bound) is int for bound in low_high)):
            return f"the range of its split {split} is {low_high!r}"
    return None


def write_prepared(path: Path, name: str, recipe: dict[str, Any], source: Source) -> Prepared:
    """Writes a dataset to a temporary folder, renames it to `path` when it is complete, and opens it.

    Args:
        path: the folder to create.
        name: name of the dataset.
        recipe: the settings that it was prepared with, as JSON.
        source: its examples.
    """
    with _report_os_errors(path), _atomic_folder(path) as partial:
        info: dict[str, Any] = {
            "format_version": FORMAT_VERSION,
            "name": name,
            "shape": None,
            "attributes": list(source.attributes),
            "classes": {column: list(names) for column, names in source.classes.items()},
            "recipe": recipe,
            "splits": {},
        }
        for split in SPLITS:
            examples, columns = source.splits[split](), len(source.attributes)
            counts, info["shape"] = _write_split(partial, split, examples, columns, info["shape"])
            if counts["n"] == 0:
                raise UserError(f"{name} has no images for the {split} split; each split needs at least one.")
            info["splits"][split] = counts
        info["origin"] = source.origin  # Last: a source may have recorded skipped files while it was read.
        (partial / "dataset.json").write_text(json.dumps(info, indent=2) + "\n")
        mark(partial, [name for counts in info["splits"].values() for name in counts["sha256"]])
    return open_prepared(path)


def _write_split(
    folder: Path, split: str, examples: Iterable[Example], columns: int, shape: list[int] | None
) -> tuple[dict[str, Any], list[int] | None]:
    low, high = 255, 0
    rows: list[tuple[int, ...]] = []
    with (folder / f"{split}.npy").open("wb") as file:
        for image, attributes in examples:
            if shape is None:
                shape = list(image.shape)
            if not rows:
                _write_header(file, 0, shape)
            if list(image.shape) != shape:
                raise UserError(
                    f"images differ in shape: {shape} and {list(image.shape)}; "
                    "use --data.size N for a common size and --data.color rgb for a common colour mode."
                )
            low, high = min(low, int(image.min())), max(high, int(image.max()))
            file.write(np.ascontiguousarray(image, np.uint8).data)
            rows.append(attributes)
        if shape is not None:
            # NumPy pads the header, so the length of the first axis can be filled in once it is known.
            file.seek(0)
            _write_header(file, len(rows), shape)
    table = np.asarray(rows, np.int16).reshape(len(rows), columns)
    np.save(folder / f"{split}.attributes.npy", table, allow_pickle=False)
    names = [f"{split}.npy", f"{split}.attributes.npy"]
    sums = {name: sha256(folder / name) for name in names}
    return {"n": len(rows), "range": [low, high], "sha256": sums}, shape


def _write_header(file: Any, count: int, shape: list[int]) -> None:
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, *shape)}
    np.lib.format.write_array_header_1_0(file, header)


def _open_array(path: Path) -> np.ndarray:
    try:
        return memory_map(path)
    except UNREADABLE as error:
        raise UserError(f"{path} is missing or damaged; delete {path.parent} and prepare it again.") from error


@contextmanager
def _report_os_errors(path: Path) -> Iterator[None]:
    """Turns an OSError, such as a full disk or an unreadable file, into a UserError."""
    try:
        yield
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        raise UserError(f"{path} cannot be prepared ({error.strerror or error}{where}).") from error


@contextmanager
def _atomic_folder(path: Path) -> Iterator[Path]:
    with temp_dir(path.with_name(f".{path.name}.partial")) as partial:
        yield partial
        try:
            partial.rename(path)
        except OSError:
            if not path.exists():  # Otherwise another process wrote the same dataset first.
                raise
