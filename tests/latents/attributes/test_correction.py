"""Corrections of changes by what is seen in their images, against models whose images are known functions of codes."""

import numpy as np
import pytest

from jaxvae.latents.attributes.change import ByTransport, build_change, changed
from jaxvae.latents.attributes.correction import Correction
from jaxvae.latents.attributes.directions import LabelledCodes, rows_of
from jaxvae.latents.attributes.labels import Labelled

RANDOM = np.random.default_rng(6)
VALUES = np.stack([np.arange(600) % 2, np.arange(600) // 2 % 2], axis=1)
ROWS = np.concatenate([VALUES + RANDOM.normal(scale=0.01, size=(600, 2)), RANDOM.normal(size=(600, 1))], axis=1)
LACKS = VALUES[:, 0] == 0


def leaking(codes):
    """Half of unit 0 is seen, and a third of it in unit 1."""
    rows = rows_of(codes)
    return np.stack([0.5 * rows[:, 0], rows[:, 1] + 0.3 * rows[:, 0], rows[:, 2]], axis=1)


def corrected(see, labels=VALUES, remove=False, step=(1.0, 0.0, 0.0), rows=ROWS, moved=True):
    """The corrections of codes that have been moved by a step, to add the first attribute to those that lack it."""
    learned = Correction.learn(see, rows, np.asarray(labels, float), [(0, remove)])
    start = rows[~LACKS if remove else LACKS]
    return learned.steps((start,), (start + step,), np.full((len(start), 1), moved))


def test_what_falls_short_goes_on_and_what_has_changed_goes_back():
    np.testing.assert_allclose(corrected(leaking).mean(axis=0), [0.5, -0.3, 0.0], atol=0.05)
    removed = corrected(leaking, remove=True, step=(-0.4, 0.0, 0.0))
    np.testing.assert_allclose(removed.mean(axis=0), [-0.3, 0.12, 0.0], atol=0.05)


def test_what_is_seen_enough_stays():
    np.testing.assert_allclose(corrected(rows_of, step=(1.2, 0.0, 0.0)), 0.0, atol=0.02)


@pytest.mark.parametrize("remove", [False, True])
def test_what_changes_goes_on_until_it_is_as_sure_as_in_the_surest_fifth(remove):
    """Codes scatter by 0.2 about 1, so the fifth begins at 1.17; the mean of max(0, 0.17 − scatter) is 0.19."""
    rows = np.concatenate([VALUES + RANDOM.normal(scale=(0.2, 0.01), size=(600, 2)), ROWS[:, 2:]], axis=1)
    sign = -1.0 if remove else 1.0
    steps = corrected(rows_of, remove=remove, step=(sign, 0.0, 0.0), rows=rows)
    np.testing.assert_allclose(steps.mean(axis=0), [sign * 0.19, 0.0, 0.0], atol=0.04)


@pytest.mark.parametrize(("step", "further"), [(0.4, 0.6), (0.6, 0.0)])
def test_what_was_not_moved_stays_unless_its_image_needs_the_change(step, further):
    steps = corrected(rows_of, step=(step, 0.0, 0.0), moved=False)
    np.testing.assert_allclose(steps.mean(axis=0), [further, 0.0, 0.0], atol=0.05)
    assert steps.any() == bool(further)


def test_what_is_never_seen_goes_no_further_than_two_effects():
    np.testing.assert_allclose(corrected(lambda codes: 0 * rows_of(codes) - [9, 0, 0])[:, 0], 2.0, atol=0.01)


def test_what_no_code_with_the_attribute_has_goes():
    values = np.stack([VALUES[:, 0], VALUES[:, 1] * LACKS], axis=1)  # Nothing with the first has the second.
    rows = np.concatenate([values + ROWS[:, :2] - VALUES, ROWS[:, 2:]], axis=1)
    steps = corrected(rows_of, values, rows=rows)
    second = values[LACKS, 1] == 1
    np.testing.assert_allclose(steps[second].mean(axis=0), [0.0, -1.0, 0.0], atol=0.1)
    np.testing.assert_allclose(steps[~second].mean(axis=0), 0.0, atol=0.05)
    # Who loses the first may have the second or not.
    lost = corrected(rows_of, values, True, (-1.0, 0.0, 0.0), rows)
    np.testing.assert_allclose(lost.mean(axis=0), 0.0, atol=0.05)


def learn_from(labels, rows=None, requests=((0, False),)):
    rows = RANDOM.normal(size=(len(labels), 40)) if rows is None else rows
    return Correction.learn(rows_of, rows, np.asarray(labels, float), requests)


def test_attributes_exclude_each_other_only_where_some_codes_should_have_both():
    apart = VALUES[:, 0] * 2 + VALUES[:, 1]
    labels = np.stack([apart == 1, apart == 2], axis=1).astype(float)  # A quarter of the codes each, and never both.
    np.testing.assert_array_equal(learn_from(labels).impossible, [False, True])
    np.testing.assert_array_equal(learn_from(labels[:60]).impossible, [False, False])
    half = labels.copy()
    half[300:, 0], half[:300, 1] = np.nan, np.nan  # No code has a label of both.
    np.testing.assert_array_equal(learn_from(half).impossible, [False, False])


def test_predictions_are_those_of_codes_that_were_left_out():
    """Labels that are chance are predicted of no other code, however well they fit the few that were learned from."""
    labels = RANDOM.integers(2, size=(120, 1))
    rows = RANDOM.normal(size=(120, 24))
    learned, other = learn_from(labels, rows), RANDOM.normal(size=(4000, 24))
    share = float((learned.having - learned.without)[0])
    assert share < 0.05

    rows[:, 0] += 2 * labels[:, 0]  # Now one unit tells.
    other_labels = RANDOM.integers(2, size=4000)
    other[:, 0] += 2 * other_labels
    learned = learn_from(labels, rows)
    predicted = ((other - learned.center) @ learned.weights)[:, 0]
    unseen = [predicted[other_labels == value].mean() for value in (0, 1)]
    np.testing.assert_allclose([learned.without[0], learned.having[0]], unseen, atol=0.08)


def test_unknown_labels_do_not_count():
    labels = np.where(RANDOM.random(VALUES.shape) < 0.3, np.nan, VALUES)
    np.testing.assert_allclose(corrected(leaking, labels).mean(axis=0), [0.5, -0.3, 0.0], atol=0.2)


def test_others_count_by_what_is_predicted_of_the_attribute():
    """A label that is chance is neither followed nor held against the others."""
    labels = np.stack([RANDOM.integers(2, size=600), VALUES[:, 1]], axis=1)
    steps = corrected(leaking, labels, step=(1.0, 0.0, 0.0))
    assert np.abs(steps[:, 1]).max() < 0.05
    assert np.abs(steps).max() < 0.5


@pytest.fixture
def learned():
    """Codes of one level with a level below, of a model that shows them as `leaking`."""
    labelled = Labelled(np.zeros((600, 1, 1, 1), np.uint8), VALUES, ("one", "two"), {}, "train")
    return LabelledCodes((np.float32(ROWS),), labelled, see=lambda codes: leaking((codes[0],)))


def test_a_transport_is_corrected_and_the_levels_below_stay(learned):
    change = build_change(learned, [("one", False)])
    plain = build_change(learned._replace(see=None), [("one", False)])
    assert isinstance(change, ByTransport)
    assert (change.correction is None, plain.correction is None) == (False, True)
    codes = (learned.codes[0][LACKS], np.ones((LACKS.sum(), 2, 2), np.float32))
    results = [changed(codes, each.steps(codes), 1.0) for each in (plain, change)]
    seen = [leaking((each[0],)).mean(axis=0) for each in (codes, *results)]
    assert (seen[1][0], seen[2][0]) == (pytest.approx(0.5, abs=0.05), pytest.approx(0.75, abs=0.05))
    assert abs(seen[2][1] - seen[0][1]) < 0.16 < abs(seen[1][1] - seen[0][1]) / 0.9
    np.testing.assert_array_equal(results[1][1], codes[1])
