"""Images in memory as a prepared data set."""

import hashlib
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from jaxvae.data.config import DataConfig
from jaxvae.data.images import crop_and_resize
from jaxvae.data.pixels import uint8_images
from jaxvae.data.prepared import Prepared, open_prepared, write_prepared
from jaxvae.data.sources.array_images import check_bands, image_layout, measure_extent, prepared_image
from jaxvae.data.sources.base import SPLITS, Example, Source
from jaxvae.data.splits import Part, describe_splits, make_splits
from jaxvae.data.value_range import Range, to_eight_bits
from jaxvae.errors import UserError

NAME = "arrays"


def prepare_arrays(images: Any, attributes: Mapping[str, Any] | None, config: DataConfig) -> Prepared:
    """Writes images in memory as a prepared data set, or opens the one that the same images made before.

    Args:
        images: uint8 or floats in [0, 1], or any numbers with `config.value_range`; [n, h, w, c] or [n, h, w], or such
            arrays by split; what is missing of validation and test is taken from train.
        attributes: integers [n] by name, or by split and then by name; None for no attributes.
        config: crop, size and colours, and the folder of the prepared data sets.

    Raises:
        UserError: the images are of the wrong shape, type or range, or the attributes do not fit them.
    """
    by_split = dict(images) if isinstance(images, Mapping) else {"train": images}
    columns = _columns(attributes, by_split)
    unknown = [split for split in by_split if split not in SPLITS]
    if unknown or "train" not in by_split:
        given = ", ".join(map(str, by_split))
        raise UserError(f"the images are in splits {given}; expected train, and perhaps validation and test.")
    scaled = {} if config.value_range is None else {"value_range": list(config.value_range)}
    if config.value_range is not None:
        by_split = {split: _scale(array, config.value_range) for split, array in by_split.items()}
    arrays = {split: uint8_images(array) for split, array in by_split.items()}
    names = tuple(next(iter(columns.values()), {}))
    labels = {split: _labels(columns.get(split, {}), names, split, len(array)) for split, array in arrays.items()}
    # The range only where it is set: data sets prepared before there was such a field keep their folders.
    settings = (config.crop, config.size, config.color, names, *([config.value_range] if scaled else []))
    digest = hashlib.sha256(repr(settings).encode())
    for split in arrays:
        digest.update(f"{split} {arrays[split].shape}".encode())
        digest.update(arrays[split].tobytes())
        digest.update(labels[split].tobytes())
    path = Path(config.root) / f"{NAME}-{digest.hexdigest()[:16]}"
    if path.exists():
        return open_prepared(path)
    layouts = {split: image_layout("the array", array) for split, array in arrays.items()}
    check_bands("the array", layouts.values(), config.color)
    prepare = partial(crop_and_resize, crop=config.crop, size=config.size, color=config.color)
    parts = make_splits({split: len(array) for split, array in arrays.items()}, "the array of images")

    def read(part: Part) -> Iterator[Example]:
        for i in part.indices:
            fitted = prepared_image(arrays[part.source_split][i], layouts[part.source_split], None, prepare)
            yield Example(fitted, tuple(int(value) for value in labels[part.source_split][i]))

    source = Source(
        attributes=names,
        classes={},
        splits={split: partial(read, part) for split, part in parts.items()},
        origin={
            "arrays": {split: list(array.shape) for split, array in arrays.items()},
            "splits": describe_splits(parts),
            **scaled,
        },
    )
    recipe = {"name": NAME, "raw": None, "files": None, "crop": config.crop, "size": config.size,
              "color": config.color, **scaled}  # fmt: skip
    return write_prepared(path, NAME, recipe, source)


def _scale(images: Any, value_range: Range) -> np.ndarray:
    values = np.asarray(images)
    if values.dtype.kind not in "fbiu":
        raise UserError(f"the images are of type {values.dtype}, but must be numbers.")
    measure_extent("the array of images", values)  # Refuses what is not finite.
    return to_eight_bits(values, value_range)


def _columns(attributes: Mapping[str, Any] | None, by_split: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    if not attributes:
        return {}
    nested = all(isinstance(value, Mapping) for value in attributes.values())
    return dict(attributes) if nested else {next(iter(by_split)): attributes} if len(by_split) == 1 else {}


def _labels(columns: Mapping[str, Any], names: tuple[str, ...], split: str, count: int) -> np.ndarray:
    if tuple(columns) != names:
        given = ", ".join(columns) or "missing"
        raise UserError(f"the attributes of {split} are {given}, but must be {', '.join(names)}.")
    values = [np.asarray(columns[name]) for name in names]
    for name, value in zip(names, values, strict=True):
        if value.dtype.kind not in "iub" or value.shape != (count,):
            raise UserError(
                f"the attribute {name} of {split} is {value.dtype}{list(value.shape)}, but must be integers [{count}]."
            )
        if count and not (value.min() >= 0 and value.max() <= np.iinfo(np.int16).max):
            raise UserError(f"the attribute {name} of {split} has values outside 0 to 32767.")
    return np.stack(values, axis=1) if values else np.zeros((count, 0), np.int16)
