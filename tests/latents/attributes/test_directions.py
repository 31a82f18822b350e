import jax
import numpy as np
import pytest
from conftest import DENSE, tiny_config, untrained

from jaxvae import Conv
from jaxvae.codes import flatten
from jaxvae.errors import UserError
from jaxvae.inference import encode_means
from jaxvae.latents.attributes.directions import LabelledCodes, attribute_directions, direction
from jaxvae.latents.attributes.labels import Labelled

METHODS = ("difference", "logistic", "lda")
SHAPES = {"one": (2, 1, 2), "other": (1,)}


def tree(rows):
    """Codes of two leaves, one of them a map, from rows of five numbers."""
    return {"one": rows[:, :4].reshape(-1, *SHAPES["one"]), "other": rows[:, 4:]}


def row(code):
    return np.asarray(flatten(jax.tree.map(lambda leaf: np.asarray(leaf)[None], code)), np.float64)[0]


@pytest.fixture(scope="module")
def gaussians():
    """Two Gaussians of one covariance, and a second label that goes along with the first."""
    random = np.random.default_rng(3)
    mixing = random.normal(size=(5, 5))
    has = random.random(4000) < 0.3
    also = np.where(random.random(4000) < 0.7, has, random.random(4000) < 0.5)
    gap, gap_of_also = np.asarray([1.0, -2.0, 0.5, 0.0, 1.5]), np.asarray([0.0, 1.0, 1.0, -1.0, 0.0])
    rows = random.normal(size=(4000, 5)) @ mixing + np.outer(has, gap) + np.outer(also, gap_of_also)
    return rows.astype(np.float32), has, also


def means(rows, has):
    rows = rows.astype(np.float64)
    return rows[~has].mean(axis=0), rows[has].mean(axis=0)


def test_the_difference_leads_from_mean_to_mean(gaussians):
    rows, has, _ = gaussians
    without, with_ = means(rows, has)
    found = direction(tree(rows), has)
    assert found.vector["one"].shape == SHAPES["one"]
    np.testing.assert_allclose(row(found.vector), with_ - without, atol=1e-6)


def test_the_axis_of_lda_is_the_inverse_covariance_times_the_difference(gaussians):
    rows, has, _ = gaussians
    without, with_ = means(rows, has)
    centred = rows - np.where(has[:, None], with_, without)
    by_hand = np.linalg.solve(centred.T @ centred / len(rows), with_ - without)
    found = direction(tree(rows), has, "lda")
    np.testing.assert_allclose(row(found.axis), by_hand / (by_hand @ (with_ - without)), rtol=1e-4)
    # Its shortest step in the metric of the covariance is the difference of the means.
    np.testing.assert_allclose(row(found.vector), with_ - without, rtol=1e-3, atol=1e-4)


def test_logistic_regression_finds_the_axis_of_two_gaussians_of_one_covariance(gaussians):
    rows, _, _ = gaussians
    random = np.random.default_rng(0)
    has = random.random(len(rows)) < 0.5
    scale, gap = np.asarray([1.0, 2.0, 0.5, 1.0, 3.0]), np.asarray([1.0, 1.0, 0.5, 0.0, -2.0])
    # The posterior of the label is logistic with weights Σ⁻¹ (μ₁ − μ₀).
    found = direction(tree(random.normal(size=rows.shape) * scale + np.outer(has, gap)), has, "logistic")
    truth = gap / scale**2
    axis = row(found.axis)
    assert axis @ truth / np.linalg.norm(axis) / np.linalg.norm(truth) > 0.995


@pytest.mark.parametrize("method", METHODS)
def test_scores_of_the_class_means_are_0_and_1_and_a_degree_adds_1(gaussians, method):
    rows, has, also = gaussians
    for keep in ([], [(tree(rows), also)]):
        found = direction(tree(rows), has, method, keep)
        np.testing.assert_allclose(found.score(tree(np.stack(means(rows, has)))), [0, 1], atol=1e-5)
        moved = jax.tree.map(lambda leaf, step: leaf + 0.5 * step[None], tree(rows), found.vector)
        np.testing.assert_allclose(found.score(moved) - found.score(tree(rows)), 0.5, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_preserved_attributes_keep_their_score(gaussians, method):
    rows, has, also = gaussians
    other = row(direction(tree(rows), also, method).axis)
    free, kept = (row(direction(tree(rows), has, method, keep).vector) for keep in ([], [(tree(rows), also)]))
    assert abs(other @ free) > 0.1
    assert abs(other @ kept) < 1e-5


def test_what_cannot_be_preserved_is_refused(gaussians):
    rows, has, _ = gaussians
    for method in METHODS:
        with pytest.raises(UserError, match="orthogonally to itself"):
            direction(tree(rows), has, method, [(tree(rows), has)])
        with pytest.raises(UserError, match="orthogonally to itself"):
            direction(tree(rows), has, method, [(tree(rows), ~has)])
    with pytest.raises(UserError, match="have the same mean"):
        direction(tree(np.zeros((20, 5), np.float32)), np.arange(20) < 9)


@pytest.mark.parametrize("model", [DENSE, Conv(latent_kind="spatial", latent=2, channels=(4, 4))])
def test_a_dataset_has_a_direction_for_each_attribute_and_class(disc_set, model):
    loaded = untrained(tiny_config(model=model), disc_set)
    found = attribute_directions(loaded, disc_set)
    assert list(found) == ["red", "high", "width=small", "width=medium", "width=large"]
    train = disc_set.split("train")
    z = np.asarray(encode_means(loaded.vae, loaded.params, train.images))
    large = np.asarray(train.attributes[:, 2] == 2)
    expected = z[large].mean(axis=0) - z[~large].mean(axis=0)
    np.testing.assert_allclose(found["width=large"].vector, expected, atol=1e-4)
    fewer = attribute_directions(loaded, disc_set, n=40)
    assert list(fewer) == list(found)
    assert np.abs(np.asarray(fewer["red"].vector) - np.asarray(found["red"].vector)).max() > 1e-4


def test_labels_are_those_of_attributes_that_can_be_learned_and_may_be_unknown():
    values = np.stack([np.arange(20) % 3, np.arange(20) % 2, np.ones(20, int), np.full(20, -1)], axis=1)
    values[0, 1] = -1
    attributes, classes = ("size", "red", "always", "never"), {"size": ["small", "medium", "large"]}
    found = LabelledCodes(
        (), Labelled(np.zeros((20, 1, 1, 1), np.uint8), values, attributes, classes, "train")
    ).labels()
    assert list(found) == ["size=small", "size=medium", "size=large", "red"]
    np.testing.assert_array_equal(found["size=large"], np.arange(20) % 3 == 2)
    np.testing.assert_array_equal(found["red"], [np.nan, *(np.arange(1, 20) % 2)])
