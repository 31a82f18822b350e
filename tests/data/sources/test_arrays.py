import numpy as np
import pytest

from jaxvae import DataConfig
from jaxvae.data.prepare import prepare
from jaxvae.data.sources.base import SPLITS
from jaxvae.errors import UserError


def read(path, **fields):
    config = DataConfig(**{"name": str(path), "size": None} | fields)
    source = config.source.build(config)
    return source, {split: list(source.splits[split]()) for split in SPLITS}


def numbered(count, *shape, dtype=np.uint8):
    return np.broadcast_to(np.arange(count, dtype=dtype).reshape(-1, *[1] * len(shape)), (count, *shape)).copy()


def firsts(examples):
    return [int(example.image.flat[0]) for example in examples]


@pytest.mark.parametrize(("shape", "expected"), [((5, 4), (5, 4, 1)), ((5, 4, 1), (5, 4, 1)), ((5, 4, 3), (5, 4, 3))])
def test_an_npy_is_split_in_three(tmp_path, shape, expected):
    np.save(tmp_path / "a.npy", numbered(20, *shape))
    _, found = read(tmp_path / "a.npy")
    assert [len(found[split]) for split in SPLITS] == [16, 2, 2]
    assert {example.image.shape for example in found["train"]} == {expected}
    assert sorted(each for examples in found.values() for each in firsts(examples)) == list(range(20))


def test_floats_and_booleans_are_scaled_and_rounded(tmp_path):
    np.save(tmp_path / "f.npy", np.full((3, 2, 2), 0.5, np.float32))
    np.save(tmp_path / "b.npy", np.ones((3, 2, 2), bool))
    assert firsts(read(tmp_path / "f.npy")[1]["train"]) == [128]
    assert firsts(read(tmp_path / "b.npy")[1]["train"]) == [255]


def test_an_npz_with_splits_labels_and_names(tmp_path):
    np.savez(
        tmp_path / "a.npz",
        x_train=numbered(10, 4, 4),
        y_train=np.arange(10),
        x_test=numbered(4, 4, 4),
        y_test=np.arange(4),
        label_names=np.array(list("abcdefghij")),
    )
    source, found = read(tmp_path / "a.npz")
    assert source.classes == {"label": tuple("abcdefghij")}
    assert firsts(found["test"]) == [0, 1, 2, 3]
    assert [len(found[split]) for split in SPLITS] == [8, 2, 4]
    assert all(example.attributes == (int(example.image.flat[0]),) for split in SPLITS for example in found[split])


def test_an_npz_of_one_block_and_of_plain_split_names(tmp_path):
    np.savez(tmp_path / "one.npz", images=numbered(3, 2, 2), labels=np.array([7, 8, 9], np.uint8))
    np.savez(tmp_path / "plain.npz", train=numbered(3, 2, 2), validation=numbered(1, 2, 2), test=numbered(2, 2, 2))
    source, found = read(tmp_path / "one.npz")
    assert source.attributes == ("label",)
    assert sorted(example.attributes for split in SPLITS for example in found[split]) == [(7,), (8,), (9,)]
    source, found = read(tmp_path / "plain.npz")
    assert source.attributes == ()
    assert [len(found[split]) for split in SPLITS] == [3, 1, 2]


def test_prepare_finds_the_file_and_resizes(tmp_path):
    np.savez(tmp_path / "a.npz", images=numbered(5, 9, 12, 3))
    prepared = prepare(DataConfig(name=str(tmp_path / "a.npz"), size=6, root=str(tmp_path / "data")))
    assert prepared.shape == (6, 6, 3)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full((3, 2, 2), -0.5), r"float images from -0\.5 to -0\.5"),
        (np.full((3, 2, 2), 255.0), "float images from 255 to 255; expected values between 0 and 1"),
        (np.full((3, 2, 2), np.nan), "float images from nan"),
        (np.zeros((3, 2, 2), np.int64), "type int64"),
        (np.zeros((3, 3, 8, 8), np.uint8), r"images of shape \[3, 3, 8, 8\]"),
        (np.zeros((3, 4), np.uint8), r"images of shape \[3, 4\]"),
        (np.zeros((0, 4, 4), np.uint8), "has 0 images"),
        (np.zeros((2, 4, 4), np.uint8), "has 2 images"),
    ],
)
def test_invalid_images_are_refused(tmp_path, array, message):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(UserError, match=message):
        read(tmp_path / "a.npy")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"pictures": numbered(3, 2, 2)}, r"'pictures' is unknown; use images"),
        ({"images": numbered(3, 2, 2), "x_train": numbered(3, 2, 2)}, "'x_train' is a duplicate"),
        ({"x_test": numbered(3, 2, 2)}, "no images to train with"),
        ({"x_train": numbered(3, 2, 2), "y_test": np.arange(3)}, "labels of test without images"),
        ({"images": numbered(3, 2, 2), "labels": np.arange(2)}, r"labels of shape \[2\] .* for 3 images"),
        ({"images": numbered(3, 2, 2), "labels": np.ones(3)}, "type float64"),
        ({"images": numbered(3, 2, 2), "labels": np.array([0, 1, 40000])}, "from 0 to 40000"),
        ({"x_train": numbered(3, 2, 2), "y_train": np.arange(3), "x_test": numbered(3, 2, 2)}, "not for test"),
    ],
)
def test_invalid_npz_content_is_refused(tmp_path, content, message):
    np.savez(tmp_path / "a.npz", **content)
    with pytest.raises(UserError, match=message):
        read(tmp_path / "a.npz")


def test_python_objects_are_refused(tmp_path):
    ragged = np.empty(3, object)
    np.save(tmp_path / "a.npy", ragged, allow_pickle=True)
    np.savez(tmp_path / "a.npz", images=ragged)
    for name in ("a.npy", "a.npz"):
        with pytest.raises(UserError, match="Python objects"):
            read(tmp_path / name)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_missing_and_damaged_files(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    with pytest.raises(UserError, match="does not exist"):
        read(path)
    (np.save if suffix == ".npy" else np.savez)(path, numbered(30, 9, 9))
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:5], b"", b"hello, this is text"):
        path.write_bytes(content)
        with pytest.raises(UserError, match="damaged or incomplete"):
            read(path)
