"""Pictures on disk: grids and strips. Every file is written beside its place and renamed when whole."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from jaxvae.system.files import atomic_write

SMALLEST_SIDE = 128  # Pictures of a few pixels are enlarged, by repeating pixels, to about this.


GAP = 2


LARGE = 2_000_000  # Pixels.


def picture(array: np.ndarray) -> Image.Image:
    """One picture uint8 [h, w, c], grey or RGB."""
    return Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)


def grid(images: np.ndarray, columns: int) -> Image.Image:
    """Pictures uint8 [n, h, w, c] in rows of `columns`, on white."""
    count, height, width, channels = images.shape
    rows = -(-count // columns)
    sheet = np.full((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, channels), 255, np.uint8)
    for i, image in enumerate(images):
        top, left = (i // columns) * (height + GAP), (i % columns) * (width + GAP)
        sheet[top : top + height, left : left + width] = image
    scale = max(1, SMALLEST_SIDE // max(height, width))
    whole = picture(sheet)
    return whole.resize((whole.width * scale, whole.height * scale), Image.Resampling.NEAREST)


def over_under(above: np.ndarray, below: np.ndarray, columns: int) -> Image.Image:
    """Rows of pictures, each over the row of its counterparts; both uint8 [n, h, w, c]."""
    columns = min(columns, len(above))
    blank = np.full((-len(above) % columns, *above.shape[1:]), 255, np.uint8)
    above, below = np.concatenate([above, blank]), np.concatenate([below, blank])
    starts = range(0, len(above), columns)
    return grid(np.concatenate([part[i : i + columns] for i in starts for part in (above, below)]), columns)


def save_png(image: Image.Image, path: Path) -> Path:
    """Writes a PNG."""
    # zlib's slowest level takes half a minute for a sheet of a thousand faces, and saves a hundredth.
    return _save(image, path, format="PNG", optimize=image.width * image.height < LARGE)


def _save(image: Image.Image, path: Path, **options: Any) -> Path:
    with atomic_write(path) as file:
        image.save(file, **options)
    return path
