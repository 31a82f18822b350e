from types import SimpleNamespace

import jax
import numpy as np
import pytest

from jaxvae.distributions.gaussian import Normal
from jaxvae.errors import UserError
from jaxvae.latents.attributes import edit_success
from jaxvae.latents.attributes.change import build_change
from jaxvae.latents.attributes.classifier import fit_classifier
from jaxvae.latents.attributes.directions import Direction, LabelledCodes
from jaxvae.latents.attributes.edit_quality import Judge, agreement, predict_values
from jaxvae.latents.attributes.edits import Edit, edit
from jaxvae.latents.attributes.labels import labelled_split
from jaxvae.runs.run import Loaded
from jaxvae.vae import compose

CODES = {"a": np.asarray([[0.0, 0.0], [2.0, 1.0], [-1.0, 3.0]], np.float32), "b": np.zeros((3, 1), np.float32)}
FIRST = Direction(
    {"a": np.asarray([2.0, 1.0]), "b": np.asarray([0.5])}, {"a": np.asarray([0.5, 0.0]), "b": np.zeros(1)}, 0.25
)
SECOND = Direction(
    {"a": np.asarray([1.0, 4.0]), "b": np.zeros(1)}, {"a": np.asarray([0.0, 0.25]), "b": np.zeros(1)}, 0.0
)


def test_the_same_step_is_the_degree_times_the_vector():
    made = edit(CODES, [Edit(FIRST), Edit(SECOND, remove=True)], 0.5, "same")
    np.testing.assert_allclose(made["a"], CODES["a"] + np.asarray([[0.5, -1.5]]))
    np.testing.assert_allclose(made["b"], np.full((3, 1), 0.25))


def test_an_individual_step_ends_at_the_class_mean_and_never_goes_back():
    # Scores of the first are -0.25, 0.75 and -0.75: by hand, what each lacks to 1.
    made = edit(CODES, [Edit(FIRST)], 1.0)
    np.testing.assert_allclose(made["a"] - CODES["a"], np.outer([1.25, 0.25, 1.75], [2.0, 1.0]), atol=1e-6)
    beyond = edit(CODES, [Edit(FIRST)], 3.0)
    np.testing.assert_allclose(edit(beyond, [Edit(FIRST)], 1.0)["a"], beyond["a"])
    # Removing leads to 0, and leaves what is below.
    np.testing.assert_allclose(
        FIRST.score(edit(CODES, [Edit(FIRST, remove=True)], 1.0)), [-0.25, 0.0, -0.75], atol=1e-6
    )


def test_degree_0_changes_nothing():
    for step in ("own", "same"):
        made = edit(CODES, [Edit(FIRST), Edit(SECOND)], 0.0, step)
        np.testing.assert_array_equal(made["a"], CODES["a"])


def test_simultaneous_edits_all_reach_their_targets():
    made = edit(CODES, [Edit(FIRST), Edit(SECOND)], 1.0)
    np.testing.assert_allclose(FIRST.score(made), 1.0, atol=1e-6)
    np.testing.assert_allclose(SECOND.score(made), 1.0, atol=1e-6)
    with pytest.raises(UserError, match="linearly dependent"):
        edit(CODES, [Edit(FIRST), Edit(FIRST, remove=True)], 1.0)


@pytest.fixture(scope="module")
def pixels(disc_set):
    """A model whose codes are the pixels themselves, so that it shows what it is told to."""
    shape = disc_set.shape

    def code(x):
        mean = x.reshape(len(x), -1)
        return Normal(mean, jax.numpy.zeros_like(mean), 1)

    def prior(params):
        zeros = jax.numpy.zeros(int(np.prod(shape)))
        return Normal(zeros, zeros, 1)

    vae = compose(
        lambda key: {}, lambda params, x: code(x), lambda params, z: SimpleMean(z.reshape(len(z), *shape)), prior
    )
    return Loaded(vae, {}, SimpleNamespace())


@jax.tree_util.register_pytree_node_class
class SimpleMean:
    def __init__(self, mean):
        self.mean = mean

    def tree_flatten(self):
        return (self.mean,), None

    @classmethod
    def tree_unflatten(cls, _, leaves):
        return cls(*leaves)


@pytest.fixture(scope="module")
def judge(pixels, disc_set):
    learned = LabelledCodes.encode(pixels, labelled_split(disc_set, "train"))
    return Judge.build(pixels, learned, labelled_split(disc_set, "validation"), fit_classifier(disc_set, "validation"))


@pytest.mark.parametrize("method", ["transport", "difference"])
def test_edits_of_a_perfect_model_succeed(judge, method):
    red = judge.measure("red", method=method)
    truth = judge.held_out.values[:, 0]
    assert red["n"] == np.count_nonzero(truth == 0)
    assert (red["took"], red["took_before"], red["seen_in_reconstructions"]) == (1.0, 0.0, 1.0)
    assert judge.measure("red", remove=True, method=method)["took"] == 1.0
    assert judge.measure("red", degree=-1.0, method=method)["took"] == 0.0
    assert judge.measure("red", most=3, method=method)["n"] == 3


