"""Any picture to the uint8 array [h, w, c] of a prepared data set."""

import struct
import warnings
import zlib
from functools import cache
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageOps

from jaxvae.errors import UserError

# What Pillow's readers raise when they stumble over a file that is damaged or of another kind.
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, AttributeError, AssertionError,
              ArithmeticError, RuntimeError, MemoryError, struct.error, zlib.error,
              Image.DecompressionBombError)  # fmt: skip


@cache
def formats() -> tuple[str, ...]:
    """What Pillow reads, but for PostScript: that is a program, which it would have Ghostscript run."""
    Image.init()
    return tuple(kind for kind in Image.OPEN if kind != "EPS")


def open_image(file: Path | IO[bytes]) -> Image.Image:
    """The picture in a file, not yet decoded; raises one of UNREADABLE where there is none."""
    if isinstance(file, Path) and file.exists() and not file.is_file():
        raise OSError(f"{file} is no regular file")  # To open a pipe would be to wait for somebody to write into it.
    return Image.open(file, formats=formats())


def read_image(path: Path) -> Image.Image:
    """Opens and decodes an image file, whatever its name says it is; `UserError` if it is none or is damaged."""
    # A warning of Pillow's about a doubtful file must not end a command; a file it cannot decode does.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return decode_image(path)


def decode_image(path: Path) -> Image.Image:
    """As `read_picture`, but with Pillow's warnings: threads cannot silence them one by one."""
    try:
        with open_image(path) as image:
            image.load()
            return ImageOps.exif_transpose(image)
    except FileNotFoundError as error:
        raise UserError(f"there is no image file {path}.") from error
    except UNREADABLE as error:
        raise UserError(
            f"{path} cannot be read as an image; give a PNG, JPEG or another file that Pillow opens."
        ) from error


def crop_and_resize(image: Image.Image, *, crop: int | None, size: int | None, color: str) -> np.ndarray:
    """Brings a picture of any mode to eight bits, cuts the centred square and resizes it: uint8 [h, w, c].

    Args:
        image: grey, RGB, RGBA (laid on white), palette, CMYK, 16-bit, one-bit or float.
        crop: side of the centred square; None takes the largest when `size` is given, and cuts nothing otherwise.
        size: side of the result; None does not resize.
        color: "rgb", "grey", or "keep", which is grey where the picture is.
    """
    image = _to_eight_bits(image, color)
    if crop is not None or size is not None:
        side = min(image.size) if crop is None else min(crop, *image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    if size is not None and image.size != (size, size):
        # Bicubic with antialiasing, as most published 64x64 CelebA preparations do.
        image = image.resize((size, size), Image.Resampling.BICUBIC)
    array = np.asarray(image)
    return array[:, :, None] if array.ndim == 2 else array


def is_grey(image: Image.Image) -> bool:
    """Whether the picture's mode has no colour; it need not be decoded for that."""
    return image.mode in ("1", "L", "LA", "La", "F") or image.mode.startswith("I")


def _to_eight_bits(image: Image.Image, color: str) -> Image.Image:
    mode = "L" if color == "grey" or (color == "keep" and is_grey(image)) else "RGB"
    if image.mode == "F" or image.mode.startswith("I"):
        image = Image.fromarray(
            _scale_to_bytes(np.asarray(image, np.float64), sixteen_bit=image.mode.startswith("I;16"))
        )
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert(mode)


def _scale_to_bytes(values: np.ndarray, *, sixteen_bit: bool) -> np.ndarray:
    # Pillow's own conversion would clip at 255. Files do not say which range their wider numbers fill: sixteen bits
    # are taken to fill 0..65535, and integers and floats of 32 bits the smallest of 0..1 (floats), 0..255 and
    # 0..65535 that holds them.
    values = np.nan_to_num(values, nan=0.0)
    high = values.max(initial=0.0)
    if sixteen_bit or high > 255:
        values = values / 257
    elif high <= 1 and not np.array_equal(values, np.rint(values)):
        values = values * 255
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
