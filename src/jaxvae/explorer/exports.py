"""What the explorer saves: pictures at a chosen size, animations, and the codes of kept faces."""

import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import UInt8
from PIL import Image

from jaxvae.codes import unflatten
from jaxvae.errors import UserError
from jaxvae.explorer.ends import End
from jaxvae.explorer.requests import Size
from jaxvae.latents.code_files import write_codes
from jaxvae.latents.encoding import Encoded
from jaxvae.rendering.animation import SUFFIXES, check_format, save_frames
from jaxvae.rendering.grid import grid, to_pil
from jaxvae.runs.run import Loaded
from jaxvae.vae import code_shape

Images = UInt8[np.ndarray, "n h w c"]


def grid_png(images: Images, columns: int = 1) -> bytes:
    """Returns images in rows of `columns` as a PNG."""
    return _png(grid(images, columns))


def picture_png(image: UInt8[np.ndarray, "h w c"], size: Size) -> bytes:
    """Returns an image as a PNG of the size."""
    return _png(_resize(image, size))


def animation(images: Images, suffix: str, seconds: float, size: Size) -> bytes:
    """Returns a walk as a GIF, WebP or MP4 that takes `seconds` from the first image to the last.

    Raises:
        UserError: If the format cannot be written here.
    """
    frames = [_resize(image, size) for image in images]
    with tempfile.TemporaryDirectory() as folder:
        path = save_frames(frames, Path(folder) / f"walk{suffix}", seconds, lossless=not size.smooth)
        return path.read_bytes()


def missing_formats() -> dict[str, str]:
    """Returns the animation formats that cannot be written here, each with the reason."""
    missing = {}
    for suffix in SUFFIXES:
        try:
            check_format(suffix)
        except UserError as error:
            missing[suffix] = str(error)
    return missing


def code_file(loaded: Loaded, ends: Sequence[End]) -> bytes:
    """Returns faces as a file of codes, `.npz`, that `decode` and `interpolate --from FILE.npz:0` read."""
    rows = jnp.asarray(np.stack([end.row for end in ends]), jnp.float32)
    names = tuple(f"{number}-{end.label}" for number, end in enumerate(ends))
    encoded = Encoded(names, unflatten(rows, code_shape(loaded.vae, loaded.params)), None)
    about = {"run": str(loaded.info.run.resolve()), "step": loaded.info.step, "data": loaded.info.data["name"]}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "codes.npz"
        write_codes(path, encoded, about)
        return path.read_bytes()


def _resize(image: UInt8[np.ndarray, "h w c"], size: Size) -> Image.Image:
    picture = to_pil(image)
    factor = size.side / max(picture.size)
    width, height = (max(1, round(side * factor)) for side in picture.size)
    how = Image.Resampling.BICUBIC if size.smooth else Image.Resampling.NEAREST
    return picture.resize((width, height), how)


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, format="PNG")
    return file.getvalue()