def test_measurements_are_predictions_of_the_classifier(judge):
    red, seen_before = judge.measure("red", method="difference"), judge.before
    start = np.flatnonzero(judge.held_out.values[:, 0] == 0)
    vector, axis = (np.asarray(each) for each in judge.learned.direction("red")[:2])
    z = np.asarray(judge.codes)[start]
    moved = z + np.maximum(1 + judge.learned.direction("red").offset - z @ axis, 0)[:, None] * vector
    pictures = np.rint(255 * np.clip(moved, 0, 1)).astype(np.uint8).reshape(-1, *judge.held_out.images.shape[1:])
    after = predict_values(judge.classifier, pictures)
    for name in ("high", "width"):
        assert red["stayed_each"][name] == np.mean(after[name] == seen_before[name][start])
    assert red["stayed"] == pytest.approx(np.mean([red["stayed_each"][name] for name in ("high", "width")]))
    assert red["stayed_least"]["share"] == min(red["stayed_each"].values())


def test_without_an_edit_everything_is_preserved_and_the_classifier_agrees_with_itself(judge):
    still = judge.measure("width=large", degree=0.0)
    assert still["stayed"] == 1.0
    assert still["took"] == still["took_before"]
    report = judge.classifier_report()
    assert {name: each["accuracy"] for name, each in report.items()} == judge.classifier.accuracy
    assert {name: each["on_reconstructions"] for name, each in report.items()} == judge.classifier.accuracy


def test_a_class_that_never_occurs_with_the_attribute_need_not_be_preserved(judge):
    values = judge.learned.labelled.values.copy()
    values[(values[:, 0] == 1), 1] = 0  # As if nothing red were ever high.
    exclusive = judge._replace(learned=judge.learned._replace(labelled=judge.learned.labelled._replace(values=values)))
    low = judge.before["high"][judge.held_out.values[:, 0] == 0] == 0
    assert 0 < low.sum() < len(low)
    assert list(exclusive._can_stay("high", 0, 1, np.flatnonzero(judge.held_out.values[:, 0] == 0), False)) == list(low)
    assert judge._can_stay("high", 0, 1, np.flatnonzero(judge.held_out.values[:, 0] == 0), False).all()


def test_agreement_ignores_unknown_values(judge):
    values = judge.held_out.values.copy()
    values[:, 0] = -1
    values[0, 0] = 1 - judge.before["red"][0]
    found = agreement(judge.before, judge.held_out._replace(values=values))
    assert found["red"] == 0.0
    assert found["high"] == judge.classifier.accuracy["high"]


@pytest.mark.parametrize("method", ["transport", "difference"])
def test_success_by_degree_is_counted_for_joint_edits(pixels, disc_set, monkeypatch, method):
    monkeypatch.setattr(edit_success, "FEWEST", 3)
    learned = LabelledCodes.encode(pixels, labelled_split(disc_set, "train"))
    changes = [("red", False), ("high", True)]
    change = build_change(learned, changes, method)
    found = edit_success.edit_success(pixels, learned, disc_set, changes, change, (-1.0, 0.0, 1.0))
    test = np.asarray(disc_set.split("test").attributes)
    assert [each.change for each in found] == ["+red", "-high"]
    assert [each.n for each in found] == [np.sum(test[:, 0] == 0), np.sum(test[:, 1] == 1)]
    for each in found:
        assert (each.took[-1.0], each.took[1.0]) == (0.0, 1.0)
        assert each.took[0.0] < 0.3
    monkeypatch.setattr(edit_success, "FEWEST", 22)
    assert edit_success.edit_success(pixels, learned, disc_set, changes, change) == []


@pytest.mark.parametrize(
    ("took", "sentence"),
    [
        ({1.0: 0.8}, None),
        (
            {1.0: 0.2, 1.5: 0.5, 2.0: 0.9, 3.0: 0.95},
            "only 20% of 50 test images at degree 1; at degree 2 it succeeds in 90%.",
        ),
        ({0.5: 0.9, 1.0: 0.2, 2.0: 0.6}, "only 20% of 50 test images at degree 1, and in 90% at best, at degree 0.5."),
        ({1.0: 0.2, 2.0: 0.1}, "only 20% of 50 test images at degree 1, and not more often at any degree up to 2."),
    ],
)
def test_an_edit_that_seldom_takes_is_named_with_the_degree_that_does(took, sentence):
    found = edit_success.advice(edit_success.Success("+hat", 50, took), 1.0)
    assert found is None if sentence is None else found.endswith(sentence)


def test_an_attribute_that_every_held_out_image_has_cannot_be_measured(judge):
    values = judge.held_out.values.copy()
    values[:, 0] = 1
    with pytest.raises(UserError, match="no held-out image of discs lacks red"):
        judge._replace(held_out=judge.held_out._replace(values=values)).measure("red")
