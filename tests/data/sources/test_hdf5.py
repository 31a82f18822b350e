import sys

import numpy as np
import pytest
from source_files import numbered, read, refuses_what_is_no_file

from jaxvae.data.sources.base import SPLITS
from jaxvae.data.sources.containers import hdf5
from jaxvae.data.sources.kinds import Container, source_named
from jaxvae.errors import UserError

h5py = pytest.importorskip("h5py")


def write(path, **arrays):
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name.replace("__", "/"), data=array, compression="gzip")
    return path


@pytest.mark.parametrize("name", ["a.h5", "a.hdf5", "noname"])
@pytest.mark.parametrize("memory", [2**33, 0])
def test_images_and_labels(tmp_path, name, memory, monkeypatch):
    path = write(tmp_path / name, images=numbered(10, 5, 4, 3), labels=np.arange(10))
    monkeypatch.setattr(hdf5, "free_memory", lambda: memory)
    assert isinstance(source_named(str(path)), Container)
    source, found = read(path)
    assert source.attributes == ("label",)
    assert [len(found[split]) for split in SPLITS] == [8, 1, 1]
    assert all(each.attributes == (each.image[0, 0, 0],) for split in SPLITS for each in found[split])
    assert found["train"][0].image.shape == (5, 4, 3)


@pytest.mark.parametrize("memory", [2**33, 0])
def test_images_that_are_stored_otherwise(tmp_path, memory, monkeypatch):
    monkeypatch.setattr(hdf5, "free_memory", lambda: memory)
    images = np.random.default_rng(0).integers(0, 256, (3, 9, 9, 3), np.uint8)
    (example,) = read(write(tmp_path / "a.h5", images=images.transpose(0, 3, 1, 2)))[1]["train"]
    assert any(np.array_equal(example.image, each) for each in images)
    assert read(write(tmp_path / "b.h5", train_set_x=numbered(3, 81)))[1]["train"][0].image.shape == (9, 9, 1)
    bands = numbered(3, 9, 9, 5)
    assert read(write(tmp_path / "c.h5", pictures=bands))[1]["train"][0].image.shape == (9, 9, 5)


@pytest.mark.parametrize(
    "labels", [np.array([b"a", b"b", b"a"]), np.array(["a", "b", "a"], object), np.eye(2)[[0, 1, 0]]]
)
def test_labels_of_other_forms(tmp_path, labels):
    source, found = read(write(tmp_path / "a.h5", images=numbered(3, 9, 9), labels=labels))
    values = {int(each.image[0, 0, 0]): each.attributes for split in SPLITS for each in found[split]}
    assert values == {0: (0,), 1: (1,), 2: (0,)}
    assert source.classes == ({} if labels.dtype == float else {"label": ("a", "b")})


def test_factors_become_ranks(tmp_path):
    labels = np.stack([np.arange(12) % 3 / 10, np.arange(12) % 4 - 1.5, np.arange(12) % 2, *np.ones((3, 12))], axis=1)
    source, found = read(write(tmp_path / "3dshapes.h5", images=numbered(12, 4, 4, 3), labels=labels))
    assert source.attributes == ("floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation")
    assert source.classes == {"floor_hue": ("0", "0.1", "0.2"), "wall_hue": ("-1.5", "-0.5", "0.5", "1.5")}
    for split in SPLITS:
        for image, attributes in found[split]:
            i = int(image[0, 0, 0])
            assert attributes == (i % 3, i % 4, i % 2, 1, 1, 1)


def test_continuous_factors_are_skipped(tmp_path, caplog):
    labels = np.stack([np.linspace(0, 1, 200), np.arange(200) % 2], axis=1)
    source, _ = read(write(tmp_path / "a.h5", images=numbered(200, 2, 2), labels=labels))
    assert source.attributes == ("label_1",)
    assert "200 distinct values, more than 100" in caplog.text


