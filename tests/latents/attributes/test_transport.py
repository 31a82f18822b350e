"""Transport of codes between Gaussians, against the closed form for independent units and its defining property."""

import numpy as np
import pytest
from conftest import mistake
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis

from jaxvae.attribute import attribute
from jaxvae.errors import UserError
from jaxvae.latents.attributes import transport
from jaxvae.latents.attributes.change import ByTransport, build_change, changed
from jaxvae.latents.attributes.directions import LabelledCodes
from jaxvae.latents.attributes.labels import Labelled
from jaxvae.latents.attributes.transport import Transport

N = 4000


def two_classes(without, having, gap, seed=0):
    """Returns codes with exactly these covariances and means, and which of them have the attribute."""
    random = np.random.default_rng(seed)
    rows = []
    for covariance in (without, having):
        drawn = random.normal(size=(N, len(gap)))
        drawn -= drawn.mean(axis=0)
        white = drawn @ np.linalg.inv(np.linalg.cholesky(np.cov(drawn, rowvar=False, bias=True))).T
        rows.append(white @ np.linalg.cholesky(covariance).T)
    return np.concatenate([rows[0], rows[1] + gap]), np.repeat([False, True], N)


def matrix_of(learned):
    return np.eye(len(learned.center)) + learned.basis @ learned.contraction @ learned.basis.T


def test_independent_units_contract_by_the_ratio_of_deviations_and_never_expand():
    gap = np.asarray([3.0, 0.5, -1.0])
    rows, has = two_classes(np.diag([4.0, 1.0, 1.0]), np.diag([1.0, 9.0, 0.01]), gap)
    learned = Transport.learn(rows, has)
    np.testing.assert_allclose(matrix_of(learned), np.diag([0.5, 1.0, 0.1]), atol=1e-3)
    np.testing.assert_allclose(learned.basis @ learned.gap, gap, atol=1e-9)


def test_the_map_carries_one_covariance_to_the_other_with_the_least_movement():
    random = np.random.default_rng(1)
    factor = random.normal(size=(4, 4))
    without = factor @ factor.T + np.eye(4)
    turned = np.linalg.qr(random.normal(size=(4, 4)))[0]
    shrink = turned @ np.diag([0.2, 0.4, 0.6, 0.8]) @ turned.T
    having = shrink @ without @ shrink  # By a symmetric positive map that contracts: the optimal one (Brenier 1991).
    rows, has = two_classes(without, having, np.ones(4))
    np.testing.assert_allclose(matrix_of(Transport.learn(rows, has)), shrink, atol=1e-3)


def test_codes_without_the_attribute_go_on_until_the_discriminant_is_sure():
    rows, has = two_classes(np.eye(3), np.diag([1.0, 0.04, 1.0]), np.asarray([6.0, 0.0, 0.0]))
    learned = Transport.learn(rows, has)
    np.testing.assert_allclose([learned.score(rows[part]).mean() for part in (~has, has)], [0.0, 1.0], atol=1e-9)
    assert np.mean(learned.score(rows[has]) < learned.target) == pytest.approx(0.8, abs=1e-3)
    moved = learned.moved(rows)
    went = (moved != rows).any(axis=1)
    assert np.mean(went == ~has) > 0.995
    lacking = ~has & went
    # Beyond the whole step, whose score is higher by 1; codes that are sure by then go no further.
    expected = np.maximum(learned.score(rows[lacking]) + 1, learned.target)
    np.testing.assert_allclose(learned.score(moved[lacking]), expected, atol=1e-9)
    assert moved[lacking, 1].std() == pytest.approx(0.2, abs=0.01)


