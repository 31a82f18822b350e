"""The source of images in NumPy files: .npy and .npz."""

import logging
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxvae.data.config import DataConfig
from jaxvae.data.images import crop_and_resize
from jaxvae.data.numpy_files import UNREADABLE, memory_map, read_npz
from jaxvae.data.sources.array_layout import Labels, arrange_columns, arrange_images, common_range, to_image
from jaxvae.data.sources.array_names import ACCEPTED, Meaning, meanings
from jaxvae.data.sources.base import SPLITS, Example, Source
from jaxvae.data.sources.dsprites import as_dsprites
from jaxvae.data.splits import Part, describe_splits, make_splits
from jaxvae.errors import UserError
from jaxvae.system.files import expand_user
from jaxvae.system.progress import progress
from jaxvae.system.small_files import LARGEST_FILE, check_regular

logger = logging.getLogger("jaxvae")

LABEL_NAMES = "label_names"
ZIP_MAGIC = b"PK"  # First bytes of an .npz file, which is a zip archive.


class _Block(NamedTuple):
    images: np.ndarray
    labels: tuple[Labels, ...]  # One per column.


def arrays(name: str, config: DataConfig) -> Source:
    """Reads the images of the .npy or .npz file `name`.

    An .npy file is one array of images. An .npz file contains `images` and optionally `labels`, or `x_train` (or
    `train`) and optionally `x_validation`, `x_test`, `y_train`, `y_validation`, `y_test`, and names that mean the same
    (`jaxvae.data.sources.array_names`); and optionally `label_names`, an array of strings. Missing validation and test
    splits are drawn from train.

    Images are [n, h, w] or [n, h, w, c] with c 1, 3 or 4 (RGBA), or what `arrange_images` recognises: uint8, booleans,
    whole numbers of 8, 12 or 16 bits, or floats from 0 to 1, with one scale for all; `config.value_range` sets another.
    Labels are integers [n] from 0 to 32767, or what `arrange_labels` recognises.

    Raises:
        UserError: if the file is missing or damaged, or for unknown array names and invalid shapes, types and ranges.
    """
    path = expand_user(name)
    loaded, columns = as_dsprites(_load(path))
    found, label_names = _sort_arrays(path, loaded)
    blocks: dict[str, _Block] = {}
    for split in SPLITS:
        if ("images", split) in found:
            images = arrange_images(str(path), found.pop(("images", split)))
            labels = found.pop(("labels", split), None)
            blocks[split] = _Block(images, () if labels is None else arrange_columns(str(path), labels, len(images)))
    if "train" not in blocks or found:
        problem = ", ".join(f"labels of {split} without images" for _, split in found) or "no images to train with"
        raise UserError(f"{path} has {problem}; expected arrays named {ACCEPTED}.")
    labelled = {split: bool(block.labels) for split, block in blocks.items()}
    if len(set(labelled.values())) > 1:
        unlabelled = ", ".join(split for split, has_labels in labelled.items() if not has_labels)
        raise UserError(f"{path} has labels, but not for {unlabelled}; provide labels for all splits or none.")
    widths = {len(block.labels) for block in blocks.values()}
    if len(widths) > 1:
        raise UserError(f"{path} has labels of {' and '.join(map(str, sorted(widths)))} columns; expected one number.")
    if (width := widths.pop()) > 1:
        names = columns if len(columns) == width else tuple(f"label_{i}" for i in range(width))
        classes: dict[str, tuple[str, ...]] = {}
    else:
        names = ("label",) if width else ()
        called = _classes(path, label_names, blocks) if width else ()
        classes = {"label": called} if called else {}
    value_range = common_range(str(path), [block.images for block in blocks.values()], config.value_range)
    parts = make_splits({split: len(block.images) for split, block in blocks.items()}, str(path))

    def read(split: str, part: Part) -> Iterator[Example]:
        images, labels = blocks[part.source_split]
        for i in progress(part.indices, len(part.indices), f"preparing {split}"):
            image = to_image(images[i], value_range)
            array = crop_and_resize(image, crop=config.crop, size=config.size, color=config.color)
            yield Example(array, tuple(int(column.values[i]) for column in labels))

    return Source(
        attributes=names,
        classes=classes,
        splits={split: partial(read, split, part) for split, part in parts.items()},
        origin={
            "file": str(path.resolve()),
            "splits": describe_splits(parts),
            **({"value_range": list(value_range)} if value_range else {}),
        },
    )