def test_splits_in_names_and_groups(tmp_path):
    arrays = {
        "x_train": numbered(6, 2, 2),
        "x_test": numbered(3, 2, 2),
        "y_train": np.arange(6),
        "y_test": np.arange(3),
    }
    assert [len(each) for each in read(write(tmp_path / "a.h5", **arrays))[1].values()] == [5, 1, 3]
    arrays = {"train__images": numbered(6, 2, 2), "val__images": numbered(3, 2, 2), "meta": np.arange(3)}
    assert [len(each) for each in read(write(tmp_path / "b.h5", **arrays))[1].values()] == [5, 3, 1]


def test_floats_are_scaled(tmp_path):
    path = write(tmp_path / "a.h5", images=np.full((4, 2, 2), 0.5, np.float32))
    assert read(path)[1]["train"][0].image.max() == 128


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"masks": numbered(3, 2, 2), "pictures": numbered(3, 2, 2)},
            "has the arrays masks, pictures, of which none is named images or x_train",
        ),
        ({}, r"has the arrays \(none\)"),
        ({"images": numbered(3, 2, 2), "train": numbered(3, 2, 2)}, "has both images and train"),
        ({"images": numbered(3, 2, 2).astype(np.complex64)}, "type complex64"),
        ({"images": numbered(3, 2, 2).astype(np.int64) - 9}, r"whole numbers from -9 to -7; .* --data\.value-range"),
        ({"images": numbered(3, 2, 2, 2, 2)}, r"shape \[3, 2, 2, 2, 2\]"),
        ({"images": np.full((3, 2, 2), 255.0)}, r"floats from 255 to 255; .* --data\.value-range 0 255"),
        ({"images": np.full((3, 2, 2), np.nan)}, "float images from nan"),
        ({"images": numbered(3, 2, 2), "labels": np.arange(4)}, r"labels of shape \[4\] for 3 images of train"),
        ({"images": numbered(3, 2, 2), "labels": np.array([-1, 0, 1])}, "labels from -1 to 1"),
        ({"x_train": numbered(3, 2, 2), "y_test": np.arange(3)}, "labels of test without images"),
        (
            {"x_train": numbered(3, 2, 2), "x_test": numbered(3, 2, 2), "y_train": np.arange(3)},
            "labels, but not for test",
        ),
    ],
)
def test_arrays_that_will_not_do(tmp_path, arrays, message):
    with pytest.raises(UserError, match=message):
        read(write(tmp_path / "a.h5", **arrays))


def test_other_files_are_not_opened(tmp_path):
    write(tmp_path / "other.h5", images=numbered(5, 2, 2))
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["images"] = h5py.ExternalLink("other.h5", "images")
    with pytest.raises(UserError, match=r"has the arrays \(none\)"):
        read(tmp_path / "link.h5")
    (tmp_path / "raw").write_bytes(bytes(20))
    with h5py.File(tmp_path / "external.h5", "w") as file:
        file.create_dataset("images", (5, 2, 2), np.uint8, external=[(str(tmp_path / "raw"), 0, 20)])
    with pytest.raises(UserError, match="keeps /images in other files"):
        read(tmp_path / "external.h5")
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        layout = h5py.VirtualLayout((5, 2, 2), np.uint8)
        layout[:] = h5py.VirtualSource("other.h5", "images", (5, 2, 2))
        file.create_virtual_dataset("images", layout)
    with pytest.raises(UserError, match="keeps /images in other files"):
        read(tmp_path / "virtual.h5")


def test_huge_claims(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("images", (2**40, 64, 64), np.uint8, chunks=(1, 64, 64))
    with pytest.raises(UserError, match="expected up to 100000000 images"):
        read(tmp_path / "a.h5")


def test_missing_damaged_and_other_files(tmp_path, monkeypatch):
    path = tmp_path / "a.h5"
    write(path, images=np.random.default_rng(0).integers(0, 255, (30, 9, 9), np.uint8))
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:9], b"", b"hello, this is text"):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"cannot be read as an HDF5 file .* damaged or incomplete"):
            read(path)
    refuses_what_is_no_file(path)
    write(tmp_path / "b.h5", images=numbered(3, 2, 2))
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(UserError, match=r"reading HDF5 needs h5py.*pip install 'jaxvae\[hdf5\]'"):
        read(tmp_path / "b.h5")
