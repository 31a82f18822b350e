"""Reads tables of pixels: one image per row, grey values from 0 to 255, perhaps a label."""

import csv
import io
import math
import warnings
from pathlib import Path

import numpy as np

from jaxvae.data.config import DataConfig
from jaxvae.data.sources.containers.contents import (
    Contents,
    array_block,
    check_memory,
    label_column,
    no_columns,
    read_bytes,
)
from jaxvae.data.sources.containers.table import GZIP
from jaxvae.errors import UserError

DELIMITERS = ",;\t"
LABELS = ("label", "labels", "class", "target", "y")
LONGEST = 2**24  # Characters of a row.


def read(path: Path, config: DataConfig) -> Contents:
    """Returns the images of a table of h · h pixels per row, or of 3 · h · h with a header.

    With a header, the label is the column `label`; without, it is the first, if the other columns make a square.

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
        label = _label_column(path, [field.lower() for field in fields], has_header)
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
    if table.size and not (table.min() >= 0 and table.max() <= 255):
        raise UserError(f"{path} has pixels from {table.min()} to {table.max()}; expected whole numbers from 0 to 255.")
    side = math.isqrt(pixels // channels)
    images = table.astype(np.uint8).reshape(-1, side, side, channels)
    values = no_columns(len(images)) if labels is None else label_column(path, labels)
    return Contents({"train": array_block(path, images, values)}, () if labels is None else ("label",))


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
