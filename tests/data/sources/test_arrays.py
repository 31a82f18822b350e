import numpy as np
import pytest
from source_files import numbered, read

from jaxvae import DataConfig
from jaxvae.data.prepare import prepare
from jaxvae.data.sources.array_names import meaning_of
from jaxvae.data.sources.base import SPLITS
from jaxvae.errors import UserError


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
        (np.full((3, 2, 2), -0.5), r"has floats from -0\.5 to -0\.5; .* --data.value-range -1 1"),
        (np.full((3, 2, 2), 255.0), "has floats from 255 to 255; .* --data.value-range 0 255"),
        (np.full((3, 2, 2), np.nan), "float images from nan"),
        (np.full((3, 2, 2), -1, np.int64), "has whole numbers from -1 to -1; .* --data.value-range"),
        (np.zeros((3, 8, 8, 8), np.uint8), r"images of shape \[3, 8, 8, 8\]; expected .* c up to 32"),
        (np.zeros((3, 9, 9), complex), "type complex128"),
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
        (
            {"pictures": numbered(3, 2, 2), "others": numbered(3, 2, 2)},
            r"of which none is named images or x_train; rename them: images",
        ),
        (
            {"images": numbered(3, 2, 2), "x_train": numbered(3, 2, 2)},
            "has both images and x_train, which mean the same",
        ),
        ({"x_test": numbered(3, 2, 2)}, "has the arrays x_test, of which none is named images or x_train"),
        (
            {"images": numbered(3, 2, 2), "x_tset": numbered(3, 2, 2)},
            "'x_tset' is unknown, but has the shape of images",
        ),
        ({"x_train": numbered(3, 2, 2), "y_test": np.arange(3)}, "labels of test without images"),
        ({"images": numbered(3, 2, 2), "labels": np.arange(2)}, r"labels of shape \[2\] for 3 images of train"),
        ({"images": numbered(3, 2, 2), "labels": np.zeros((3, 2, 2))}, r"labels of shape \[3, 2, 2\] and type float64"),
        ({"images": numbered(3, 2, 2), "labels": np.ones(3) * 1j}, "type complex128"),
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


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("images", ("images", "train")), ("labels", ("labels", "train")), ("x_val", ("images", "validation")),
        ("train_images", ("images", "train")), ("val_labels", ("labels", "validation")), ("X", ("images", "train")),
        ("Y", ("labels", "train")), ("X_test", ("images", "test")), ("trainLabels", ("labels", "train")),
        ("imgs", ("images", "train")), ("test", ("images", "test")), ("testing_data", ("images", "test")),
        ("pictures", None), ("x_y", None), ("train_test", None), ("arr_0", None), ("", None), ("images2", None),
    ],
)  # fmt: skip
def test_names_of_arrays(name, meaning):
    assert meaning_of(name) == meaning


def test_medmnist_and_unnamed_arrays(tmp_path):
    np.savez(
        tmp_path / "med.npz",
        train_images=numbered(8, 9, 9), val_images=numbered(2, 9, 9), test_images=numbered(3, 9, 9),
        train_labels=numbered(8, 1), val_labels=numbered(2, 1), test_labels=numbered(3, 1),
    )  # fmt: skip
    np.savez(tmp_path / "unnamed.npz", numbered(10, 9, 9))
    source, found = read(tmp_path / "med.npz")
    assert [len(found[split]) for split in SPLITS] == [8, 2, 3]
    assert all(example.attributes == (int(example.image.flat[0]),) for split in SPLITS for example in found[split])
    assert source.attributes == ("label",)
    assert [len(part) for part in read(tmp_path / "unnamed.npz")[1].values()] == [8, 1, 1]


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (np.asarray([[0], [2], [1]]), ()),
        (np.eye(3)[[0, 2, 1]], ()),
        (np.asarray([0.0, 2.0, 1.0]), ()),
        (np.asarray(["cat", "frog", "dog"]), ("cat", "dog", "frog")),
        (np.asarray([b"cat", b"frog", b"dog"]), ("cat", "dog", "frog")),
    ],
)
def test_labels_of_many_forms(tmp_path, labels, names):
    np.savez(tmp_path / "a.npz", images=numbered(3, 9, 9), labels=labels)
    source, found = read(tmp_path / "a.npz")
    values = {int(example.image.flat[0]): example.attributes[0] for split in SPLITS for example in found[split]}
    assert values == {0: 0, 1: 2, 2: 1}
    assert source.classes.get("label", ()) == names


