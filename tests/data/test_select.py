import shutil

import numpy as np
import pytest
from PIL import Image

from jaxvae.data.prepared import lacks_images, metadata_error, without_images
from jaxvae.data.select import data_set, select
from jaxvae.errors import UserError


@pytest.fixture
def data(disc_set):
    return disc_set.data


def test_a_number_selects_an_image_of_a_split(data, disc_set):
    np.testing.assert_array_equal(select("validation:3", data), disc_set.split("validation").images[3])


def test_a_query_selects_the_first_test_image_that_matches_all_its_parts(data, disc_set):
    test = disc_set.split("test")
    expected = int(np.argmax((test.attributes[:, 0] == 1) & (test.attributes[:, 2] == 2)))
    np.testing.assert_array_equal(select("red=1, width=large", data), test.images[expected])
    np.testing.assert_array_equal(select("red=1,width=2", data), test.images[expected])


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "CMYK"])
def test_an_image_file_of_any_size_and_mode_is_converted_to_the_shape(data, tmp_path, mode):
    path = tmp_path / f"x.{'tiff' if mode == 'CMYK' else 'png'}"
    Image.new("RGB", (90, 40), (200, 10, 10)).convert(mode).save(path)
    image = select(str(path), data)
    assert (image.shape, image.dtype) == ((16, 16, 3), np.uint8)
    np.testing.assert_allclose(image[8, 8].mean(), np.asarray(Image.open(path).convert("RGB")).mean(), atol=2)


@pytest.mark.parametrize(
    ("which", "sentence"),
    [
        ("test:21", "test:21 does not exist; test has images 0 to 20"),
        ("tset:1", "did you mean 'test'"),
        ("red=7", "no test image of discs matches red=7"),
        ("rde=1", "no attribute 'rde'; did you mean 'red'"),
        ("width=huge", "expected one of small, medium, large"),
        ("red=maybe", "expected 0 or 1"),
        ("nowhere.png", "no image matches 'nowhere.png'"),
    ],
)
def test_images_that_cannot_be_found_are_named(data, which, sentence):
    with pytest.raises(UserError, match=sentence):
        select(which, data)


def test_a_file_that_is_not_an_image_is_named(data, tmp_path):
    (tmp_path / "x.png").write_text("not a picture")
    with pytest.raises(UserError, match=r"x\.png cannot be read as an image"):
        select(str(tmp_path / "x.png"), data)


def test_missing_or_changed_images_are_detected(data, tmp_path):
    with pytest.raises(UserError, match="no longer in"):
        select("test:0", {**data, "path": str(tmp_path / "gone")})
    with pytest.raises(UserError, match="does not contain the images"):
        select("test:0", {**data, "splits": {}})


def test_images_that_moved_with_their_run_are_found(data, disc_set, tmp_path, monkeypatch):
    gone = {**data, "path": str(tmp_path / "before" / "discs-16")}
    monkeypatch.chdir(tmp_path)
    shutil.copytree(disc_set.path, tmp_path / "data" / "discs-16")
    np.testing.assert_array_equal(select("test:3", gone), disc_set.split("test").images[3])
    with pytest.raises(UserError, match=r"data/discs-16 does not contain the images"):
        select("test:0", {**gone, "splits": {}})


def test_a_model_without_its_images_opens_any_of_its_shape(disc_set, tmp_path):
    absent = without_images(tmp_path / "images", (16, 16, 3), "elsewhere").data
    assert lacks_images(absent)
    assert not lacks_images(disc_set.data)
    assert metadata_error(absent) is None
    assert data_set(absent, disc_set.path).shape == (16, 16, 3)
    with pytest.raises(UserError, match=r"the model of elsewhere came without images; .* --size 16"):
        select("test:0", absent)
    other = without_images(tmp_path / "images", (8, 16, 3), "elsewhere").data
    with pytest.raises(UserError, match=r"has images of shape \[16, 16, 3\], but the model needs \[8, 16, 3\]"):
        data_set(other, disc_set.path)
    # Of a model that was trained here, a split without images is damage.
    assert metadata_error(absent | {"origin": {}}) == f"its split train is {absent['splits']['train']!r}"
