"""One scale for all deep images of a container, as in a folder."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from jaxvae import DataConfig
from jaxvae.data.prepare import prepare
from jaxvae.errors import UserError


def encoded(value, dtype):
    buffer = io.BytesIO()
    Image.fromarray(np.full((8, 8), value, dtype)).save(buffer, "tiff")
    return buffer.getvalue()


def archive(path, values, dtype):
    with zipfile.ZipFile(path, "w") as file:
        for i, value in enumerate(values):
            file.writestr(f"{i}.tif", encoded(value, dtype))
    return path


def hdf5(path, images):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file["images"] = images
    return path


def brightness(path, tmp_path, **fields):
    prepared = prepare(DataConfig(source=str(path), size=None, root=str(tmp_path / "data"), **fields))
    values = [prepared.split(split).images[:, 0, 0, 0] for split in ("train", "validation", "test")]
    return sorted(np.concatenate(values).tolist()), prepared


@pytest.mark.parametrize(
    ("dtype", "values", "expected", "value_range"),
    [
        (np.int32, [0, 100, 200, 4000], [0, 6, 12, 249], [0, 4095]),
        (np.uint16, [0, 257, 25700, 65535], [0, 1, 100, 255], [0, 65535]),
        (np.float32, [0, 0.25, 0.5, 1], [0, 64, 128, 255], [0, 1]),
    ],
)
def test_images_of_an_archive_have_one_scale(tmp_path, dtype, values, expected, value_range):
    found, prepared = brightness(archive(tmp_path / "a.zip", values, dtype), tmp_path)
    assert found == expected
    assert prepared.info["origin"]["value_range"] == value_range


def test_a_declared_range_holds_in_an_archive(tmp_path):
    path = archive(tmp_path / "a.zip", [-1, 0, 1, 0.5], np.float32)
    with pytest.raises(UserError, match=r"a\.zip has floats from -1 to 1; .* --data\.value-range -1 1"):
        brightness(path, tmp_path)
    found, prepared = brightness(path, tmp_path, value_range=(-1, 1))
    assert found == [0, 128, 191, 255]
    assert prepared.info["recipe"]["value_range"] == [-1, 1]


@pytest.mark.parametrize(
    ("dtype", "values", "expected"),
    [(np.uint16, [0, 100, 4000], [0, 6, 249]), (np.int64, [0, 100, 255], [0, 100, 255])],
)
def test_whole_numbers_of_hdf5_have_one_scale(tmp_path, dtype, values, expected):
    images = np.asarray(values, dtype).reshape(-1, 1, 1) * np.ones((1, 8, 8), dtype)
    assert brightness(hdf5(tmp_path / "a.h5", images), tmp_path)[0] == expected


@pytest.mark.parametrize(("low", "high"), [(-1, 1), (0, 255)])
def test_floats_of_hdf5_need_their_range(tmp_path, low, high):
    images = np.linspace(low, high, 3, dtype=np.float32).reshape(-1, 1, 1) * np.ones((1, 8, 8), np.float32)
    path = hdf5(tmp_path / "a.h5", images)
    with pytest.raises(UserError, match=rf"--data\.value-range {low} {high}"):
        brightness(path, tmp_path)
    assert brightness(path, tmp_path, value_range=(low, high))[0] == [0, 128, 255]


def test_a_range_is_refused_where_all_values_have_8_bits(tmp_path):
    path = archive(tmp_path / "a.zip", [0, 1, 2], np.uint8)
    with pytest.raises(UserError, match=r"data\.value_range is 0 9, but no image of .*a\.zip has more than 8 bits"):
        brightness(path, tmp_path, value_range=(0, 9))
    (tmp_path / "t.csv").write_text("".join(f"0,{','.join(['7'] * 64)}\n" for _ in range(3)))
    with pytest.raises(UserError, match=r"data\.value_range is 0 9, but .*t\.csv is a table of pixels"):
        brightness(tmp_path / "t.csv", tmp_path, value_range=(0, 9))