def test_labels_that_are_names_have_one_numbering_for_all_splits(tmp_path):
    np.savez(tmp_path / "a.npz", x_train=numbered(3, 9, 9), y_train=np.asarray(["b", "d", "b"]),
             x_test=numbered(2, 9, 9), y_test=np.asarray(["a", "d"]))  # fmt: skip
    source, found = read(tmp_path / "a.npz")
    assert source.classes == {"label": ("a", "b", "d")}
    assert [example.attributes for example in found["test"]] == [(0,), (2,)]


@pytest.mark.parametrize(
    ("shape", "expected"), [((3, 3, 9, 10), (9, 10, 3)), ((3, 1, 9, 10), (9, 10, 1)), ((3, 81), (9, 9, 1))]
)
def test_channels_first_and_flat_rows(tmp_path, shape, expected):
    array = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    np.save(tmp_path / "a.npy", array)
    (example,) = read(tmp_path / "a.npy")[1]["train"]
    assert example.image.shape == expected
    assert any(
        np.array_equal(example.image, each.reshape(expected) if len(shape) == 2 else each.transpose(1, 2, 0))
        for each in array
    )


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([0, 100, 255], np.int16, [0, 100, 255]), ([0, 100, 255], np.int64, [0, 100, 255]),
        ([0, 256, 4095], np.uint16, [0, 16, 255]), ([0, 256, 65535], np.uint16, [0, 1, 255]),
        ([-1e-4, 0.5, 1.0001], np.float32, [0, 128, 255]),
    ],
)  # fmt: skip
def test_values_of_other_types_have_one_scale(tmp_path, values, dtype, expected):
    np.save(tmp_path / "a.npy", np.asarray(values, dtype)[:, None, None] * np.ones((1, 9, 9), dtype))
    found = read(tmp_path / "a.npy")[1]
    assert sorted(each for part in found.values() for each in firsts(part)) == expected


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (0.0, 255.0), (0.0, 4095.0)])
def test_a_range_that_is_given_is_used(tmp_path, low, high):
    values = np.asarray([low, (low + high) / 2, high], np.float32)
    np.save(tmp_path / "a.npy", values[:, None, None] * np.ones((1, 9, 9), np.float32))
    found = read(tmp_path / "a.npy", value_range=(low, high))[1]
    assert sorted(each for part in found.values() for each in firsts(part)) == [0, 128, 255]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((64, 64, 3), np.uint8), r"looks like one colour image; a data set of one image is \[1, 64, 64, 3\]"),
        (np.zeros((64, 64, 4), np.uint8), r"looks like one colour image"),
        (np.zeros((3, 80), np.uint8), r"images of shape \[3, 80\]"),
    ],
)
def test_shapes_that_would_be_misread(tmp_path, array, message):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(UserError, match=message):
        read(tmp_path / "a.npy")


@pytest.mark.parametrize(
    "images",
    [
        np.random.default_rng(0).integers(0, 256, (6, 9, 10, 2), np.uint8),
        np.full((6, 9, 9, 4), 77, np.uint8),  # Alpha would be 0 or 255 nearly everywhere.
        np.linspace(0, 1, 6 * 81 * 4, dtype=np.float32).reshape(6, 9, 9, 4),
        np.random.default_rng(0).integers(0, 256, (6, 12, 40, 30), np.uint8),
        np.random.default_rng(0).integers(0, 4096, (6, 9, 10, 5), np.uint16),
    ],
)
def test_bands_are_kept(tmp_path, images):
    np.save(tmp_path / "a.npy", images)
    found = [example.image for part in read(tmp_path / "a.npy")[1].values() for example in part]
    scaled = np.rint(images * (255 / {"u1": 255, "f4": 1, "u2": 4095}[images.dtype.str[1:]]))
    wanted = np.moveaxis(scaled, 1, -1) if images.shape[1] == 12 else scaled
    order = [int(np.argmin([np.abs(each - image.astype(int)).sum() for each in wanted])) for image in found]
    assert sorted(order) in ([0, 1, 2, 3, 4, 5], [0] * 6)  # Images that are all the same have no order.
    np.testing.assert_array_equal(found, wanted[order])


