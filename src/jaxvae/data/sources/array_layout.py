"""Arrays of images and labels as people keep them, brought to the layout that sources yield."""

import logging
import math
from collections.abc import Iterator, Sequence
from math import isqrt
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from jaxvae.data.pixels import SMALL, refuse_one_image
from jaxvae.data.value_range import Extent, Range, choose_range, to_eight_bits
from jaxvae.errors import UserError

LARGEST_LABEL = np.iinfo(np.int16).max
MAX_COLUMNS = 1000
MEASURED_AT_ONCE = 2**24  # Values.

logger = logging.getLogger("jaxvae")


def arrange_images(where: str, images: np.ndarray) -> np.ndarray:
    """Returns a view of images as [n, h, w] or [n, h, w, c] with c 1, 3 or 4 (RGBA).

    Channels first and flat rows of square grey images are recognised.

    Raises:
        UserError: the shape or the type is of no images.
    """
    shape = images.shape
    wanted = "expected [n, h, w] or [n, h, w, c] with c 1, 3 or 4"
    if images.dtype.kind not in "fbiu":
        raise UserError(f"{where} has images of type {images.dtype}; expected uint8, or floats between 0 and 1.")
    if images.ndim == 3:
        refuse_one_image(f"{where} has images of shape", shape)
    if images.ndim == 2 and isqrt(shape[1]) ** 2 == shape[1] and isqrt(shape[1]) >= SMALL:
        return images.reshape(len(images), isqrt(shape[1]), isqrt(shape[1]))
    if images.ndim == 4 and shape[1] in (1, 3) and shape[3] not in (1, 3, 4):
        images = images.transpose(0, 2, 3, 1)
    if images.ndim not in (3, 4) or 0 in images.shape[1:]:
        raise UserError(f"{where} has images of shape {list(shape)}; {wanted}.")
    if images.ndim == 4 and images.shape[3] not in (1, 3, 4):
        raise UserError(
            f"{where} has images of shape {list(shape)}, of {images.shape[3]} bands; {wanted}. Choose the bands to "
            "keep, as in images[..., :3]."
        )
    if images.ndim == 4 and images.shape[3] == 4 and not _is_alpha(images[..., 3]):
        raise not_alpha(where, shape)
    return images


def not_alpha(where: str, shape: tuple[int, ...]) -> UserError:
    """Returns the error for images of four bands that are not RGBA."""
    return UserError(
        f"{where} has images of shape {list(shape)}, whose fourth band is not an alpha channel; choose the bands to "
        "keep, as in images[..., :3]."
    )


def to_image(pixels: np.ndarray, value_range: Range | None) -> Image.Image:
    """Returns pixels [h, w] or [h, w, c] as an image of 8 bits, scaled from the range unless it is None."""
    pixels = pixels if value_range is None else to_eight_bits(pixels, value_range)
    return Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2:] == (1,) else pixels))


def _is_alpha(band: np.ndarray) -> bool:
    """Returns whether most pixels are wholly opaque or wholly transparent."""
    if band.dtype != np.uint8:
        return False
    some = band[:100]
    return bool(np.mean((some == 0) | (some == 255)) > 0.5) if some.size else True


def measure_extent(where: str, images: np.ndarray) -> Extent:
    """Returns the smallest and largest value.

    Raises:
        UserError: a value is not finite.
    """
    low, high = (float(images.min()), float(images.max())) if images.size else (0.0, 0.0)
    if not np.isfinite([low, high]).all():
        raise UserError(f"{where} has float images from {low:g} to {high:g}; expected finite values.")
    return Extent(low, high, images.dtype.kind == "f")


class Labels(NamedTuple):
    """Labels as integers [n] from 0, and the names of the classes where the file has names instead of numbers."""

    values: np.ndarray
    names: tuple[str, ...] = ()


def arrange_labels(where: str, labels: np.ndarray, count: int) -> Labels:
    """Returns labels as integers. [n, 1], one-hot rows, whole floats and strings are recognised.

    Raises:
        UserError: the labels are none of these, or out of range.
    """
    given = labels
    if labels.shape == (count, 1):
        labels = labels[:, 0]
    elif labels.ndim == 2 and len(labels) == count and labels.dtype.kind in "fbiu" and _is_one_hot(labels):
        labels = np.argmax(labels, axis=1)
    if labels.dtype.kind in "US" and labels.shape == (count,):
        names, values = np.unique(labels.astype(str), return_inverse=True)
        if len(names) > LARGEST_LABEL:
            raise UserError(f"{where} has {len(names)} different labels, but can have at most {LARGEST_LABEL}.")
        return Labels(values, tuple(map(str, names)))
    if labels.dtype.kind == "f" and labels.size and np.array_equal(labels, np.rint(labels)):
        labels = labels.astype(np.int64)
    if labels.dtype.kind not in "iub" or labels.shape != (count,):
        raise UserError(
            f"{where} has labels of shape {list(given.shape)} and type {given.dtype} for {count} images; "
            f"expected integers of shape [{count}]."
        )
    if count and labels.dtype.kind == "i" and labels.min() == -1 and np.isin(labels, (-1, 1)).all():
        labels = (labels > 0).astype(np.int64)  # No and yes.
    if count and not (labels.min() >= 0 and labels.max() <= LARGEST_LABEL):
        raise UserError(
            f"{where} has labels from {labels.min()} to {labels.max()}; expected values between 0 and {LARGEST_LABEL}."
        )
    return Labels(labels)


def arrange_columns(where: str, labels: np.ndarray, count: int) -> tuple[Labels, ...]:
    """Returns labels by column: one of [n], or each of several per image [n, k] that are not one-hot.

    Raises:
        UserError: as `arrange_labels`.
    """
    several = labels.ndim == 2 and len(labels) == count and 1 < labels.shape[1] <= MAX_COLUMNS
    if several and labels.dtype.kind in "fbiu" and not _is_one_hot(labels):
        return tuple(arrange_labels(where, column, count) for column in labels.T)
    return (arrange_labels(where, labels, count),)


def _is_one_hot(rows: np.ndarray) -> bool:
    return rows.shape[1] > 1 and bool(np.isin(rows, (0, 1)).all() and (rows.sum(axis=1) == 1).all())


def common_range(where: str, images: Sequence[Any], given: Range | None) -> Range | None:
    """Returns the values of all arrays together that become black and white; None where they have 8 bits already.

    Raises:
        UserError: they fit no range, or are not finite.
    """
    numbers = [each for each in images if each.dtype.kind in "fbiu" and len(each.shape) > 1 and each.shape[0]]
    if given is None and all(each.dtype == np.uint8 for each in numbers):
        return None
    if given is None and all(each.dtype == bool for each in numbers):
        return 0.0, 1.0
    extents = [measure_extent(where, part) for each in numbers for part in _parts(each)]
    chosen = choose_range(extents, given, where)
    if any(each.dtype.kind in "iu" for each in numbers):
        logger.warning("the values of %s are scaled from %g..%g to 8 bits; --data.value-range sets another range.",
                       where, *chosen)  # fmt: skip
    return chosen


def _parts(images: Any) -> Iterator[np.ndarray]:
    """Yields an array in parts of bounded size: one of HDF5 may be larger than the memory."""
    step = max(1, MEASURED_AT_ONCE * images.shape[0] // max(1, math.prod(images.shape)))
    for start in range(0, images.shape[0], step):
        yield np.asarray(images[start : start + step])
