"""Image grids and strips, and atomic PNG files."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from jaxvae.errors import UserError
from jaxvae.system.files import atomic_write

MIN_SIDE = 128  # Smaller grids are enlarged to about this, by repeating pixels.
GAP = 2
LARGEST_SHEET = 178_956_970  # Pixels; Pillow, for one, refuses to open larger files.


def to_pil(array: np.ndarray) -> Image.Image:
    """Converts an image uint8 [h, w, c] to PIL; of several bands, those that `visible` returns."""
    array = visible(array)
    return Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)


def visible(images: np.ndarray) -> np.ndarray:
    """Returns the bands [..., c] to show as grey or RGB: the first three, or two as red and green."""
    if images.shape[-1] == 2:
        return np.concatenate([images, np.zeros_like(images[..., :1])], axis=-1)
    return images[..., :3]


def check_size(count: int, columns: int, shape: tuple[int, int, int]) -> None:
    """Raises UserError if the sheet of `count` images of this shape would be larger than other programs open."""
    pixels = -(-count // columns) * (shape[0] + GAP) * columns * (shape[1] + GAP)
    if pixels > LARGEST_SHEET:
        raise UserError(
            f"a sheet of {count} images of {shape[0]} x {shape[1]} would have {pixels:,} pixels, but must have at most "
            f"{LARGEST_SHEET:,}, which is what most programs open; ask for fewer images."
        )


def grid(images: np.ndarray, columns: int) -> Image.Image:
    """Arranges images uint8 [n, h, w, c] in rows of `columns`, on white."""
    images = visible(images)
    count, height, width, channels = images.shape
    check_size(count, columns, (height, width, channels))
    rows = -(-count // columns)
    sheet = np.full((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, channels), 255, np.uint8)
    for i, image in enumerate(images):
        top, left = (i // columns) * (height + GAP), (i % columns) * (width + GAP)
        sheet[top : top + height, left : left + width] = image
    scale = max(1, MIN_SIDE // max(height, width))
    image_sheet = to_pil(sheet)
    return image_sheet.resize((image_sheet.width * scale, image_sheet.height * scale), Image.Resampling.NEAREST)


def over_under(above: np.ndarray, below: np.ndarray, columns: int) -> Image.Image:
    """Arranges rows of images, each above the row of its counterparts; both uint8 [n, h, w, c]."""
    columns = min(columns, len(above))
    blank = np.full((-len(above) % columns, *above.shape[1:]), 255, np.uint8)
    above, below = np.concatenate([above, blank]), np.concatenate([below, blank])
    starts = range(0, len(above), columns)
    return grid(np.concatenate([part[i : i + columns] for i in starts for part in (above, below)]), columns)


def save_png(image: Image.Image, path: Path) -> Path:
    """Writes a PNG."""
    # Pillow's default takes twice as long, and `optimize` twenty times, for files that are half a percent smaller.
    return _save(image, path, format="PNG", compress_level=4)


def _save(image: Image.Image, path: Path, **options: Any) -> Path:
    with atomic_write(path) as file:
        image.save(file, **options)
    return path
