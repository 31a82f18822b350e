import os

import h5py
import numpy as np
import pytest
import scipy.io
from source_files import read

from jaxvae.data.sources.base import SPLITS
from jaxvae.data.sources.containers import contents
from jaxvae.data.sources.containers.mat_format import read_arrays
from jaxvae.data.sources.kinds import Container, source_named
from jaxvae.errors import UserError


def svhn(count):
    images = np.broadcast_to(np.arange(count, dtype=np.uint8), (6, 5, 3, count)).copy()
    return {"X": images, "y": (np.arange(count) % 10 + 1).astype(np.uint8)[:, None]}


def test_a_file_of_version_7_3(tmp_path):
    with h5py.File(tmp_path / "a.mat", "w", userblock_size=512) as file:
        for name, array in svhn(20).items():
            file[name] = array.T  # MATLAB stores columns first.
        file.create_group("#refs#")["X"] = np.zeros(3)
        file["text"] = np.zeros(3, "S3")
    with (tmp_path / "a.mat").open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")
    source, found = read(tmp_path / "a.mat")
    assert source.attributes == ("label",)
    for split in SPLITS:
        for image, attributes in found[split]:
            assert image.shape == (6, 5, 3)
            assert attributes == ((int(image[0, 0, 0]) + 1) % 10,)


@pytest.mark.parametrize("name", ["train_32x32.mat", "noname"])
@pytest.mark.parametrize("compressed", [False, True])
def test_one_file_of_svhn(tmp_path, name, compressed):
    path = tmp_path / name
    scipy.io.savemat(path, svhn(20), appendmat=False, do_compression=compressed)
    assert isinstance(source_named(str(path)), Container)
    source, found = read(path)
    assert source.attributes == ("label",)
    assert [len(found[split]) for split in SPLITS] == [16, 2, 2]
    for split in SPLITS:
        for image, attributes in found[split]:
            assert image.shape == (6, 5, 3)
            assert attributes == ((int(image[0, 0, 0]) + 1) % 10,)


def test_both_files_of_svhn(tmp_path):
    scipy.io.savemat(tmp_path / "train_32x32.mat", svhn(20))
    scipy.io.savemat(tmp_path / "test_32x32.mat", svhn(11))
    assert isinstance(source_named(str(tmp_path)), Container)
    assert [len(each) for each in read(tmp_path)[1].values()] == [16, 4, 11]


@pytest.mark.parametrize(
    ("shape", "labels"),
    [
        *(
            (shape, labels)
            for shape in [(4, 4, 7), (7, 4, 4, 3), (4, 4, 3, 7), (4, 5, 1, 7)]
            for labels in (True, False)
        ),
        ((7, 4, 5), True),  # Without labels these would be 5 images of 7 x 4.
    ],
)
def test_the_axis_of_images(tmp_path, shape, labels):
    axis = shape.index(7)
    images = np.moveaxis(np.zeros((7, *[side for side in shape if side != 7])), 0, axis)
    images += np.arange(7).reshape([7 if i == axis else 1 for i in range(len(shape))])
    arrays = {"images": images} | ({"labels": np.arange(7.0)} if labels else {})  # Doubles, as MATLAB has.
    scipy.io.savemat(tmp_path / "a.mat", arrays)
    _, found = read(tmp_path / "a.mat")
    assert sorted(int(each.image.max()) for split in SPLITS for each in found[split]) == list(range(7))
    assert all(np.ptp(each.image) == 0 for split in SPLITS for each in found[split])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.zeros((3, 3)), "b": np.zeros((3, 3))}, "has the arrays a, b, of which none is named images"),
        ({"X": np.zeros((3, 16))}, r"shape \[3, 16\]; expected \[h, w, n\]"),
        ({"X": np.full((4, 4, 5), 0.5) * 301}, r"floats from 150\.5 to 150\.5; .* --data\.value-range 0 255"),
        ({"X": {"a": 1}}, r"has the arrays \(none\)"),
        ({"X": svhn(5)["X"], "y": np.arange(4)}, r"labels of shape \[4\] for 5 images"),
        ({"X": svhn(5)["X"], "y": np.full(5, 40000)}, "labels from 40000 to 40000"),
    ],
)
def test_arrays_that_will_not_do(tmp_path, arrays, message):
    scipy.io.savemat(tmp_path / "a.mat", arrays)
    with pytest.raises(UserError, match=message):
        read(tmp_path / "a.mat")


def test_missing_damaged_and_other_files(tmp_path, monkeypatch):
    path = tmp_path / "a.mat"
    with pytest.raises(UserError, match="does not exist"):
        read(path)
    scipy.io.savemat(path, svhn(20))
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:140], whole[:60], b"", b"hello, this is text"):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"damaged|\(none\)"):
            read(path)
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF\r\n\x1a\n")
    with pytest.raises(UserError, match=r"cannot be read as a MATLAB file .* damaged"):
        read(path)
    path.write_bytes(whole)
    monkeypatch.setattr(contents, "free_memory", lambda: 100)
    with pytest.raises(UserError, match="half may be taken"):
        read(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UserError, match="regular file"):
        read(path)


@pytest.mark.parametrize("compressed", [False, True])
def test_damaged_bytes_are_refused_or_read(tmp_path, compressed):
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, svhn(4), do_compression=compressed)
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(100):
        data = bytearray(whole)
        for place in rng.integers(126, len(data), 3):
            data[place] = rng.integers(256)
        path.write_bytes(data)
        try:
            read(path)
        except UserError:
            refused += 1
    assert refused > 10


def test_the_same_numbers_as_scipy(tmp_path):
    kinds = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]
    arrays = {f"a{kind}": (np.arange(24) * 5).astype(kind).reshape(2, 3, 4) for kind in kinds}
    arrays |= {"text": np.array("abc"), "complex": np.ones(3) * 1j, "truth": np.eye(3) > 0, "a" * 30: np.eye(2)}
    scipy.io.savemat(tmp_path / "a.mat", arrays, do_compression=True)
    found = read_arrays((tmp_path / "a.mat").read_bytes(), 2**20)
    assert set(found) == set(arrays) - {"text", "complex"}
    loaded = scipy.io.loadmat(tmp_path / "a.mat")
    for name, array in found.items():
        np.testing.assert_array_equal(array, loaded[name])
    with pytest.raises(ValueError, match="unpacks to more"):
        read_arrays((tmp_path / "a.mat").read_bytes(), 100)
