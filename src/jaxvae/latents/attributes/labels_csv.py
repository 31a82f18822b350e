"""Labels for a folder of pictures from a CSV: a column `file`, and one for each attribute.

    file,sunglasses,hair
    anna/01.jpg,1,blond
    ben.png,0,

Cells are 0 and 1, or names of classes; an empty one says that the value is not known.
"""

import csv
from pathlib import Path
from typing import Any

import numpy as np

from jaxvae.data.select import from_file
from jaxvae.errors import UserError
from jaxvae.latents.attributes.labels import UNKNOWN, Labelled, random_subset
from jaxvae.system.progress import progress

FILE_COLUMN = "file"


MAX_MISSING_SHOWN = 3  # Of the files that are not there.


def load_labelled_files(
    path: Path, folder: Path, data: dict[str, Any], most: int | None = None, seed: int = 0
) -> Labelled:
    """The pictures that a CSV names, cut and resized to the shape of the model's pictures, with their labels.

    Args:
        path: the CSV, UTF-8, with a header.
        folder: what its file names are relative to.
        data: the JSON of the data set that the checkpoint carries, for the shape.
        most: the most pictures, drawn where there are more.
        seed: of that draw.

    Raises:
        UserError: for a CSV that is missing or of another form, and files that are not there or are no pictures.
    """
    header, rows = _table(path)
    attributes = tuple(name for name in header if name != FILE_COLUMN)
    files = [folder / row[FILE_COLUMN] for row in rows]
    missing = [file for file in files if not file.is_file()]
    if missing:
        shown = ", ".join(map(str, missing[:MAX_MISSING_SHOWN])) + (", …" if len(missing) > MAX_MISSING_SHOWN else "")
        raise UserError(f"{path} names {len(missing)} files that are not there: {shown}.")
    columns = [_column([row[name].strip() for row in rows]) for name in attributes]
    values = np.stack([numbers for numbers, _ in columns], axis=1)
    chosen = random_subset(len(files), most or len(files), seed)
    images = np.stack([from_file(files[i], data) for i in progress(chosen, len(chosen), "reading the pictures")])
    classes = {name: called for name, (_, called) in zip(attributes, columns, strict=True) if called}
    return Labelled(images, values[chosen], attributes, classes, str(path))


def hold_out(labelled: Labelled, every: int = 5) -> tuple[Labelled, Labelled]:
    """Pictures to learn from, and every fifth held out."""
    held_out = np.arange(len(labelled.images)) % every == every - 1
    learned, kept = (
        labelled._replace(images=labelled.images[which], values=labelled.values[which])
        for which in (~held_out, held_out)
    )
    return learned, kept


def _table(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [line for line in csv.reader(file, strict=True) if any(cell.strip() for cell in line)]
    except FileNotFoundError as error:
        raise UserError(f"there is no file {path}.") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read as CSV in UTF-8: {error}.") from error
    header = [name.strip() for name in lines[0]] if lines else []
    if FILE_COLUMN not in header or len(header) < 2 or len(set(header)) < len(header) or "" in header:
        raise UserError(
            f"the first line of {path} is {','.join(header)!r}, but must name a column 'file' and one or more "
            "attributes, each once."
        )
    for number, line in enumerate(lines[1:], 2):
        if len(line) != len(header):
            raise UserError(f"row {number} of {path} has {len(line)} cells, but its first row has {len(header)}.")
    rows = [dict(zip(header, line, strict=True)) for line in lines[1:]]
    if not rows:
        raise UserError(f"{path} labels no pictures: it has no row after the first.")
    names = [row[FILE_COLUMN] for row in rows]
    if len(set(names)) < len(names):
        raise UserError(f"{path} labels {max(names, key=names.count)} twice.")
    return header, rows


def _column(cells: list[str]) -> tuple[np.ndarray, list[str]]:
    """The values of an attribute, and what they are called where they are not 0 and 1."""
    known = sorted(set(cells) - {""})
    called = [] if set(known) <= {"0", "1"} else known
    number = {name: value for value, name in enumerate(called or ["0", "1"])}
    return np.asarray([number.get(cell, UNKNOWN) for cell in cells], np.int16), called
