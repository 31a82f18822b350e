"""Images and labels from arrays with names such as `images`, `labels`, `x_train` and `y_test`."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxvae.data.config import DataConfig
from jaxvae.data.sources.array_images import check_bands, common_range, image_layout
from jaxvae.data.sources.array_labels import label_columns
from jaxvae.data.sources.array_names import ACCEPTED, Meaning, meanings
from jaxvae.data.sources.base import SPLITS
from jaxvae.data.sources.containers.contents import Contents, array_block
from jaxvae.errors import UserError, printable

logger = logging.getLogger("jaxvae")

MAX_LISTED = 10


def sort_names(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[Meaning, str]:
    """Returns the names of arrays of images and labels by kind and split; others are skipped with a warning.

    Args:
        path: the file, for messages.
        shapes: of all arrays of the file, by name.

    Raises:
        UserError: no name stands for training images, two mean the same, or an array under an unknown name may be
            images, too: its split may be misspelt.
    """
    found: dict[Meaning, str] = {}
    unknown: list[str] = []
    for name, meaning in meanings(shapes).items():
        if meaning is None:
            unknown.append(name)
        elif meaning in found:
            raise UserError(f"{path} has both {found[meaning]} and {name}, which mean the same; remove one.")
        else:
            found[meaning] = name
    if ("images", "train") not in found:
        raise UserError(
            f"{path} has the arrays {_listed(list(shapes))}, of which none is named images or x_train; rename them: "
            f"{ACCEPTED}."
        )
    images = shapes[found["images", "train"]]
    doubtful = [name for name in unknown if len(images) > 2 and shapes[name][1:] == images[1:]]
    if doubtful:
        raise UserError(
            f"{path} has the arrays {_listed(list(shapes))}, of which {printable(doubtful[0])!r} is unknown, but has "
            f"the shape of images; remove it, or rename it: {ACCEPTED}."
        )
    if unknown:
        logger.warning("skipped in %s: the arrays %s.", path, _listed(unknown))
    return found


def named_contents(
    path: Path,
    arrays: Mapping[Meaning, Any],
    config: DataConfig,
    names: tuple[str, ...] = (),
    label_names: tuple[str, ...] = (),
) -> Contents:
    """Returns the images of arrays by kind ("images" or "labels") and split.

    Args:
        path: the file, for messages.
        arrays: images, NumPy's or HDF5's, and labels.
        config: what to prepare; its `value_range` is chosen by type and by all values if it is None.
        names: names of the columns instead of `label_0` and so on, if they are as many.
        label_names: the classes of a single column.

    Raises:
        UserError: shapes, types, values or labels are wrong; see `image_layout`, `common_range` and `label_columns`.
    """
    images = {split: arrays["images", split] for split in SPLITS if ("images", split) in arrays}
    labels = {split: arrays["labels", split] for split in SPLITS if ("labels", split) in arrays}
    layouts = {split: image_layout(str(path), each) for split, each in images.items()}
    check_bands(str(path), layouts.values(), config.color)
    scale = common_range(str(path), list(images.values()), config.value_range)
    counts = {split: each.shape[0] for split, each in images.items()}
    columns = label_columns(str(path), {split: each[:] for split, each in labels.items()}, counts, names, label_names)
    return Contents(
        {split: array_block(images[split], layouts[split], scale, columns.values[split]) for split in images},
        columns.names,
        columns.classes,
        facts={"value_range": list(scale)} if scale else {},
    )


def _listed(names: list[str]) -> str:
    return (printable(", ".join(names[:MAX_LISTED])) or "(none)") + (", …" if len(names) > MAX_LISTED else "")
