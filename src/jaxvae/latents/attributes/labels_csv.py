"""Labels for a folder of images from a CSV: a column `file`, and one column per attribute.

    file,sunglasses,hair
    anna/01.jpg,1,blond
    ben.png,0,

Cells are yes or no (1 and 0, 1 and -1, true and false), whole numbers, or class names; an empty cell is an unknown
value.
"""

import csv
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np

from jaxvae.data.select import from_file
from jaxvae.data.sources.attribute_table import LARGEST_TABLE, Column, column_values
from jaxvae.errors import UserError
from jaxvae.latents.attributes.labels import Labelled, random_subset
from jaxvae.system.progress import progress
from jaxvae.system.small_files import check_regular

logger = logging.getLogger("jaxvae")

FILE_COLUMN = "file"
MAX_MISSING_SHOWN = 3  # Missing files listed in an error.


def load_labelled_files(
    path: Path, folder: Path, data: dict[str, Any], most: int | None = None, seed: int = 0
) -> Labelled:
    """Loads the images listed in a CSV, cropped and resized to the model's input shape, with their labels.

    Args:
        path: The CSV: UTF-8, with a header.
        folder: The folder that file names are relative to.
        data: The checkpoint's JSON description of the dataset, for the shape.
        most: Maximum number of images, sampled at random if there are more.
        seed: Seed of the sampling.

    Raises:
        UserError: If the CSV is missing or malformed, if no file exists, or if one is not an image.
    """
    header, rows = _table(path)
    attributes = tuple(name for name in header if name != FILE_COLUMN)
    files = [folder / row[FILE_COLUMN] for row in rows]
    missing = [file for file in files if not os.path.isfile(file)]  # Also for names too long to be one.
    if missing:
        shown = ", ".join(map(str, missing[:MAX_MISSING_SHOWN])) + (", …" if len(missing) > MAX_MISSING_SHOWN else "")
        sentence = f"{path} lists {len(missing)} files that do not exist: {shown}."
        if len(missing) == len(files):
            raise UserError(sentence)
        logger.warning("%s The others are used.", sentence)
        rows = [row for row, file in zip(rows, files, strict=True) if os.path.isfile(file)]
        files = [file for file in files if os.path.isfile(file)]
    columns = _columns(path, attributes, rows)
    attributes = tuple(column.name for column in columns)
    values = np.stack([[column.values[row[FILE_COLUMN]] for row in rows] for column in columns], axis=1).astype(
        np.int16
    )
    chosen = random_subset(len(files), most or len(files), seed)
    images = np.stack([from_file(files[i], data) for i in progress(chosen, len(chosen), "reading images")])
    classes = {column.name: list(column.classes) for column in columns if column.classes}
    return Labelled(images, values[chosen], attributes, classes, str(path))


def hold_out(labelled: Labelled, every: int = 5) -> tuple[Labelled, Labelled]:
    """Splits into images to learn from and every `every`-th image held out."""
    held_out = np.arange(len(labelled.images)) % every == every - 1
    learned, kept = (
        labelled._replace(images=labelled.images[which], values=labelled.values[which])
        for which in (~held_out, held_out)
    )
    return learned, kept


def _table(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    try:
        check_regular(path, LARGEST_TABLE)
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [line for line in csv.reader(file, strict=True) if any(cell.strip() for cell in line)]
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist.") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is not a readable UTF-8 CSV: {error}.") from error
    header = [name.strip() for name in lines[0]] if lines else []
    if FILE_COLUMN not in header or len(header) < 2 or len(set(header)) < len(header) or "" in header:
        raise UserError(
            f"the header of {path} is {','.join(header)!r}; expected a column 'file' and one or more attributes, "
            "without duplicates."
        )
    for number, line in enumerate(lines[1:], 2):
        if len(line) != len(header):
            raise UserError(f"row {number} of {path} has {len(line)} cells, but its header has {len(header)}.")
    rows = [dict(zip(header, line, strict=True)) for line in lines[1:]]
    if not rows:
        raise UserError(f"{path} has no rows after its header.")
    names = [row[FILE_COLUMN] for row in rows]
    if len(set(names)) < len(names):
        raise UserError(f"{path} lists {max(names, key=names.count)} more than once.")
    return header, rows


def _columns(path: Path, names: tuple[str, ...], rows: list[dict[str, str]]) -> list[Column]:
    """Returns the columns that are attributes, and says which are not."""
    made = {name: column_values(name, {row[FILE_COLUMN]: row[name].strip() for row in rows}) for name in names}
    columns = [column for column in made.values() if column is not None]
    omitted = [name for name, column in made.items() if column is None]
    sentence = f"columns of {path} that are neither classes nor whole numbers are omitted: {', '.join(omitted)}."
    if not columns:
        raise UserError(sentence)
    if omitted:
        logger.warning(sentence)
    return columns