def _load(path: Path) -> dict[str, np.ndarray]:
    if os.path.exists(path) and not os.path.isfile(path):
        raise UserError(f"{path} is not a file; expected .npy or .npz.")
    try:
        check_regular(path, LARGEST_FILE)
        with path.open("rb") as file:
            if file.read(2) != ZIP_MAGIC:
                return {"images": memory_map(path)}
        objects: list[str] = []
        found = read_npz(path, objects)
        if objects and not any(array.ndim > 1 for array in found.values()):
            raise ValueError("Python objects")
        if objects:
            logger.warning("skipped in %s: arrays of Python objects (%s).", path, ", ".join(objects))
        return found
    except FileNotFoundError as error:
        raise UserError(f"file {path} does not exist.") from error
    except UNREADABLE as error:
        if "Object arrays" in str(error) or "Python objects" in str(error):
            raise UserError(
                f"{path} contains Python objects; save arrays of numbers, with all images of the same shape."
            ) from error
        what = " ".join(str(error).split())
        raise UserError(f"{path} cannot be read as a NumPy file ({what}); it may be damaged or incomplete.") from error


def _sort_arrays(path: Path, loaded: dict[str, np.ndarray]) -> tuple[dict[Meaning, np.ndarray], tuple[str, ...]]:
    names = loaded.pop(LABEL_NAMES, np.array([], str))
    if names.ndim != 1:
        raise UserError(f"{path} has {LABEL_NAMES} of shape {list(names.shape)}; expected one string per label.")
    found: dict[Meaning, np.ndarray] = {}
    known = meanings(loaded)
    unused = [key for key, meaning in known.items() if meaning is None and loaded[key].ndim < 2 and any(known.values())]
    if unused:  # Identifiers and the like; unknown images may be a split that is misspelt.
        logger.warning("skipped in %s: the arrays %s.", path, ", ".join(unused))
    for key, meaning in known.items():
        if key in unused:
            continue
        if meaning is None or meaning in found:
            problem = "unknown" if meaning is None else "a duplicate under another name"
            raise UserError(
                f"{path} has the arrays {', '.join(loaded)}, of which {key!r} is {problem}; use {ACCEPTED}."
            )
        found[meaning] = loaded[key]
    return found, tuple(str(name) for name in names)


def _classes(path: Path, label_names: tuple[str, ...], blocks: dict[str, _Block]) -> tuple[str, ...]:
    """Returns the names of the classes, and brings labels that are names to one numbering for all splits."""
    named = [block.labels[0].names for block in blocks.values()]
    if not any(named):
        if label_names:
            _check_label_names(path, label_names, blocks)
        return label_names
    every = tuple(sorted({name for names in named for name in names}))
    for split, block in blocks.items():
        number = np.asarray([every.index(name) for name in block.labels[0].names])
        blocks[split] = block._replace(labels=(Labels(number[block.labels[0].values]),))
    return every


def _check_label_names(path: Path, names: tuple[str, ...], blocks: dict[str, _Block]) -> None:
    labels = [block.labels[0].values for block in blocks.values() if block.labels[0].values.size]
    highest = max((int(split_labels.max()) for split_labels in labels), default=0)
    if highest >= len(names):
        raise UserError(
            f"{path} has labels up to {highest}, but {len(names)} {LABEL_NAMES}, for labels 0 to {len(names) - 1}."
        )