def test_an_alpha_channel_is_laid_on_white(tmp_path):
    images = np.zeros((3, 9, 9, 4), np.uint8)
    images[:, :5, :, 3] = 255
    np.save(tmp_path / "a.npy", images)
    (example,) = read(tmp_path / "a.npy")[1]["train"]
    assert example.image.shape == (9, 9, 3)
    assert (example.image[:5] == 0).all()
    assert (example.image[5:] == 255).all()


def test_bands_are_no_colours(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((6, 9, 9, 5), np.uint8))
    np.savez(tmp_path / "b.npz", train=np.zeros((6, 9, 9, 5), np.uint8), test=np.zeros((6, 9, 9, 2), np.uint8))
    with pytest.raises(UserError, match=r"data\.color is grey, but .* images of 5 bands, which are no colours; remove"):
        read(tmp_path / "a.npy", color="grey")
    with pytest.raises(UserError, match="images of 2 and 5 bands"):
        read(tmp_path / "b.npz")


def test_fractions_are_ranks_where_they_are_few(tmp_path, caplog):
    np.savez(tmp_path / "few.npz", images=numbered(6, 8, 8), labels=np.arange(6) % 2 / 2)
    np.savez(tmp_path / "many.npz", images=numbered(200, 8, 8), labels=np.arange(200) / 3)
    assert read(tmp_path / "few.npz")[0].classes == {"label": ("0", "0.5")}
    assert read(tmp_path / "many.npz")[0].attributes == ()
    assert "200 distinct values" in caplog.text
    np.savez(tmp_path / "nan.npz", images=numbered(3, 8, 8), labels=np.full(3, np.nan))
    assert read(tmp_path / "nan.npz")[0].attributes == ()
    assert "some that are not finite" in caplog.text


def test_dsprites_with_its_metadata_and_factors(tmp_path, caplog):
    factors = np.stack([np.zeros(10), *(np.arange(10) % k for k in (3, 6, 5, 4, 2))], axis=1).astype(np.int64)
    images = (np.arange(10)[:, None, None] % 2) * np.ones((1, 8, 8), np.uint8)
    np.savez(
        tmp_path / "dsprites.npz", imgs=images.astype(np.uint8), latents_classes=factors,
        latents_values=factors / 3, metadata=np.array({"title": "dSprites"}, object),
    )  # fmt: skip
    with caplog.at_level("WARNING", logger="jaxvae"):
        source, found = read(tmp_path / "dsprites.npz")
    assert source.attributes == ("shape", "scale", "orientation", "position_x", "position_y")
    rows = {tuple(example.attributes): int(example.image[0, 0, 0]) for split in SPLITS for example in found[split]}
    assert rows == {tuple(row[1:].tolist()): 255 * (i % 2) for i, row in enumerate(factors)}
    assert "arrays of Python objects (metadata)" in caplog.text


def test_several_labels_per_image_are_columns(tmp_path):
    labels = np.array([[0, 0, 1], [1, 1, 0], [0, 1, 1], [1, 0, 0]], np.uint8)
    np.savez(tmp_path / "a.npz", train_images=numbered(4, 8, 8), train_labels=labels)
    source, found = read(tmp_path / "a.npz")
    assert source.attributes == ("label_0", "label_1", "label_2")
    rows = {firsts([each])[0]: each.attributes for split in SPLITS for each in found[split]}
    assert rows == {i: tuple(row.tolist()) for i, row in enumerate(labels)}


@pytest.mark.parametrize(
    ("content", "attributes"),
    [
        ({"pictures": numbered(5, 8, 8)}, ()),
        ({"arr_0": numbered(5, 8, 8), "arr_1": np.arange(5)}, ("label",)),
        ({"images": numbered(5, 8, 8), "labels": np.arange(5), "ids": np.arange(5)}, ("label",)),
        ({"images": numbered(5, 8, 8), "labels": np.array([-1, 1, 1, -1, 1])}, ("label",)),
    ],
)
def test_other_names_and_labels_that_people_have(tmp_path, content, attributes):
    np.savez(tmp_path / "a.npz", **content)
    source, found = read(tmp_path / "a.npz")
    assert source.attributes == attributes
    rows = {firsts([each])[0]: each.attributes for split in SPLITS for each in found[split]}
    assert sorted(rows) == list(range(5))
    if content.get("labels", np.zeros(1)).min() < 0:
        assert rows == {0: (0,), 1: (1,), 2: (1,), 3: (0,), 4: (1,)}