def test_the_classes_are_told_apart_as_by_quadratic_discriminant_analysis():
    without, having = np.diag([4.0, 1.0, 0.5]), np.diag([0.3, 1.0, 0.5])
    rows, has = two_classes(without, having, np.asarray([0.0, 0.1, 0.0]))  # A line cannot tell them apart.
    rows, has = rows[: N + N // 4], has[: N + N // 4]
    independent = QuadraticDiscriminantAnalysis().fit(rows, has)
    learned = Transport.learn(rows, has)
    stayed = (learned.moved(rows) == rows).all(axis=1)
    assert np.mean(stayed == independent.predict(rows)) > 0.995


def test_attributes_to_keep_score_as_before():
    random = np.random.default_rng(2)
    rows, has = two_classes(np.eye(5), np.diag([1.0, 0.04, 0.5, 1.0, 1.0]), np.asarray([2.0, 0.0, 1.0, 0.0, 0.0]))
    other = random.random(2 * N) < 0.5
    rows[other] += np.asarray([0.7, 0.7, 0.7, 0.0, 1.0])
    keep, scored = [(rows, other)], Transport.learn(rows, other)
    free, kept = Transport.learn(rows, has), Transport.learn(rows, has, keep)
    before = scored.score(rows)
    assert np.abs(scored.score(free.moved(rows)) - before).max() > 0.1
    np.testing.assert_allclose(scored.score(kept.moved(rows)), before, atol=1e-9)
    with pytest.raises(UserError, match="orthogonally to itself"):
        Transport.learn(rows, has, [(rows, has)])


def test_few_codes_contract_nothing():
    random = np.random.default_rng(3)
    rows, has = random.normal(size=(60, 20)), np.arange(60) < 6
    rows[has, 0] += 3.0
    assert not Transport.learn(rows, has).contraction.any()


@pytest.mark.parametrize(("units", "having"), [(20, 200), (100, 1000), (100, 600)])
def test_what_chance_contracts_is_left_alone(units, having):
    random = np.random.default_rng(4)
    rows, has = random.normal(size=(2000, units)), np.arange(2000) < having
    ratios = np.linalg.eigvals(np.linalg.solve(np.cov(rows[~has].T), np.cov(rows[has].T))).real
    assert transport._by_chance(units, having, 2000 - having) == pytest.approx(np.sqrt(ratios.min()), abs=0.03)
    made = np.linalg.eigvalsh(Transport.learn(rows, has).contraction)
    assert np.sum(made < -1e-9) <= 2
    rows[has, 3] *= 0.2
    made = np.linalg.eigvalsh(Transport.learn(rows, has).contraction)
    assert -0.85 < made[0] < -0.6  # Nearer to 0 where few codes have the attribute.
    assert np.sum(made < -1e-9) <= 3


@pytest.mark.parametrize("rows", [[[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]], [[0.5, 0.5]] * 4])
def test_equal_means_have_no_transport(rows):
    with pytest.raises(UserError, match="same mean"):
        Transport.learn(np.asarray(rows), np.asarray([True, True, False, False]))


@pytest.fixture
def learned():
    """Codes of two levels, of which attributes move the first; units 0 and 1 stand for two attributes."""
    random = np.random.default_rng(4)
    values = (random.random((500, 2)) < 0.5).astype(np.int8)
    top = random.normal(size=(500, 3)).astype(np.float32)
    top[:, :2] += 4 * values
    labelled = Labelled(np.zeros((500, 1, 1, 1), np.uint8), values, ("one", "two"), {}, "train")
    return LabelledCodes((top,), labelled)


def test_changes_follow_one_another_by_degree_and_leave_the_levels_below(learned):
    change = build_change(learned, [("one", False), ("two", True)])
    assert isinstance(change, ByTransport)
    below = np.random.default_rng(5).normal(size=(500, 2, 2)).astype(np.float32)
    codes = (*learned.codes, below)
    start = (learned.labelled.values == [0, 1]).all(axis=1)
    scores = [
        np.asarray(change.scores(changed(codes, change.steps(codes), degree)))[:, start].mean(axis=1)
        for degree in (0.0, 0.5, 1.0)
    ]
    np.testing.assert_allclose(scores[0], [0.0, 1.0], atol=0.15)
    np.testing.assert_allclose(scores[1], (scores[0] + scores[2]) / 2, atol=1e-5)
    assert scores[2][0] > 0.9
    assert scores[2][1] < 0.1
    whole = changed(codes, change.steps(codes), 1.0)
    np.testing.assert_array_equal(whole[1], below)
    np.testing.assert_array_equal(changed(codes, change.steps(codes), 0.0)[0], codes[0])
    assert whole[0].dtype == np.float32


def test_a_transport_has_no_common_step(call, dense_run):
    mistake(call(attribute, "add", dense_run, "red", "--step", "same", "--out", "a.png"), "--method difference")
    mistake(call(attribute, "measure", dense_run, "red", "--step", "same", "--out", "m.json"), "--method difference")
