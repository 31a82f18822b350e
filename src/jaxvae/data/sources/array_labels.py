"""Labels as people keep them, brought to columns of integers."""

import logging
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from jaxvae.errors import UserError

LARGEST_LABEL = np.iinfo(np.int16).max
MAX_COLUMNS = 1000
MAX_VALUES = 100  # Distinct fractions of a factor, which become ranks.

logger = logging.getLogger("jaxvae")


class Columns(NamedTuple):
    """Attribute columns of all splits.

    Attributes:
        names: of the columns.
        classes: for columns whose values have names, those names by position.
        values: integers [n, columns], by split.
    """

    names: tuple[str, ...]
    classes: dict[str, tuple[str, ...]]
    values: dict[str, np.ndarray]


def label_columns(
    where: str,
    labels: Mapping[str, np.ndarray],
    counts: Mapping[str, int],
    names: tuple[str, ...] = (),
    label_names: tuple[str, ...] = (),
) -> Columns:
    """Returns labels [n] as the column `label`, and [n, f] as the columns `label_0` to `label_{f-1}`.

    Recognised are [n, 1], one-hot rows, whole floats, strings, and -1 and 1 for no and yes. Fractions become ranks of
    their values, if there are few; otherwise the column is skipped with a warning.

    Args:
        where: the file, for messages.
        labels: by split; empty for none.
        counts: number of images by split.
        names: of the columns, used if they are as many.
        label_names: the classes of a single column.

    Raises:
        UserError: they are none of these, out of range, or there for some splits only.
    """
    stray = [split for split in labels if split not in counts]
    unlabelled = [split for split in counts if split not in labels]
    if stray:
        raise UserError(f"{where} has labels of {', '.join(stray)} without images; remove them, or add the images.")
    if not labels:
        return Columns((), {}, {split: np.zeros((count, 0), np.int16) for split, count in counts.items()})
    if unlabelled:
        raise UserError(
            f"{where} has labels, but not for {', '.join(unlabelled)}; provide labels for all splits or none."
        )
    for split, array in labels.items():
        _check_shape(where, split, array, counts[split])
    tables = {split: array.reshape(len(array), -1) for split, array in labels.items()}
    if all(array.ndim == 2 and _is_one_hot(array) for array in labels.values()):
        tables = {split: np.argmax(table, axis=1)[:, None] for split, table in tables.items()}
    widths = {table.shape[1] for table in tables.values()}
    if len(widths) > 1 or max(widths) > MAX_COLUMNS:
        raise UserError(
            f"{where} has labels of {' and '.join(map(str, sorted(widths)))} columns; expected as many in all splits, "
            f"at most {MAX_COLUMNS}."
        )
    width = widths.pop()
    numbered = ("label",) if width == 1 else tuple(f"label_{i}" for i in range(width))
    titles = names if len(names) == width else numbered
    found: dict[str, np.ndarray] = {}
    classes: dict[str, tuple[str, ...]] = {}
    for title, column in zip(titles, np.concatenate(list(tables.values())).T, strict=True):
        made = _integers(where, title, column)
        if made is not None:
            found[title], classes[title] = made
    if width == 1 and label_names and not classes.get("label", ()):
        _check_label_names(where, label_names, found.values())
        classes = dict.fromkeys(found, label_names)
    total = sum(counts.values())
    table = np.stack(list(found.values()), axis=1).astype(np.int16) if found else np.zeros((total, 0), np.int16)
    ends = np.cumsum([counts[split] for split in tables])[:-1]
    return Columns(
        tuple(found),
        {title: known for title, known in classes.items() if known},
        dict(zip(tables, np.split(table, ends), strict=True)),
    )


def _check_shape(where: str, split: str, array: np.ndarray, count: int) -> None:
    if array.dtype.kind not in "iubfUS" or array.ndim not in (1, 2) or array.shape[1:] == (0,):
        raise UserError(
            f"{where} has labels of shape {list(array.shape)} and type {array.dtype} for {count} images; expected "
            f"integers of shape [{count}], or [{count}, columns]."
        )
    if len(array) != count:
        raise UserError(
            f"{where} has labels of shape {list(array.shape)} for {count} images of {split}; expected one for each."
        )


def _is_one_hot(rows: np.ndarray) -> bool:
    one_hot = rows.dtype.kind in "fbiu" and rows.shape[1] > 1
    return one_hot and bool(np.isin(rows, (0, 1)).all() and (rows.sum(axis=1) == 1).all())


def _integers(where: str, title: str, column: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]] | None:
    """Returns a column as integers, and the names of its classes; None if it is skipped."""
    if column.dtype.kind in "US":
        return _ranks(where, title, column.astype(str))
    if column.dtype.kind == "f":
        if not np.isfinite(column).all() or not np.array_equal(column, np.rint(column)):
            return _ranks_of_fractions(where, title, column)
        column = column.astype(np.int64)
    if column.size and column.dtype.kind == "i" and column.min() == -1 and np.isin(column, (-1, 1)).all():
        column = column > 0  # No and yes.
    if column.size and not (column.min() >= 0 and column.max() <= LARGEST_LABEL):
        raise UserError(
            f"{where} has labels from {column.min()} to {column.max()}; expected values between 0 and {LARGEST_LABEL}."
        )
    return column.astype(np.int64), ()


def _ranks(where: str, title: str, column: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    distinct, ranks = np.unique(column, return_inverse=True)
    if len(distinct) > LARGEST_LABEL:
        raise UserError(f"{where} has {len(distinct)} different values of {title}, but at most {LARGEST_LABEL} fit.")
    return ranks, tuple(map(str, distinct))


def _ranks_of_fractions(where: str, title: str, column: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]] | None:
    distinct, ranks = np.unique(column, return_inverse=True)
    if len(distinct) > MAX_VALUES or not np.isfinite(distinct).all():
        logger.warning(
            "skipped: the column %s of %s has %d distinct values, more than %d, or some that are not finite",
            title, where, len(distinct), MAX_VALUES,
        )  # fmt: skip
        return None
    return ranks, tuple(f"{value:.6g}" for value in distinct)


def _check_label_names(where: str, names: tuple[str, ...], columns: Iterable[np.ndarray]) -> None:
    highest = max((int(column.max(initial=0)) for column in columns), default=0)
    if highest >= len(names):
        raise UserError(
            f"{where} has labels up to {highest}, but {len(names)} label_names, for labels 0 to {len(names) - 1}."
        )
