"""Reads tables of pixels: one image per row, grey values from 0 to 255, perhaps a label.

A column per pixel, or one column `pixels` with all of them in each cell, as in FER2013.
"""

import csv
import io
import math
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from jaxvae.data.config import DataConfig
from jaxvae.data.sources.containers.contents import (
    SPLIT_NAMES,
    Contents,
    byte_block,
    check_memory,
    label_column,
    no_columns,
    read_bytes,
)
from jaxvae.data.sources.containers.table import GZIP
from jaxvae.errors import UserError

DELIMITERS = ",;\t"
LABELS = ("label", "labels", "class", "target", "y", "emotion")
PIXELS, USAGE = "pixels", "usage"
USAGES = {**SPLIT_NAMES, "publictest": "validation", "privatetest": "test"}  # FER2013's.
LONGEST = 2**24  # Characters of a row.


def read(path: Path, config: DataConfig) -> Contents:
    """Returns the images of a table of h · h pixels per row, or of 3 · h · h with a header.

    With a header, the label is the column `label`; without, it is the first, if the other columns make a square. A
    column `usage` next to a column `pixels` names splits.

    Raises:
        UserError: the rows are not squares, or values are not whole numbers from 0 to 255.
    """
    check_memory(path, path.stat().st_size)
    with _open(path) as file:
        first = file.readline(LONGEST)
        delimiter = next((each for each in DELIMITERS if each in first), ",")
        fields = [field.strip() for field in next(csv.reader([first], delimiter=delimiter), [])]
        has_header = not all(_is_number(field) for field in fields)
        if not has_header:
            file.seek(0)
        names = [field.lower() for field in fields]
        label = _label_column(path, names, has_header)
        if has_header and PIXELS in names:
            return _read_lists(path, csv.reader(file, delimiter=delimiter), names, label)
        pixels = len(fields) - (label is not None)
        channels = next((count for count in (1, 3) if _is_square(pixels, count)), 0)
        if not channels or (channels == 3 and not has_header):
            raise UserError(
                f"{path} has {len(fields)} columns; expected a square number of pixels (784 for 28 x 28), alone or "
                "after a label."
            )
        table = _parse(path, file, delimiter, len(fields))
    labels = None if label is None else table[:, label]
    table = table if label is None else np.delete(table, label, axis=1)
    side = math.isqrt(pixels // channels)
    images = _to_bytes(path, table).reshape(-1, side, side, channels)
    values = no_columns(len(images)) if labels is None else label_column(path, labels)
    return Contents({"train": byte_block(path, images, values)}, () if labels is None else ("label",))


def _read_lists(path: Path, rows: Iterator[list[str]], names: list[str], label: int | None) -> Contents:
    """Returns the images of a table that has all pixels of an image in one cell, separated by blanks."""
    images: dict[str, list[np.ndarray]] = {}
    labels: dict[str, list[int]] = {}
    size = 0
    for number, row in enumerate(rows, 2):
        if len(row) != len(names):
            raise UserError(f"row {number} of {path} has {len(row)} cells, but its header has {len(names)}.")
        usage = row[names.index(USAGE)].strip().lower() if USAGE in names else "train"
        if usage not in USAGES:
            raise UserError(f"row {number} of {path} has the usage {usage!r}; expected {', '.join(USAGES)}.")
        try:
            pixels = np.array(row[names.index(PIXELS)].split(), np.int32)
            labels.setdefault(USAGES[usage], []).append(0 if label is None else int(row[label]))
        except (ValueError, OverflowError) as error:
            raise UserError(f"row {number} of {path} cannot be read ({error}); expected whole numbers.") from error
        size = size or len(pixels)
        if len(pixels) != size or not _is_square(size, 1):
            raise UserError(
                f"row {number} of {path} has {len(pixels)} pixels; expected a square number, the same in every row."
            )
        images.setdefault(USAGES[usage], []).append(_to_bytes(path, pixels))
    side = math.isqrt(size)
    blocks = {}
    for split, found in images.items():
        values = no_columns(len(found)) if label is None else label_column(path, np.array(labels[split], np.int64))
        blocks[split] = byte_block(path, np.stack(found).reshape(-1, side, side), values)
    return Contents(blocks, () if label is None else ("label",))


def _to_bytes(path: Path, pixels: np.ndarray) -> np.ndarray:
    if pixels.size and not (pixels.min() >= 0 and pixels.max() <= 255):
        raise UserError(
            f"{path} has pixels from {pixels.min()} to {pixels.max()}; expected whole numbers from 0 to 255."
        )
    return pixels.astype(np.uint8)


def _open(path: Path) -> io.TextIOWrapper:
    with path.open("rb") as file:
        packed = file.read(len(GZIP)) == GZIP
    if packed:
        return io.TextIOWrapper(io.BytesIO(read_bytes(path)), encoding="utf-8-sig")
    return path.open(encoding="utf-8-sig", newline="")


def _is_square(pixels: int, channels: int) -> bool:
    side = math.isqrt(pixels // channels)
    return side > 1 and side * side * channels == pixels


def _label_column(path: Path, names: list[str], has_header: bool) -> int | None:
    if has_header:
        found = [i for i, name in enumerate(names) if name in LABELS]
        if len(found) > 1:
            raise UserError(f"{path} has {len(found)} columns of labels; keep one of them.")
        return found[0] if found else None
    return 0 if len(names) > 1 and math.isqrt(len(names) - 1) ** 2 == len(names) - 1 else None


def _parse(path: Path, file: io.TextIOWrapper, delimiter: str, columns: int) -> np.ndarray:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # A table without rows is reported by its number of images.
            table = np.loadtxt(file, np.int32, delimiter=delimiter, comments=None, quotechar='"', ndmin=2)
    except ValueError as error:
        what = " ".join(str(error).split())
        raise UserError(
            f"{path} cannot be read as a table of pixels ({what}); expected whole numbers from 0 to 255, "
            "and as many in each row."
        ) from error
    table = table.reshape(-1, columns) if not table.size else table
    if table.shape[1] != columns:
        raise UserError(f"{path} has {columns} columns in its first row, but {table.shape[1]} in others.")
    return table


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True
