"""Images and labels from arrays with names such as `images`, `labels`, `x_train` and `y_test`."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxvae.data.sources.array_layout import common_range
from jaxvae.data.sources.base import SPLITS
from jaxvae.data.sources.containers.contents import (
    HIGHEST_LABEL,
    KEYS,
    MAX_VALUES,
    Contents,
    array_block,
    label_column,
    no_columns,
)
from jaxvae.data.value_range import Range
from jaxvae.errors import UserError, printable

logger = logging.getLogger("jaxvae")

MAX_LISTED = 10
MAX_COLUMNS = 1000


def sort_names(path: Path, names: list[str]) -> dict[tuple[str, str], str]:
    """Returns the names of arrays of images and labels by kind and split; other names are omitted.

    Raises:
        UserError: no name stands for training images, or two stand for the same.
    """
    found: dict[tuple[str, str], str] = {}
    for name in names:
        key = KEYS.get(name.lower().replace("/", "_"))
        if key in found:
            raise UserError(f"{path} has both {found[key]} and {name}, which mean the same; remove one.")
        if key is not None:
            found[key] = name
    if ("images", "train") not in found:
        listed = printable(", ".join(sorted(names)[:MAX_LISTED])) + (", …" if len(names) > MAX_LISTED else "")
        raise UserError(
            f"{path} has the arrays {listed or '(none)'}, of which none is named images or x_train; rename them: "
            "images (and labels), or x_train, x_validation, x_test (and y_train, y_validation, y_test)."
        )
    return found


def named_contents(
    path: Path,
    arrays: Mapping[tuple[str, str], Any],
    names: tuple[str, ...] | None = None,
    value_range: Range | None = None,
) -> Contents:
    """Returns the images of arrays by kind ("images" or "labels") and split.

    Integer labels [n] become the column `label`, and [n, f] the columns `label_0` to `label_{f-1}`. Columns of floats
    become ranks of their values, if there are few; otherwise they are skipped with a warning.

    Args:
        path: the file, for messages.
        arrays: images, NumPy's or HDF5's, and labels.
        names: names of the columns instead of `label_0` and so on, if they are as many.
        value_range: the values that become black and white; None chooses by type and by all values.

    Raises:
        UserError: shapes or types are wrong, or only some splits have labels.
    """
    images = {split: arrays["images", split] for split in SPLITS if ("images", split) in arrays}
    scale = common_range(str(path), list(images.values()), value_range)
    facts: dict[str, object] = {"value_range": list(scale)} if scale else {}
    labels = {split: _as_table(path, arrays["labels", split]) for split in SPLITS if ("labels", split) in arrays}
    if labels and set(labels) != set(images):
        different = ", ".join(sorted(set(labels) ^ set(images)))
        raise UserError(f"{path} has labels, but images and labels differ for {different}; provide both or none.")
    if not labels:
        unlabelled = {
            split: array_block(path, each, no_columns(each.shape[0]), scale) for split, each in images.items()
        }
        return Contents(unlabelled, facts=facts)
    widths = {table.shape[1] for table in labels.values()}
    if len(widths) > 1 or max(widths) > MAX_COLUMNS:
        raise UserError(f"{path} has labels with {sorted(widths)} columns; expected the same, at most {MAX_COLUMNS}.")
    width = widths.pop()
    titles = ("label",) if width == 1 else names if names and len(names) == width else _numbered(width)
    columns: list[str] = []
    classes: dict[str, tuple[str, ...]] = {}
    values: list[np.ndarray] = []
    joined = np.concatenate(list(labels.values()))
    for title, column in zip(titles, joined.T, strict=True):
        if column.dtype.kind == "f":
            distinct, ranks = np.unique(column, return_inverse=True)
            if len(distinct) > MAX_VALUES or not np.isfinite(distinct).all():
                logger.warning(
                    "skipped: the column %s of %s has %d distinct values, more than %d, or some that are not finite",
                    title, path, len(distinct), MAX_VALUES,
                )  # fmt: skip
                continue
            if not _are_labels(distinct):
                classes[title] = tuple(f"{value:.6g}" for value in distinct)
                column = ranks
        columns.append(title)
        values.append(label_column(path, column if column.dtype.kind in "iub" else column.astype(np.int64)))
    table = np.concatenate(values, axis=1) if values else no_columns(len(joined))
    ends = np.cumsum([len(each) for each in labels.values()])[:-1]
    parts = dict(zip(labels, np.split(table, ends), strict=True))
    blocks = {split: array_block(path, each, parts[split], scale) for split, each in images.items()}
    return Contents(blocks, tuple(columns), classes, facts=facts)


def _as_table(path: Path, labels: Any) -> np.ndarray:
    if labels.dtype.kind not in "iubf" or len(labels.shape) not in (1, 2) or (labels.shape[1:] == (0,)):
        raise UserError(
            f"{path} has labels of shape {list(labels.shape)} and type {labels.dtype}; expected numbers [n] or [n, f]."
        )
    table = np.asarray(labels[:])
    return table[:, None] if table.ndim == 1 else table


def _are_labels(distinct: np.ndarray) -> bool:
    """Whether floats are whole numbers that a column takes as they are."""
    return bool(np.array_equal(distinct, np.rint(distinct)) and distinct[0] >= 0 and distinct[-1] <= HIGHEST_LABEL)


def _numbered(width: int) -> tuple[str, ...]:
    return tuple(f"label_{i}" for i in range(width))
