"""What a reader of a format returns, and what the readers share: checks of arrays and of sizes."""

import gzip
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxvae.data.sources.array_images import Layout, Prepare, image_layout, prepared_image
from jaxvae.data.sources.array_labels import LARGEST_LABEL
from jaxvae.data.value_range import Range
from jaxvae.errors import UserError
from jaxvae.system.processes import free_memory

MAX_IMAGES = 10**8
SPLIT_NAMES = {"train": "train", "training": "train", "val": "validation", "valid": "validation",
               "validation": "validation", "dev": "validation", "test": "test", "testing": "test"}  # fmt: skip
SPLIT_PREFIX = re.compile(rf"({'|'.join(sorted(SPLIT_NAMES, key=len, reverse=True))})(?![a-z])", re.IGNORECASE)


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


def array_block(images: Any, layout: Layout, value_range: Range | None, values: np.ndarray) -> Block:
    """Returns a block of the images of an array, or of an HDF5 dataset.

    Args:
        images: the array.
        layout: how it holds its images.
        value_range: the values that become black and white; None for bytes.
        values: values of the columns, [n, columns].
    """

    def image(index: int, prepare: Prepare) -> np.ndarray:
        return prepared_image(np.asarray(images[index]), layout, value_range, prepare)

    return Block(images.shape[0], image, values)


def byte_block(path: Path, images: np.ndarray, values: np.ndarray) -> Block:
    """Returns a block of images that are bytes, [n, h, w] or [n, h, w, c].

    Raises:
        UserError: the shape is wrong, or there are not as many labels.
    """
    if len(values) != len(images):
        raise UserError(f"{path} has {len(images)} images, but {len(values)} labels; expected one each.")
    return array_block(images, image_layout(str(path), images), None, values)


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
    if labels.size and not (labels.min() >= 0 and labels.max() <= LARGEST_LABEL):
        raise UserError(
            f"{path} has labels from {labels.min()} to {labels.max()}; expected values between 0 and {LARGEST_LABEL}."
        )
    return labels.astype(np.int16)[:, None]


def split_of(name: str) -> str | None:
    """Returns the split whose name a file's name begins with; None if there is none."""
    match = SPLIT_PREFIX.match(name)
    return SPLIT_NAMES[match[1].lower()] if match else None


def no_columns(count: int) -> np.ndarray:
    """Returns the values of `count` images without attributes."""
    return np.zeros((count, 0), np.int16)
