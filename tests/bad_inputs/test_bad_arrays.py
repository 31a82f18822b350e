import io
import os
import zipfile

import numpy as np
import pytest
from corpus import npy, pickled, sentence, trapped_arrays, write

from jaxvae import DataConfig
from jaxvae.data.prepare import prepare as prepare_data
from jaxvae.errors import UserError
from jaxvae.prepare import prepare

WHOLE = np.arange(5 * 4 * 4, dtype=np.uint8).reshape(5, 4, 4)
FLOATS = np.linspace(0, 1, 80, dtype=np.float32).reshape(5, 4, 4)


def with_value(value):
    array = FLOATS.copy()
    array[2, 1, 1] = value
    return array


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (with_value(np.nan), "float images from nan to nan; expected finite values"),
        (with_value(np.inf), "float images from 0 to inf"),
        (with_value(-np.inf), "float images from -inf to 1"),
        (
            FLOATS * 255,
            "has floats from 0 to 255; say which values are black and white, as in --data.value-range 0 255",
        ),
        (FLOATS.astype(np.float16) * 300, "has floats from 0 to 300; say which"),
        (WHOLE.astype(np.uint32) * 1000, "has whole numbers from 0 to 79000; say which"),
        (WHOLE.astype(np.int8) - 1, "has whole numbers from -1 to 78; say which"),
        (FLOATS.astype(np.complex64), "type complex64"),
        (WHOLE.astype("datetime64[s]"), "type datetime64[s]"),
        (WHOLE.astype("U4"), "type <U4"),
        (WHOLE.view([("a", np.uint8)]), "type [('a', 'u1')]"),
        (np.uint8(7), "images of shape []"),
        (WHOLE[0], "images of shape [4, 4]"),
        (WHOLE[..., None, None], "images of shape [5, 4, 4, 1, 1]"),
        (np.zeros((5, 4, 4, 5), np.uint8), "images of shape [5, 4, 4, 5]"),
        (np.zeros((5, 0, 4), np.uint8), "images of shape [5, 0, 4]"),
        (WHOLE[:0], "has 0 images"),
        (WHOLE[:1], "has 1 image for training, but needs at least 3"),
    ],
)
def test_arrays_that_are_not_images_are_refused(call, tmp_path_factory, array, told):
    path = tmp_path_factory.mktemp("raw") / "a.npy"
    np.save(path, array)
    sentence(call(prepare, path), "a.npy has" if "has" not in told else "a.npy", told)


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"x_train": WHOLE[:0], "x_test": WHOLE}, "has 0 images for training"),
        ({"x_train": WHOLE[:1], "x_test": WHOLE[:0]}, "has 1 image for training"),
        ({"x_train": WHOLE, "x_test": np.zeros((5, 6, 6), np.uint8)}, "differ in shape"),
        ({"x_train": WHOLE, "x_test": np.stack([WHOLE] * 3, -1)}, "--data.color rgb"),
        ({"images": WHOLE, "labels": np.arange(5), "label_names": np.array("name")}, "label_names of shape []"),
        (
            {"images": WHOLE, "labels": np.arange(5), "label_names": np.array([["a"]] * 5)},
            "label_names of shape [5, 1]",
        ),
        ({"images": WHOLE, "labels": np.arange(5), "label_names": np.array(["a", "b"])}, "labels up to 4, but 2"),
        ({"images": WHOLE, "labels": np.arange(-1, 4)}, "labels from -1 to 3"),
        ({"images": WHOLE, "labels": np.full(5, 1j)}, "type complex128"),
        ({"images\n\x1b[31m": WHOLE}, r"has the arrays images\n\x1b[31m, of which none is named images"),
        ({}, "has the arrays (none)"),
    ],
)
def test_archives_without_a_dataset_are_refused(call, tmp_path_factory, arrays, told):
    path = tmp_path_factory.mktemp("raw") / "a.npz"
    np.savez(path, **arrays)
    sentence(call(prepare, path, "--size", "None"), told)


def test_an_empty_split_is_carved_from_train(tmp_path):
    np.savez(tmp_path / "a.npz", x_train=WHOLE, x_test=WHOLE[:0], x_validation=WHOLE[:2])
    prepared = prepare_data(DataConfig(name=str(tmp_path / "a.npz"), size=None, root=str(tmp_path / "data")))
    assert {split: part["n"] for split, part in prepared.info["splits"].items()} == {
        "train": 4,
        "validation": 2,
        "test": 1,
    }


