"""Reads any image file into the uint8 array [h, w, c] of a prepared dataset."""

import struct
import warnings
import zlib
from functools import cache
from io import BufferedReader, BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from jaxvae.errors import UserError

# What Pillow's readers raise for a damaged file or one of another format.
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, AttributeError, AssertionError,
              ArithmeticError, RuntimeError, MemoryError, struct.error, zlib.error,
              Image.DecompressionBombError)  # fmt: skip


@cache
def formats() -> tuple[str, ...]:
    """Returns the formats that Pillow reads, except PostScript: that is a program, which Ghostscript would execute."""
    Image.init()
    return tuple(kind for kind in Image.OPEN if kind != "EPS")


def open_image(file: Path | BytesIO | BufferedReader) -> Image.Image:
    """Opens an image without decoding it.

    Raises:
        UNREADABLE: one of these exceptions if the file is not an image.
    """
    if isinstance(file, Path) and file.exists() and not file.is_file():
        raise OSError(f"{file} is not a regular file")  # Opening a pipe would block until something writes to it.
    return Image.open(file, formats=formats())


def read_image(path: Path) -> Image.Image:
    """Opens and decodes an image file, detecting its format from the content.

    Raises:
        UserError: if the file is missing, damaged or not an image.
    """
    # Pillow's warnings about doubtful files must not stop a command; only files that it cannot decode do.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return decode_image(path)


def decode_image(path: Path) -> Image.Image:
    """Opens and decodes an image like `read_image` but shows Pillow's warnings: suppressing them is not thread-safe."""
    try:
        with open_image(path) as image:
            image.load()
            return ImageOps.exif_transpose(image)
    except FileNotFoundError as error:
        raise UserError(f"image file {path} does not exist.") from error
    except UNREADABLE as error:
        raise UserError(
            f"{path} cannot be read as an image; expected a PNG, JPEG or another format that Pillow supports."
        ) from error


def crop_and_resize(image: Image.Image, *, crop: int | None, size: int | None, color: str) -> np.ndarray:
    """Converts an image of any mode to eight bits, crops the centred square and resizes it: uint8 [h, w, c].

    Args:
        image: grey, RGB, RGBA (composited onto white), palette, CMYK, 16-bit, one-bit or float.
        crop: side of the centred square; None takes the largest square if `size` is given, otherwise no crop.
        size: side of the result; None does not resize.
        color: "rgb", "grey", or "keep", which keeps grey images grey.
    """
    image = _to_eight_bits(image, color)
    if crop is not None or size is not None:
        side = min(image.size) if crop is None else min(crop, *image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    if size is not None and image.size != (size, size):
        # Bicubic with antialiasing, as in most published 64x64 CelebA preparations.
        image = image.resize((size, size), Image.Resampling.BICUBIC)
    array = np.asarray(image)
    return array[:, :, None] if array.ndim == 2 else array


def is_grey(image: Image.Image) -> bool:
    """Whether the image's mode has no colour; does not require decoding."""
    return image.mode in ("1", "L", "LA", "La", "F") or image.mode.startswith("I")


def _to_eight_bits(image: Image.Image, color: str) -> Image.Image:
    mode = "L" if color == "grey" or (color == "keep" and is_grey(image)) else "RGB"
    if image.mode == "F" or image.mode.startswith("I"):
        values = np.asarray(image, np.float64)
        image = Image.fromarray(_scale_to_bytes(values, sixteen_bit=image.mode.startswith("I;16")))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert(mode)


def _scale_to_bytes(values: np.ndarray, *, sixteen_bit: bool) -> np.ndarray:
    # Pillow's own conversion would clip at 255. Files do not say which range their values span, so assume 0..65535 for
    # 16 bits, and for 32-bit integers and floats the smallest of 0..1 (floats only), 0..255 and 0..65535 that contains
    # all values.
    values = np.nan_to_num(values, nan=0.0)
    high = values.max(initial=0.0)
    if sixteen_bit or high > 255:
        values = values / 257
    elif high <= 1 and not np.array_equal(values, np.rint(values)):
        values = values * 255
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
