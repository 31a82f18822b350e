import numpy as np
import pytest
from conftest import discs

from jaxvae.data.prepared import Split, write_prepared
from jaxvae.data.sources.base import SPLITS, Example, Source
from jaxvae.errors import UserError
from jaxvae.latents.attributes.classifier import _reduce, class_names, fit_classifier, fit_to_splits


@pytest.fixture(scope="module")
def classifier(disc_set):
    return fit_classifier(disc_set)


def prepared_of(path, examples, attributes=("hat",)):
    splits = {name: (lambda name=name: iter(examples(name))) for name in SPLITS}
    return write_prepared(path / "made", "made", {"name": "made"}, Source(attributes, {}, splits, {}))


def test_it_predicts_attributes_of_unseen_images(classifier, disc_set):
    assert classifier.accuracy["red"] == 1.0
    assert classifier.accuracy["high"] == 1.0
    assert classifier.accuracy["width"] > 0.8 > 0.5 > classifier.most_frequent["width"]
    test = disc_set.split("test")
    probabilities = classifier.probabilities(test.images)
    assert probabilities["width"].shape == (len(test.images), 3)
    for column, name in enumerate(disc_set.attributes):
        np.testing.assert_allclose(probabilities[name].sum(axis=1), 1.0, rtol=1e-6)
        right = np.argmax(probabilities[name], axis=1) == test.attributes[:, column]
        assert np.mean(right) == pytest.approx(classifier.accuracy[name])


def test_its_values_use_the_names_of_the_dataset(classifier, disc_set):
    named = class_names(classifier, disc_set.info["classes"])
    assert named == {"red": ["0", "1"], "high": ["0", "1"], "width": ["small", "medium", "large"]}


def test_the_accuracy_is_that_of_the_held_out_split(tmp_path):
    def examples(split):
        # The test split has the attribute the other way around.
        return [Example(e.image, (e.attributes[0] ^ (split == "test"),)) for e in discs(split, size=8)[:60]]

    assert fit_classifier(prepared_of(tmp_path, examples)).accuracy["hat"] < 0.1


def test_it_does_not_rely_on_faint_detail_that_decoded_images_lack():
    def patches(n, seed, faint):
        """A patch that is brighter with the attribute, and a faint checkerboard that says the same."""
        random = np.random.default_rng(seed)
        has = random.integers(0, 2, n)
        images = random.normal(128, 4, (n, 32, 32, 1))
        images[:, 18:26, 18:26] += (30 * has + random.normal(0, 8, n))[:, None, None, None]
        images[:, 4:12, 4:12] += random.normal(0, 40, (n, 1, 1, 1))  # What else varies.
        board = 2 * ((np.indices((32, 32)) // 4).sum(axis=0) % 2) - 1
        images += faint * ((2 * has - 1)[:, None, None] * board)[..., None]
        return Split(images.clip(0, 255).astype(np.uint8), has[:, None])

    classifier = fit_to_splits(("bright",), patches(1000, 0, 3), patches(300, 1, 3))
    assert classifier.accuracy["bright"] > 0.95
    decoded = patches(300, 2, 0)
    seen = classifier.probabilities(decoded.images)["bright"].argmax(axis=1)
    assert np.mean(seen == decoded.attributes[:, 0]) > 0.9


def test_constant_attributes_and_identical_images_are_handled(tmp_path):
    grey = np.full((8, 8, 1), 7, np.uint8)
    made = prepared_of(tmp_path, lambda split: [Example(grey, (3, i % 2)) for i in range(6)], ("hat", "beard"))
    classifier = fit_classifier(made)
    probabilities = classifier.probabilities(np.stack([grey, grey]))
    np.testing.assert_array_equal(probabilities["hat"], [[1.0], [1.0]])
    np.testing.assert_allclose(probabilities["beard"], 0.5, atol=1e-6)
    assert classifier.accuracy == {"hat": 1.0, "beard": 0.5}


def test_what_cannot_be_learned_is_reported(tmp_path):
    none = prepared_of(tmp_path / "a", lambda split: [Example(np.zeros((4, 4, 1), np.uint8), ())] * 3, ())
    with pytest.raises(UserError, match="made has no attributes"):
        fit_classifier(none)
    one = prepared_of(tmp_path / "b", lambda split: [Example(np.zeros((4, 4, 1), np.uint8), (1,))])
    with pytest.raises(UserError, match="made has only one training image"):
        fit_classifier(one)


def test_images_are_reduced_by_block_means_even_when_sizes_do_not_divide():
    image = np.random.default_rng(0).integers(0, 256, (1, 73, 40, 3), dtype=np.uint8)
    reduced = _reduce(image).reshape(25, 20, 3)
    np.testing.assert_allclose(reduced[2, 4], image[0, 6:9, 8:10].mean(axis=(0, 1)) / 255, rtol=1e-5)
    np.testing.assert_allclose(reduced[24, 19], image[0, 72:, 38:].mean(axis=(0, 1)) / 255, rtol=1e-5)
    small = np.arange(12, dtype=np.uint8).reshape(1, 3, 4, 1)
    np.testing.assert_allclose(_reduce(small), small.reshape(1, 12) / 255.0, rtol=1e-6)
