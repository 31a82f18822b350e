"""Reads any image file into the uint8 array [h, w, c] of a prepared dataset."""

import re
import struct
import warnings
import zlib
from contextlib import suppress
from functools import cache
from io import BufferedReader, BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from jaxvae.data.value_range import Range, choose_range, extent, to_eight_bits
from jaxvae.errors import UserError
from jaxvae.system.small_files import LARGEST_FILE, check_regular

# What Pillow's readers raise for a damaged file or one of another format.
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, AttributeError, AssertionError,
              ArithmeticError, RuntimeError, MemoryError, struct.error, zlib.error,
              Image.DecompressionBombError)  # fmt: skip


# PostScript is a program, which Ghostscript would execute; of the others Pillow knows the name but cannot read them.
NOT_READ = ("EPS", "BUFR", "GRIB", "HDF5", "MPEG", "WMF")


@cache
def formats() -> tuple[str, ...]:
    """Returns the formats that Pillow reads, with HEIC if jaxvae[heic] is installed."""
    Image.init()
    with suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()
    return tuple(kind for kind in Image.OPEN if kind not in NOT_READ)


def open_image(file: Path | BytesIO | BufferedReader) -> Image.Image:
    """Opens an image without decoding it.

    Raises:
        UNREADABLE: one of these exceptions if the file is not an image.
    """
    if isinstance(file, Path):
        check_regular(file, LARGEST_FILE)
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
    except Image.DecompressionBombError as error:
        raise UserError(f"{path} has {describe_bomb(error)}; scale it down or cut it into pieces first.") from error
    except UNREADABLE as error:
        raise UserError(
            f"{path} cannot be read as an image; expected a PNG, JPEG or another format that Pillow supports."
        ) from error


def describe_bomb(error: Image.DecompressionBombError) -> str:
    """Returns how many pixels an image has that is too large to be decoded, and the limit."""
    limit = f"more pixels than the limit of {2 * (Image.MAX_IMAGE_PIXELS or 0):,}"
    found = re.search(r"size \((\d+) pixels\)", str(error))
    return f"{limit}, namely {int(found[1]):,}" if found else limit


def crop_and_resize(
    image: Image.Image, *, crop: int | None, size: int | None, color: str, value_range: Range | None = None
) -> np.ndarray:
    """Converts an image of any mode to eight bits, crops the centred square and resizes it: uint8 [h, w, c].

    Args:
        image: grey, RGB, RGBA (composited onto white), palette, CMYK, 16-bit, one-bit or float.
        crop: side of the centred square; None takes the largest square if `size` is given, otherwise no crop.
        size: side of the result; None does not resize.
        color: "rgb", "grey", or "keep", which keeps grey images grey.
        value_range: values of an image of more than 8 bits that become black and white; None chooses by this image
            alone, whose brightness then cannot be compared with that of others.
    """
    image = _to_eight_bits(image, color, value_range)
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


def is_deep(image: Image.Image) -> bool:
    """Whether the image has more than 8 bits per value, which it keeps when Pillow opens it."""
    return image.mode == "F" or image.mode.startswith("I")


def _to_eight_bits(image: Image.Image, color: str, value_range: Range | None) -> Image.Image:
    mode = "L" if color == "grey" or (color == "keep" and is_grey(image)) else "RGB"
    if is_deep(image):
        values = np.asarray(image)
        # Alone, a dark image of 16 bits is taken for a dark image.
        alone = (0.0, 65535.0) if image.mode.startswith("I;16") else None
        chosen = choose_range([extent(values)], value_range or alone, "the image")
        image = Image.fromarray(to_eight_bits(values, chosen))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert(mode)
