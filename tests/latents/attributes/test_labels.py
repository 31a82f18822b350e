import numpy as np
import pytest
from PIL import Image

from jaxvae.data.prepared import Split
from jaxvae.errors import UserError
from jaxvae.latents.attributes.classifier import fit_to_splits
from jaxvae.latents.attributes.labels import Labelled, class_counts, direction_names, examples, labelled_split
from jaxvae.latents.attributes.labels_csv import hold_out, load_labelled_files


def labelled(*columns, attributes=(), classes=()):
    values = np.stack(columns, axis=1).astype(np.int16)
    return Labelled(np.zeros((len(values), 2, 2, 1), np.uint8), values, tuple(attributes), dict(classes), "made")


COUNTING = np.arange(30)


def test_names_counts_and_examples_of_every_kind_of_attribute():
    made = labelled(
        COUNTING % 2, COUNTING % 3, np.where(COUNTING < 5, -1, COUNTING % 4), COUNTING,
        attributes=("flag", "hair", "digit", "height"), classes={"hair": ["dark", "blond", "grey"]},
    )  # fmt: skip
    assert direction_names(made) == ["flag", "hair=dark", "hair=blond", "hair=grey", *(f"digit={i}" for i in range(4))]
    assert class_counts(made)["hair"] == {"dark": 10, "blond": 10, "grey": 10}
    assert class_counts(made)["digit"] == {"0": 6, "1": 7, "2": 6, "3": 6}
    assert list(class_counts(made)) == ["flag", "hair", "digit"]
    grey = examples(made, "hair=grey")
    np.testing.assert_array_equal(grey.has, COUNTING % 3 == 2)
    known = examples(made, "digit=1")
    np.testing.assert_array_equal(known.indices, np.arange(5, 30))
    np.testing.assert_array_equal(known.has, np.arange(5, 30) % 4 == 1)


def test_what_cannot_be_learned_is_reported_in_one_sentence():
    made = labelled(
        np.ones(30), np.zeros(30), np.where(COUNTING < 9, COUNTING % 2, -1), COUNTING % 3, COUNTING,
        attributes=("all", "none", "rare", "hair", "height"), classes={"hair": ["dark", "blond", "grey"]},
    )  # fmt: skip
    for name, phrase in {
        "all": "all of the 30 images of made have all", "none": "none of the 30 images of made have none",
        "rare": "rare is labelled in only 9 images of made; a direction needs 10",
        "hair": "choose one of hair=dark, hair=blond, hair=grey", "hair=blodn": "did you mean 'hair=blond'",
        "height": "height of made is a measurement", "hat": "made has no attribute 'hat'",
    }.items():  # fmt: skip
        with pytest.raises(UserError, match=phrase):
            examples(made, name)


def test_subsampling_a_split_keeps_labels_with_their_images(disc_set):
    whole, drawn = labelled_split(disc_set, "train"), labelled_split(disc_set, "train", 25)
    assert len(drawn.images) == 25
    for image, values in zip(drawn.images, drawn.values, strict=True):
        matches = [i for i, each in enumerate(whole.images) if np.array_equal(each, image)]
        assert any(np.array_equal(whole.values[i], values) for i in matches)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "sub").mkdir()
    Image.new("RGBA", (40, 10), (255, 0, 0, 255)).save(tmp_path / "a.png")
    Image.new("L", (7, 31), 128).save(tmp_path / "sub" / "b.jpg")
    Image.new("I;16", (16, 16), 65535).save(tmp_path / "c.png")
    return tmp_path


DATA = {"shape": [6, 6, 3], "name": "discs", "origin": {}}
GOOD = "\ufefffile,shades,hair\r\na.png,1,blond\r\nsub/b.jpg,0,\r\n\r\nc.png,,dark\r\n"


def test_a_csv_labels_images_of_any_size_and_mode(folder):
    (folder / "l.csv").write_bytes(GOOD.encode())
    made = load_labelled_files(folder / "l.csv", folder, DATA)
    assert (made.attributes, made.classes) == (("shades", "hair"), {"hair": ["blond", "dark"]})
    np.testing.assert_array_equal(made.values, [[1, 0], [0, -1], [-1, 1]])
    assert made.images.shape == (3, 6, 6, 3)
    np.testing.assert_array_equal(made.images[0], np.broadcast_to(np.asarray([255, 0, 0], np.uint8), (6, 6, 3)))
    np.testing.assert_allclose(made.images[1], 128, atol=2)
    assert len(load_labelled_files(folder / "l.csv", folder, DATA, 2).values) == 2


