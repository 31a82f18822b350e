"""What a reader of a format returns, and what the readers share: checks of arrays and of sizes."""

import gzip
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from jaxvae.data.sources.array_layout import not_alpha, to_image
from jaxvae.data.value_range import Range
from jaxvae.errors import UserError
from jaxvae.system.processes import free_memory

Prepare = Callable[[Image.Image], np.ndarray]  # Crops and resizes.

HIGHEST_LABEL = np.iinfo(np.int16).max
MAX_IMAGES = 10**8
MAX_SIDE = 2**14
MAX_VALUES = 100  # Distinct values of a factor, which become ranks.
SPLIT_NAMES = {"train": "train", "training": "train", "val": "validation", "valid": "validation",
               "validation": "validation", "dev": "validation", "test": "test", "testing": "test"}  # fmt: skip
# Names of arrays: (kind of array, split).
KEYS = {
    **dict.fromkeys(("images", "x", "image", "data", "imgs"), ("images", "train")),
    **dict.fromkeys(("labels", "y", "label", "targets"), ("labels", "train")),
    **{name.format(alias): ("images", split) for alias, split in SPLIT_NAMES.items()
       for name in ("x_{}", "{}_x", "{}_set_x", "images_{}", "{}_images", "{}")},
    **{name.format(alias): ("labels", split) for alias, split in SPLIT_NAMES.items()
       for name in ("y_{}", "{}_y", "{}_set_y", "labels_{}", "{}_labels")},
}  # fmt: skip


class Block(NamedTuple):
    """The images of one split.

    Attributes:
        total: how many there are.
        image: returns the image at an index, prepared; None if it cannot be decoded and is skipped.
        values: values of the columns, integers [total, columns].
    """

    total: int
    image: Callable[[int, Prepare], np.ndarray | None]
    values: np.ndarray


class Contents(NamedTuple):
    """The images of a container.

    Attributes:
        blocks: the images by split; `train` is among them.
        columns: names of the attribute columns.
        classes: for columns whose values have names, those names by position.
        color: colours that all images have in common; None if they agree by their format.
        facts: what `origin` records, as JSON, with the `value_range` if images were scaled by one; may change while
            images are read.
        close: releases the file.
    """

    blocks: Mapping[str, Block]
    columns: tuple[str, ...] = ()
    classes: Mapping[str, tuple[str, ...]] = {}
    color: str | None = None
    facts: Mapping[str, object] = {}
    close: Callable[[], object] = lambda: None


def check_memory(path: Path, size: int) -> None:
    """Raises UserError if `size` bytes are more than half of the free memory."""
    free = free_memory()
    if size > free // 2:
        raise UserError(
            f"{path} unpacks to {size / 1e9:.3g} GB or more, and {free / 1e9:.3g} GB of memory are free, of which "
            "half may be taken; convert it to a folder of images, or use a machine with more memory."
        )


def read_bytes(path: Path) -> bytes:
    """Returns the bytes of a regular file, unpacked if it is a gzip file.

    Raises:
        UserError: they would take more than half of the free memory.
    """
    check_memory(path, path.stat().st_size)
    with path.open("rb") as file:
        if file.read(2) != b"\x1f\x8b":
            file.seek(0)
            return file.read()
        file.seek(0)
        limit = free_memory() // 2
        with gzip.open(file) as unpacked:
            parts: list[bytes] = []
            while part := unpacked.read(2**20):
                parts.append(part)
                if len(parts) * 2**20 > limit:
                    check_memory(path, len(parts) * 2**20)
        return b"".join(parts)


def array_block(path: Path, images: Any, values: np.ndarray, value_range: Range | None = None) -> Block:
    """Returns a block of the images of an array, or of an HDF5 dataset, [n, h, w] or [n, h, w, c].

    Args:
        path: the file, for messages.
        images: the array; of other types than uint8 only with a `value_range`.
        values: values of the columns, [n, columns].
        value_range: the values that become black and white, as `common_range` returns it; None for bytes.

    Raises:
        UserError: shape or type are wrong.
    """
    shape = tuple(images.shape)
    valid = len(shape) in (3, 4) and all(1 <= side <= MAX_SIDE for side in shape[1:3]) and shape[0] <= MAX_IMAGES
    if not valid or (len(shape) == 4 and shape[3] not in (1, 3, 4)):
        raise UserError(
            f"{path} has images of shape {list(shape)}; expected [n, h, w] or [n, h, w, c] with c 1, 3 or 4, "
            f"and sides up to {MAX_SIDE}."
        )
    if images.dtype.kind not in "fbiu" or (value_range is None and images.dtype != np.uint8):
        raise UserError(f"{path} has images of type {images.dtype}; expected uint8, or floats between 0 and 1.")
    if len(shape) == 4 and shape[3] == 4 and images.dtype != np.uint8:
        raise not_alpha(str(path), shape)
    if len(values) != shape[0]:
        raise UserError(f"{path} has {shape[0]} images, but {len(values)} labels; expected one each.")

    def image(index: int, prepare: Prepare) -> np.ndarray:
        return prepare(to_image(np.asarray(images[index]), value_range))

    return Block(shape[0], image, values)


def label_column(path: Path, labels: np.ndarray) -> np.ndarray:
    """Returns integer labels [n] as one column.

    Raises:
        UserError: they are not integers from 0 to 32767.
    """
    if labels.dtype.kind not in "iub" or labels.ndim != 1:
        raise UserError(
            f"{path} has labels of shape {list(labels.shape)} and type {labels.dtype}; "
            "expected integers, one per image."
        )
    if labels.size and not (labels.min() >= 0 and labels.max() <= HIGHEST_LABEL):
        raise UserError(
            f"{path} has labels from {labels.min()} to {labels.max()}; expected values between 0 and {HIGHEST_LABEL}."
        )
    return labels.astype(np.int16)[:, None]


def no_columns(count: int) -> np.ndarray:
    """Returns the values of `count` images without attributes."""
    return np.zeros((count, 0), np.int16)