LIES = {
    "more than the disk": npy(shape=(10**12, 4, 4)),
    "more than a number": npy(shape=(2**70, 4, 4)),
    "overflowing": npy(shape=(2**62, 2**62, 4)),
    "negative": npy(shape=(-5, 4, 4)),
    "fractions": npy(shape=(5, 4, 4.5)),
    "words": npy(shape=("five", 4, 4)),
    "less than it says": npy(content=bytes(20)),
    "nothing": b"",
    "text": b"5 4 4\n" * 99,
    "header alone": npy()[:20],
    "open bracket": npy().replace(b")", b"("),
    "other version": npy().replace(b"NUMPY\x01", b"NUMPY\x09"),
}


@pytest.mark.parametrize("name", LIES)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_files_with_false_headers_are_refused(call, tmp_path_factory, name, suffix):
    path = tmp_path_factory.mktemp("raw") / f"a{suffix}"
    if suffix == ".npz":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("images.npy", LIES[name])
    sentence(call(prepare, write(path, LIES[name] if suffix == ".npy" else buffer.getvalue())), f"a{suffix}")


@pytest.mark.parametrize("save", [np.save, np.savez, np.savez_compressed])
def test_a_file_damaged_anywhere_is_read_or_reported(tmp_path, save):
    buffer = io.BytesIO()
    save(buffer, np.random.default_rng(1).integers(0, 256, (5, 4, 4), np.uint8))
    whole, random, told = buffer.getvalue().replace(b"arr_0", b"train"), np.random.default_rng(0), 0
    for i in range(250):
        damaged = bytearray(whole)
        for _ in range(random.integers(1, 4)):
            damaged[random.integers(len(whole))] = random.integers(256)
        path = write(tmp_path / f"{i}.npz", bytes(damaged[: len(whole) if i % 5 else random.integers(len(whole))]))
        try:
            prepare_data(DataConfig(name=str(path), size=4, root=str(tmp_path / "data")))
        except UserError:
            told += 1
    assert 50 < told < 250


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_nothing_is_unpickled(call, tmp_path_factory, suffix):
    folder = tmp_path_factory.mktemp("raw")
    mark = folder / "mark"
    sentence(call(prepare, trapped_arrays(folder / f"a{suffix}", mark)), "contains Python objects")
    sentence(call(prepare, write(folder / f"b{suffix}", pickled(mark))), "nothing in it was executed")
    with zipfile.ZipFile(folder / f"c{suffix}", "w") as archive:
        archive.writestr("images", pickled(mark))
        archive.writestr("labels.pkl", pickled(mark))
    sentence(call(prepare, folder / f"c{suffix}"), f"c{suffix} cannot be read", "is not an array")
    assert not mark.exists()


def test_the_trap_fires_when_unpickled(tmp_path):
    path = trapped_arrays(tmp_path / "a.npy", tmp_path / "mark")
    assert not (tmp_path / "mark").exists()
    np.load(path, allow_pickle=True)
    assert (tmp_path / "mark").exists()


def test_the_content_decides_not_the_name(tmp_path):
    np.savez(tmp_path / "whole.npz", images=WHOLE)
    archive_as_npy = write(tmp_path / "a.npy", (tmp_path / "whole.npz").read_bytes())
    array_as_npz = write(tmp_path / "b.npz", npy(content=WHOLE.tobytes()))
    for path in (archive_as_npy, array_as_npz):
        prepared = prepare_data(DataConfig(name=str(path), size=None, root=str(tmp_path / "data")))
        assert sum(part["n"] for part in prepared.info["splits"].values()) == 5


def test_paths_in_an_archive_do_not_escape_it(call, tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    with zipfile.ZipFile(folder / "a.npz", "w") as archive:
        archive.writestr("../../images.npy", npy(content=WHOLE.tobytes()))
    sentence(call(prepare, folder / "a.npz"), "has the arrays ../../images, of which none is named images")
    assert os.listdir(folder) == ["a.npz"]


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_a_pipe_does_not_block(call, tmp_path_factory, suffix):
    path = tmp_path_factory.mktemp("raw") / f"a{suffix}"
    os.mkfifo(path)
    sentence(call(prepare, path), "expected a regular file")