@pytest.mark.parametrize(
    ("text", "phrase"),
    {
        "file,x\nd.png,0\ne.png,1\n": r"lists 2 files that do not exist: .*d.png, .*e.png",
        "file,x\na.png,0.5\n": "has no columns of classes or of whole numbers",
        "file,x\n" + "".join(f"{i}.png,1\n" for i in range(9)): r"lists 9 files that do not exist: .*2.png, …",
        "file,x\na.png\n": "row 2 of .* has 1 cells, but its header has 2",
        "file,x\na.png,1\na.png,0\n": "lists a.png more than once",
        "file,x\n": "has no rows after its header",
        "": "has no rows",
        "file\na.png\n": "one or more attributes",
        "file,x,x\na.png,1,1\n": "without duplicates",
        'file,x\na.png,"1\n': "cannot be read as a table: unexpected end of data",
        "file,x\nl.csv,1\n": "l.csv",
    }.items(),
)
def test_errors_in_a_csv_are_reported_in_one_sentence(folder, text, phrase):
    (folder / "l.csv").write_text(text)
    with pytest.raises(UserError, match=phrase):
        load_labelled_files(folder / "l.csv", folder, DATA)


def test_a_file_that_is_missing_is_named_and_the_others_used(folder, caplog):
    (folder / "l.csv").write_text("file,hat,age,old\na.png,-1,70,True\nd.png,1,3,False\nsub/b.jpg,1,4,False\n")
    with caplog.at_level("WARNING", logger="jaxvae"):
        made = load_labelled_files(folder / "l.csv", folder, DATA)
    assert "lists 1 files that do not exist" in caplog.text
    assert (made.attributes, made.classes) == (("hat", "age", "old"), {})
    np.testing.assert_array_equal(made.values, [[0, 70, 1], [1, 4, 0]])


@pytest.mark.parametrize("text", ["x;file;y\n1;a.png;2\n0;c.png;3\n", "picture\tx\ty\na.png\t1\t2\nc.png\t0\t3\n"])
def test_other_tables_that_people_have(folder, text):
    (folder / "l.csv").write_text(text)
    made = load_labelled_files(folder / "l.csv", folder, DATA)
    assert made.attributes == ("x", "y")
    np.testing.assert_array_equal(made.values, [[1, 2], [0, 3]])


def test_a_missing_or_unreadable_csv_is_reported(folder):
    with pytest.raises(UserError, match="does not exist"):
        load_labelled_files(folder / "gone.csv", folder, DATA)
    with pytest.raises(UserError, match="cannot be read as a table"):
        load_labelled_files(folder / "a.png", folder, DATA)


def test_every_fifth_image_is_held_out():
    learned, held_out = hold_out(labelled(COUNTING, attributes=("x",)))
    np.testing.assert_array_equal(held_out.values[:, 0], [4, 9, 14, 19, 24, 29])
    np.testing.assert_array_equal(np.sort(np.concatenate([learned.values, held_out.values])[:, 0]), COUNTING)
    assert len(learned.images) == 24


def test_a_classifier_learns_and_is_tested_on_known_labels_only():
    random = np.random.default_rng(0)
    truth = random.integers(0, 2, 60)
    images = (np.full((60, 4, 4, 1), 40) + 150 * truth[:, None, None, None]).astype(np.uint8)
    images += random.integers(0, 20, images.shape, dtype=np.uint8)
    partly = np.where(np.arange(60) % 3 == 0, -1, truth)
    split = Split(images, np.stack([partly, np.full(60, -1)], axis=1).astype(np.int16))
    made = fit_to_splits(("bright", "unknown"), split, split)
    assert made.values == {"bright": (0, 1)}
    assert made.accuracy == {"bright": 1.0}
    np.testing.assert_array_equal(made.probabilities(images)["bright"].argmax(axis=1), truth)
