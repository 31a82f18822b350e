import numpy as np
import pytest
from PIL import Image

from jaxvae.data.images import crop_and_resize, read_image
from jaxvae.errors import UserError


def as_is(image, color="keep"):
    return crop_and_resize(image, crop=None, size=None, color=color)


def test_grey_and_rgb_pass_unchanged():
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    rgb = np.arange(36, dtype=np.uint8).reshape(3, 4, 3)
    np.testing.assert_array_equal(as_is(Image.fromarray(grey)), grey[:, :, None])
    np.testing.assert_array_equal(as_is(Image.fromarray(rgb)), rgb)


def test_color_forces_one_or_three_channels():
    grey = Image.new("L", (2, 2), 77)
    np.testing.assert_array_equal(as_is(grey, "rgb"), np.full((2, 2, 3), 77))
    assert as_is(Image.new("RGB", (2, 2), (0, 255, 0)), "grey").tolist() == [[[150], [150]]] * 2


def test_one_bit_images_are_black_and_white():
    bits = Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1")
    assert as_is(bits).tolist() == [[[0], [255]]]


def test_transparency_is_composited_on_white():
    clear = Image.new("RGBA", (1, 1), (200, 0, 0, 0))
    half = Image.new("RGBA", (1, 1), (0, 0, 0, 128))
    assert as_is(clear).tolist() == [[[255, 255, 255]]]
    assert as_is(half).tolist() == [[[127, 127, 127]]]
    assert as_is(Image.new("LA", (1, 1), (0, 0))).tolist() == [[[255]]]


def test_palette_with_and_without_transparency(tmp_path):
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 250, 0, 0])
    palette.putdata([0, 1])
    assert as_is(palette).tolist() == [[[10, 20, 30], [250, 0, 0]]]
    palette.save(tmp_path / "p.png", transparency=1)
    assert as_is(read_image(tmp_path / "p.png")).tolist() == [[[10, 20, 30], [255, 255, 255]]]


def test_cmyk_becomes_rgb():
    assert as_is(Image.new("CMYK", (1, 1), (0, 255, 255, 0))).tolist() == [[[255, 0, 0]]]


def test_sixteen_bits_keep_their_range(tmp_path):
    values = np.array([[0, 257, 65535, 200 * 257]], np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    image = read_image(tmp_path / "deep.png")
    assert image.mode.startswith("I")
    assert as_is(image)[0, :, 0].tolist() == [0, 1, 255, 200]
    # A dark one is not taken for eight bits.
    assert as_is(Image.fromarray(np.array([[200]], np.uint16))).item() == 1


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0, 200, 255]], np.int32), [0, 200, 255]),
        (np.array([[0, 257, 65535]], np.int32), [0, 1, 255]),
        (np.array([[0.0, 0.5, 1.0]], np.float32), [0, 128, 255]),
        (np.array([[0.0, 0.5, np.nan]], np.float32), [0, 128, 0]),
    ],
)
def test_wide_integers_and_floats(values, expected):
    assert as_is(Image.fromarray(values))[0, :, 0].tolist() == expected


@pytest.mark.parametrize("values", [np.array([[-5, 257]], np.int32), np.array([[0.0, 99.6]], np.float32)])
def test_values_whose_range_cannot_be_known_are_refused(values):
    with pytest.raises(UserError, match="say which values are black and white"):
        as_is(Image.fromarray(values))


def test_exif_rotation_is_applied(tmp_path):
    image = Image.new("RGB", (4, 2), "blue")
    image.putpixel((0, 0), (255, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = 6  # The camera was turned: to be seen upright it is turned by 90 degrees clockwise.
    image.save(tmp_path / "turned.png", exif=exif)
    array = as_is(read_image(tmp_path / "turned.png"))
    assert array.shape == (4, 2, 3)
    assert array[0, 1].tolist() == [255, 0, 0]


def test_crop_is_the_centred_square():
    columns = np.tile(np.arange(7, dtype=np.uint8), (4, 1))
    cut = crop_and_resize(Image.fromarray(columns), crop=3, size=None, color="keep")
    assert cut[:, :, 0].tolist() == [[2, 3, 4]] * 3


def test_a_crop_larger_than_the_image_uses_the_largest_square():
    columns = np.tile(np.arange(7, dtype=np.uint8), (4, 1))
    assert crop_and_resize(Image.fromarray(columns), crop=100, size=None, color="keep").shape == (4, 4, 1)
    assert crop_and_resize(Image.fromarray(columns), crop=100, size=5, color="keep").shape == (5, 5, 1)


def test_size_alone_uses_the_largest_square_and_keeps_flat_colours():
    picture = Image.new("RGB", (31, 20), (1, 2, 3))
    small = crop_and_resize(picture, crop=None, size=7, color="keep")
    assert small.shape == (7, 7, 3)
    assert (small == [1, 2, 3]).all()
    assert crop_and_resize(Image.new("L", (1, 1), 9), crop=None, size=8, color="keep").shape == (8, 8, 1)


def test_unreadable_files_are_reported(tmp_path):
    (tmp_path / "text.png").write_text("not a picture")
    with pytest.raises(UserError, match=r"text\.png cannot be read as an image"):
        read_image(tmp_path / "text.png")
    with pytest.raises(UserError, match="does not exist"):
        read_image(tmp_path / "absent.png")
    Image.effect_noise((64, 64), 50).save(tmp_path / "whole.png")
    (tmp_path / "half.png").write_bytes((tmp_path / "whole.png").read_bytes()[:900])
    with pytest.raises(UserError, match=r"half\.png cannot be read"):
        read_image(tmp_path / "half.png")
