"""Image grids with captions above columns, before rows and under images."""

import importlib.util
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from jaxvae.rendering.grid import to_pil

MIN_SIDE = 72  # Smaller images are enlarged to at least this, by repeating pixels.
TEXT_SIZE, GAP, MARGIN = 12, 4, 8
INK = "black"


def labelled_grid(
    images: np.ndarray,
    columns: int,
    *,
    over: Sequence[str] = (),
    before: Sequence[str] = (),
    under: Sequence[str] = (),
    title: str = "",
) -> Image.Image:
    """Arranges images uint8 [n, h, w, c] with captions, on white.

    Args:
        images: The images, row by row.
        columns: Images per row.
        over: One caption per column.
        before: One caption per row; may contain newlines.
        under: One caption per image.
        title: Caption above the grid.
    """
    font = _font()
    scale = max(1, -(-MIN_SIDE // min(images.shape[1:3])))
    height, width = (scale * side for side in images.shape[1:3])
    line = TEXT_SIZE + GAP
    widest = max((_width(font, text) + GAP for text in (*over, *under)), default=0)
    step_x, step_y = max(width, widest) + GAP, height + GAP + (line if under else 0)
    rows = -(-len(images) // columns)
    left = MARGIN + (max(_width(font, text) for text in before) + MARGIN if before else 0)
    top = MARGIN + (line + GAP if title else 0) + (line if over else 0)
    right = max(left + columns * step_x, MARGIN + _width(font, title)) + MARGIN
    sheet = Image.new("RGB", (right, top + rows * step_y + MARGIN - GAP), "white")
    draw = ImageDraw.Draw(sheet)
    if title:
        draw.text((MARGIN, MARGIN), title, INK, font)
    for column, text in enumerate(over):
        draw.text((left + column * step_x + (step_x - GAP) // 2, top - line), text, INK, font, anchor="ma")
    for row, text in enumerate(before):
        middle = top + row * step_y + height / 2
        draw.multiline_text((MARGIN, middle), text, INK, font, anchor="lm", spacing=GAP)
    for index, image in enumerate(images):
        middle, y = left + index % columns * step_x + (step_x - GAP) // 2, top + index // columns * step_y
        enlarged = to_pil(image).convert("RGB").resize((width, height), Image.Resampling.NEAREST)
        sheet.paste(enlarged, (middle - width // 2, y))
        if under:
            draw.text((middle, y + height + 1), under[index], INK, font, anchor="ma")
    return sheet


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Returns DejaVu Sans, of Matplotlib or of the system, or else Pillow's own font, which lacks accents and Greek."""
    package = importlib.util.find_spec("matplotlib")
    files = [] if package is None else [Path(str(package.origin)).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf"]
    for file in (*files, Path("DejaVuSans.ttf")):
        try:
            return ImageFont.truetype(file, TEXT_SIZE)
        except OSError:
            continue
    return ImageFont.load_default(TEXT_SIZE)


def _width(font: ImageFont.FreeTypeFont | ImageFont.ImageFont, text: str) -> int:
    return max(int(font.getlength(part)) + 1 for part in text.split("\n"))
