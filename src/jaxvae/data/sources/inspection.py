"""What must be known of all image files before the first is prepared: colours, sides, and the range of deep ones."""

import logging
import warnings
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from jaxvae.data.config import DataConfig
from jaxvae.data.images import UNREADABLE, is_deep, is_grey, open_image
from jaxvae.data.value_range import Extent, Range, choose_range, extent
from jaxvae.errors import UserError

logger = logging.getLogger("jaxvae")


class Facts(NamedTuple):
    """What an image file says of itself: whether it is grey, the extent of values of more than 8 bits, its sides."""

    grey: bool
    deep: Extent | None
    sides: tuple[int, int]


def inspect_image(file: Path | BytesIO) -> Facts | None:
    """Returns the facts of an image; None if it is unreadable."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with open_image(file) as image:
                values = np.asarray(image) if is_deep(image) else None
                if values is not None and not np.isfinite(values).all():
                    return None  # NaN is no shade of grey.
                return Facts(is_grey(image), None if values is None else extent(values), image.size)
        except UNREADABLE:
            return None


def common_image_range(where: str, extents: Sequence[Extent], given: Range | None) -> Range | None:
    """Returns the one range that all images of more than 8 bits are scaled from, and prints it; None without any.

    Raises:
        UserError: their values fit no range; or one is given, and no image has more than 8 bits.
    """
    if not extents:
        if given is not None:
            raise UserError(
                f"data.value_range is {given[0]:g} {given[1]:g}, but no image of {where} has more than 8 bits, and "
                "those are from 0 to 255; remove --data.value-range."
            )
        return None
    low, high = choose_range(extents, given, where)
    measured = f"{min(each.low for each in extents):g} to {max(each.high for each in extents):g}"
    logger.warning(
        "%d images of more than 8 bits, with values from %s, are scaled from %g..%g to 8 bits; --data.value-range sets "
        "another range.", len(extents), measured, low, high,
    )  # fmt: skip
    return low, high


def describe_cut(facts: Sequence[Facts], config: DataConfig) -> dict[str, float]:
    """Returns the share of the median image that the largest centred square omits, if that is cut out."""
    if not facts or config.crop is not None or config.size is None:
        return {}
    return {"cut_away": round(median(1 - min(each.sides) / max(each.sides) for each in facts), 3)}
