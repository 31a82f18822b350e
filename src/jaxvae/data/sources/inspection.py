"""What must be known of all image files before the first is prepared: their colours, and the range of deep ones."""

import logging
import warnings
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np

from jaxvae.data.images import UNREADABLE, is_deep, is_grey, open_image
from jaxvae.data.value_range import Extent, Range, choose_range, extent
from jaxvae.errors import UserError

logger = logging.getLogger("jaxvae")


def inspect_image(file: Path | BytesIO) -> tuple[bool, Extent | None] | None:
    """Returns whether an image is grey, and the extent of its values if it has more than 8 bits; None if unreadable."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with open_image(file) as image:
                values = np.asarray(image) if is_deep(image) else None
                if values is not None and not np.isfinite(values).all():
                    return None  # NaN is no shade of grey.
                return is_grey(image), None if values is None else extent(values)
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
