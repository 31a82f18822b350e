"""One scale for all images of a data set that have more than 8 bits."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from jaxvae.errors import UserError

Range = tuple[float, float]
WHOLE_RANGES = (255.0, 4095.0, 65535.0)  # 8, 12 and 16 bits.
ROUNDING = 1e-3  # Of a range: how far outside of it values still count as inside.


class Extent(NamedTuple):
    """The smallest and largest value of an image, and whether its values are floats."""

    low: float
    high: float
    floats: bool


def extent(values: np.ndarray) -> Extent:
    """Returns the extent of an image's values, those that are not finite excluded."""
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    return Extent(low, high, values.dtype.kind == "f")


def choose_range(extents: Iterable[Extent], given: Range | None, where: str) -> Range:
    """Returns the values that become black and white, the same for all images of a data set.

    Whole numbers span the smallest of 8, 12 and 16 bits that holds all of them, and floats 0 to 1. Anything else has to
    be given: a wrong guess would make images too dark, or clip them, without a word.

    Args:
        extents: of the images that have more than 8 bits.
        given: what the user says; None measures.
        where: the folder or file, for errors.

    Raises:
        UserError: the values fit none of these ranges.
    """
    if given is not None:
        return given
    known = list(extents)
    low, high = min(each.low for each in known), max(each.high for each in known)
    floats = {each.floats for each in known}
    if floats == {True} and low >= -ROUNDING and high <= 1.0 + ROUNDING:
        return 0.0, 1.0
    if floats == {False} and low >= 0 and high <= WHOLE_RANGES[-1]:
        return 0.0, next(top for top in WHOLE_RANGES if high <= top)
    what = "floats" if floats == {True} else "whole numbers" if floats == {False} else "floats and whole numbers"
    usual = [(-1.0, 1.0), (0.0, 1.0), *((0.0, top) for top in WHOLE_RANGES)]
    guess = next((f"{least:g} {most:g}" for least, most in usual if least <= low and high <= most), f"{low:g} {high:g}")
    raise UserError(
        f"{where} has {what} from {low:g} to {high:g}; say which values are black and white, as in "
        f"--data.value-range {guess}."
    )


def to_eight_bits(values: np.ndarray, value_range: Range) -> np.ndarray:
    """Returns the values scaled from the range to 0..255 and rounded; what lies outside is clipped, NaN is black."""
    low, high = value_range
    scaled = (np.nan_to_num(values.astype(np.float64), nan=low) - low) * (255.0 / (high - low))
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
