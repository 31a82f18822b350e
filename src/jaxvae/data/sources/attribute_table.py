"""A table of attributes beside a folder of images: CelebA's text and CSV files, or anybody's CSV.

A column `file`, or else the first, names files. Commas, semicolons, tabs and blanks separate cells; the first line
of CelebA's text files is a count.
"""

import csv
import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from jaxvae.errors import UserError
from jaxvae.labels import UNKNOWN
from jaxvae.system.small_files import read_text

logger = logging.getLogger("jaxvae")

ATTRIBUTE_FILES = ("list_attr_celeba.txt", "list_attr_celeba.csv", "attributes.csv", "labels.csv", "metadata.csv")
PARTITION_FILES = ("list_eval_partition.txt", "list_eval_partition.csv")
PARTITIONS = {"0": "train", "1": "validation", "2": "test"}
LARGEST_TABLE = 2**30  # Bytes.
FILE = "file"  # A column of this name has the file names; otherwise it is the first.
YES, NO = ("1", "true", "yes"), ("-1", "0", "false", "no")
MAX_CLASSES = 1000
MAX_NAMED = 3


class Column(NamedTuple):
    """The values of an attribute by file, and the names of its classes where values have names."""

    name: str
    values: dict[str, int]
    classes: tuple[str, ...]


def find_table(folder: Path, names: Sequence[str]) -> Path | None:
    """Returns the first of these files that lies in the folder."""
    return next((folder / name for name in names if (folder / name).is_file()), None)


def read_columns(path: Path) -> list[Column]:
    """Returns the attributes of a table, and says which of its columns cannot be attributes.

    Yes and no are 1 and 0, true and false, 1 and -1. Whole numbers stay numbers; words become classes. Other numbers,
    and columns of more than a thousand different words, are omitted.

    Raises:
        UserError: the file cannot be read, or is not a table of files and attributes.
    """
    header, rows = _read(path)
    columns, omitted = [], []
    for position, name in enumerate(header[1:], 1):
        cells = {row[0]: row[position].strip() for row in rows}
        column = column_values(name, cells)
        if column is None:
            omitted.append(name)
        else:
            columns.append(column)
    if omitted:
        logger.warning(
            "columns of %s that are neither classes nor whole numbers are omitted: %s.", path, ", ".join(omitted)
        )
    return columns


def read_partition(path: Path) -> dict[str, str]:
    """Returns the split of each file of CelebA's table of partitions.

    Raises:
        UserError: the file cannot be read, or a value is not 0, 1 or 2.
    """
    _, rows = _read(path)
    wrong = next((row for row in rows if row[1].strip() not in PARTITIONS), None)
    if wrong is not None:
        raise UserError(f"{path} puts {wrong[0]} into partition {wrong[1]!r}; expected 0, 1 or 2.")
    return {row[0]: PARTITIONS[row[1].strip()] for row in rows}


def match_files(table: Path, listed: Sequence[str], paths: Sequence[Path], root: Path) -> dict[Path, str]:
    """Returns the name that the table has for each image, by its path below `root` or else by its file name alone.

    Raises:
        UserError: no image is listed.
    """
    names = set(listed)
    found = {}
    for path in paths:
        relative = path.relative_to(root).as_posix()
        if relative in names or path.name in names:
            found[path] = relative if relative in names else path.name
    missing = sorted(names - set(found.values()))
    if not found:
        raise UserError(f"{table} lists none of the images in {root}, but {', '.join(missing[:MAX_NAMED])}, ….")
    if missing:
        more = ", …" if len(missing) > MAX_NAMED else ""
        logger.warning(
            "%d images that %s lists are not there: %s%s.", len(missing), table, ", ".join(missing[:MAX_NAMED]), more
        )
    return found


def _read(path: Path) -> tuple[list[str], list[list[str]]]:
    """Returns the header and the rows, in which the column of file names comes first."""
    try:
        text = read_text(path, LARGEST_TABLE)
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as a table: {getattr(error, 'strerror', None) or error}.") from error
    lines = [line for line in text.splitlines() if line.strip()]
    if lines and lines[0].strip().isdigit():
        lines = lines[1:]  # CelebA's number of images.
    if not lines:
        raise UserError(f"{path} has no rows.")
    separator = next((each for each in (",", ";", "\t") if each in lines[0]), None)
    try:
        split = (
            [line.split() for line in lines]
            if separator is None
            else list(csv.reader(lines, delimiter=separator, strict=True))
        )
    except csv.Error as error:
        raise UserError(f"{path} cannot be read as a table: {error}.") from error
    header, rows = split[0], split[1:]
    if _is_file(header[0]):
        # CelebA's text files name no columns in the table of partitions.
        header, rows = [FILE, *(f"column {i}" for i in range(1, len(header)))], split
    elif separator is None and rows and len(rows[0]) == len(header) + 1:
        header = [FILE, *header]  # Nor the column of file names in that of attributes.
    header = [name.strip() for name in header]
    if len(header) < 2 or len(set(header)) < len(header) or "" in header[1:]:
        raise UserError(
            f"the header of {path} is {','.join(header)!r}; expected a column of file names and one or more "
            "attributes, without duplicates."
        )
    if not rows:
        raise UserError(f"{path} has no rows after its header.")
    ragged = next((i for i, row in enumerate(rows, 2) if len(row) != len(header)), None)
    if ragged is not None:
        raise UserError(f"row {ragged} of {path} has {len(rows[ragged - 2])} cells, but its header has {len(header)}.")
    if FILE in header[1:]:
        place = header.index(FILE)
        header, *rows = ([row[place], *row[:place], *row[place + 1 :]] for row in (header, *rows))
    names = Counter(row[0] for row in rows)
    name, count = names.most_common(1)[0]
    if count > 1:
        raise UserError(f"{path} lists {name} more than once.")
    return header, rows


def _is_file(cell: str) -> bool:
    return PurePosixPath(cell.strip()).suffix.lower() in (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


def column_values(name: str, cells: dict[str, str]) -> Column | None:
    """Returns the values that cells stand for, by file; None if they are neither classes nor whole numbers."""
    known = sorted({cell for cell in cells.values() if cell})
    if {cell.lower() for cell in known} <= {*YES, *NO}:
        return Column(name, {file: _yes_or_no(cell) for file, cell in cells.items()}, ())
    if all(_is_number(cell) for cell in known):
        numbers = {file: float(cell) if cell else float(UNKNOWN) for file, cell in cells.items()}
        whole = all(value.is_integer() and UNKNOWN <= value <= np.iinfo(np.int16).max for value in numbers.values())
        return Column(name, {file: int(value) for file, value in numbers.items()}, ()) if whole else None
    if len(known) > MAX_CLASSES:
        return None
    number = {cell: value for value, cell in enumerate(known)}
    return Column(name, {file: number.get(cell, UNKNOWN) for file, cell in cells.items()}, tuple(known))


def _yes_or_no(cell: str) -> int:
    return UNKNOWN if not cell else int(cell.lower() in YES)


def _is_number(cell: str) -> bool:
    try:
        return bool(np.isfinite(float(cell)))
    except ValueError:
        return False
