"""Arrays of images as people keep them: which axis is which, and what their values mean."""

import logging
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from math import isqrt
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from jaxvae.data.one_image import SMALL, refuse_one_image
from jaxvae.data.sources.base import MAX_BANDS
from jaxvae.data.value_range import Extent, Range, choose_range, to_eight_bits
from jaxvae.errors import UserError

MAX_SIDE = 2**14
MEASURED_AT_ONCE = 2**24  # Values.
ALPHA_SAMPLE = 100  # Images.

Prepare = Callable[[Image.Image], np.ndarray]  # Crops and resizes.

logger = logging.getLogger("jaxvae")


class Layout(NamedTuple):
    """How an array holds its images.

    Attributes:
        channels: 1 for grey, 3 for RGB, 4 for RGBA, or the number of bands.
        bands: whether the channels are neither grey nor colours, with or without alpha.
        view: turns one element of the array into an image [h, w] or [h, w, channels].
    """

    channels: int
    bands: bool
    view: Callable[[np.ndarray], np.ndarray]


def image_layout(where: str, images: Any) -> Layout:
    """Returns how an array, of NumPy or HDF5, holds its images.

    It is [n, h, w], [n, h, w, c], channels first [n, c, h, w], or flat rows [n, h · h] of square grey images. Two or
    more channels that are not RGB are bands; four are RGBA if the fourth is that of an alpha channel, and else bands.

    Raises:
        UserError: the shape or the type is of no images.
    """
    shape = tuple(images.shape)
    if images.dtype.kind not in "fbiu":
        raise UserError(f"{where} has images of type {images.dtype}; expected uint8, or floats between 0 and 1.")
    if len(shape) == 3:
        refuse_one_image(f"{where} has images of shape", shape)
    if len(shape) == 2 and isqrt(shape[1]) ** 2 == shape[1] and SMALL <= isqrt(shape[1]) <= MAX_SIDE:
        side = isqrt(shape[1])
        return Layout(1, False, lambda row: row.reshape(side, side))
    sides, axis = shape[1:], -1
    last = len(shape) == 4 and (shape[3] == 4 or _is_channels(shape[3], shape[1:3]))
    if len(shape) == 4 and not last and _is_channels(shape[1], shape[2:]):
        sides, axis = (*shape[2:], shape[1]), 0
    known = len(shape) == 3 or last or axis == 0
    if not known or not all(1 <= side <= MAX_SIDE for side in sides[:2]):
        raise UserError(
            f"{where} has images of shape {list(shape)}; expected [n, h, w] or [n, h, w, c], with sides up to "
            f"{MAX_SIDE} and c up to {MAX_BANDS}."
        )
    channels = sides[2] if len(sides) == 3 else 1
    sample = np.take(images[:ALPHA_SAMPLE], 3, axis if axis < 0 else 1) if channels == 4 else None
    bands = channels not in (1, 3) and not (sample is not None and _is_alpha(sample))
    return Layout(channels, bands, (lambda image: image) if axis < 0 else lambda image: np.moveaxis(image, 0, -1))


def check_bands(where: str, layouts: Collection[Layout], color: str) -> None:
    """Raises UserError if the splits differ in their bands, or if bands are to become the colours `color`."""
    bands = {layout.channels if layout.bands else 0 for layout in layouts}
    if len(bands) > 1:
        raise UserError(f"{where} has images of {' and '.join(map(str, sorted(bands)))} bands; expected one number.")
    if bands != {0} and color != "keep":
        raise UserError(
            f"data.color is {color}, but {where} has images of {bands.pop()} bands, which are no colours; remove "
            "--data.color, or choose bands, as in images[..., :3]."
        )


def _is_channels(channels: int, sides: tuple[int, ...]) -> bool:
    """Returns whether an axis may be that of channels, next to these sides."""
    return channels in (1, 3) or 1 < channels <= min(MAX_BANDS, min(sides) - 1)


def _is_alpha(band: np.ndarray) -> bool:
    """Returns whether most pixels are wholly opaque or wholly transparent."""
    return band.dtype == np.uint8 and (not band.size or float(np.mean((band == 0) | (band == 255))) > 0.5)


def prepared_image(pixels: np.ndarray, layout: Layout, value_range: Range | None, prepare: Prepare) -> np.ndarray:
    """Returns one element of an array as a prepared image, uint8 [h, w, c]; bands are prepared one by one.

    Args:
        pixels: the element.
        layout: how the array holds its images.
        value_range: the values that become black and white; None for bytes.
        prepare: crops and resizes, and keeps grey images grey if there are bands.
    """
    image = layout.view(pixels if value_range is None else to_eight_bits(pixels, value_range))
    if layout.bands:
        return np.concatenate([prepare(_to_pil(image[:, :, i])) for i in range(layout.channels)], axis=2)
    return prepare(_to_pil(image[:, :, 0] if image.shape[2:] == (1,) else image))


def _to_pil(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(pixels))


def measure_extent(where: str, images: np.ndarray) -> Extent:
    """Returns the smallest and largest value.

    Raises:
        UserError: a value is not finite.
    """
    low, high = (float(images.min()), float(images.max())) if images.size else (0.0, 0.0)
    if not np.isfinite([low, high]).all():
        raise UserError(f"{where} has float images from {low:g} to {high:g}; expected finite values.")
    return Extent(low, high, images.dtype.kind == "f")


def common_range(where: str, images: Sequence[Any], given: Range | None) -> Range | None:
    """Returns the values of all arrays together that become black and white; None where they have 8 bits already.

    Raises:
        UserError: they fit no range, or are not finite.
    """
    numbers = [each for each in images if len(each.shape) > 1 and each.shape[0]]
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
