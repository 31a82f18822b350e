from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from jaxvae.data.pixels import to_bytes
from jaxvae.errors import UserError
from jaxvae.rendering.captions import labelled_grid
from jaxvae.rendering.grid import GAP, grid, over_under, save_png

PICTURES = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.full((1, 64, 64, 3), 40, np.uint8)


def test_to_bytes_rounds_and_clips():
    np.testing.assert_array_equal(to_bytes(np.asarray([-1.0, 0.0, 0.5, 1.0, 2.0])), [0, 0, 128, 255, 255])


def test_grid_places_each_image_with_white_gaps():
    sheet = np.asarray(grid(PICTURES, 3).resize((64 * 3 + 2 * GAP, 64 * 2 + GAP), 0))
    for i in range(5):
        top, left = (i // 3) * (64 + GAP), (i % 3) * (64 + GAP)
        assert (sheet[top : top + 64, left : left + 64] == 40 * i).all()
    assert (sheet[64 : 64 + GAP] == 255).all()


def test_grey_images_make_a_grey_file_and_tiny_ones_are_enlarged(tmp_path):
    path = save_png(grid(np.zeros((1, 8, 8, 1), np.uint8), 1), tmp_path / "a" / "x.png")
    with Image.open(path) as image:
        assert image.mode == "L"
        assert image.size == (128, 128)


@pytest.mark.parametrize("count", [3, 5, 8])
def test_originals_are_above_their_reconstructions(count):
    above, below = np.zeros((count, 128, 128, 1), np.uint8), np.full((count, 128, 128, 1), 9, np.uint8)
    sheet = np.asarray(over_under(above, below, 4))
    rows = -(-count // 4)
    assert sheet.shape[0] == 2 * rows * (128 + GAP) - GAP
    assert sheet.shape[1] == min(count, 4) * (128 + GAP) - GAP
    for i in range(count):
        top, left = 2 * (i // 4) * (128 + GAP), (i % 4) * (128 + GAP)
        assert sheet[top, left] == 0
        assert sheet[top + 128 + GAP, left] == 9


def test_an_unwritable_path_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        save_png(grid(PICTURES, 3), tmp_path / "file" / "x.png")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_captions_may_have_accents_and_greek_letters():
    images = np.zeros((1, 72, 72, 3), np.uint8)
    sheets = [np.asarray(labelled_grid(images, 1, title=title)) for title in ("é", "β", "□")]
    assert not any(np.array_equal(first, second) for first, second in combinations(sheets, 2))
