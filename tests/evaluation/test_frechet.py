import numpy as np
import pytest
from scipy.linalg import sqrtm

from jaxvae.errors import UserError
from jaxvae.evaluation.frechet import frechet_distance


def whitened(n, f, seed=0):
    """Rows whose mean is 0 and whose covariance is the identity, to rounding."""
    rows = np.random.default_rng(seed).normal(size=(n, f))
    rows -= rows.mean(axis=0)
    return rows @ np.linalg.inv(np.linalg.cholesky(np.cov(rows, rowvar=False))).T


def by_sqrtm(first, second):
    a, b = (np.cov(rows, rowvar=False) for rows in (first, second))
    root = np.real(sqrtm(a @ b))
    return np.sum((first.mean(0) - second.mean(0)) ** 2) + np.trace(a + b - 2 * root)


def test_a_shift_alone_is_its_squared_length():
    rows = whitened(50, 3)
    assert frechet_distance(rows, rows + np.array([3.0, 0.0, -4.0])) == pytest.approx(25.0, rel=1e-12)


def test_diagonal_covariances_give_the_squared_differences_of_their_deviations():
    a, b = np.array([1.0, 2.0, 0.5, 0.0]), np.array([3.0, 2.0, 0.1, 1.0])
    measured = frechet_distance(whitened(60, 4) * a, whitened(90, 4, seed=1) * b)
    assert measured == pytest.approx(np.sum((a - b) ** 2), rel=1e-9)


def test_two_rows_by_hand():
    # Variances of 2 and 8 (n - 1 in the denominator), means of 1 and 12.
    assert frechet_distance(np.array([[0.0], [2.0]]), np.array([[10.0], [14.0]])) == pytest.approx(121.0 + 2.0)


@pytest.mark.parametrize("shape", [(100, 7), (20, 64), (64, 64), (2, 5)])
def test_equal_sets_have_distance_zero_in_any_order(shape):
    rows = 100.0 * np.random.default_rng(0).normal(size=shape)
    assert 0.0 <= frechet_distance(rows, rows) < 1e-8
    assert 0.0 <= frechet_distance(rows, rows[::-1]) < 1e-8


def test_equals_the_matrix_root_of_scipy():
    random = np.random.default_rng(3)
    first = random.normal(size=(200, 12)) @ random.normal(size=(12, 12))
    second = random.normal(size=(150, 12)) @ random.normal(size=(12, 12)) + random.normal(size=12)
    measured = frechet_distance(first, second)
    assert measured == pytest.approx(by_sqrtm(first, second), rel=1e-9)
    assert frechet_distance(second, first) == pytest.approx(measured, rel=1e-12)


@pytest.mark.parametrize(("n", "m"), [(10, 14), (10, 200), (200, 10), (200, 300)])
def test_singular_covariances(n, m):
    """Rows of rank 5 turned into 40 dimensions keep the distance that they have in 5."""
    random = np.random.default_rng(4)
    first, second = random.normal(size=(n, 5)), 2.0 * random.normal(size=(m, 5)) + 1.0
    turn = np.linalg.qr(random.normal(size=(40, 40)))[0][:5]
    expected = by_sqrtm(first, second)
    assert frechet_distance(first @ turn, second @ turn) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(first @ np.eye(5, 40), second @ np.eye(5, 40)) == pytest.approx(expected, rel=1e-9)


def test_orthogonal_spreads_do_not_overlap():
    line = np.linspace(-1, 1, 9)[:, None]
    total = 2 * np.var(line, ddof=1)
    assert frechet_distance(line * [1.0, 0.0, 0.0], line * [0.0, 1.0, 0.0]) == pytest.approx(total, rel=1e-7)


def test_constant_features_differ_by_their_means_alone():
    assert frechet_distance(np.zeros((4, 3)), np.ones((5, 3))) == pytest.approx(3.0)


def test_float32_is_measured_in_float64():
    """A mean far larger than the spread, which float32 sums would lose."""
    rows = (np.random.default_rng(5).normal(size=(500, 3)) + 4096.0).astype(np.float32)
    measured = frechet_distance(rows, 2.0 * rows)
    assert measured == pytest.approx(
        frechet_distance(rows.astype(np.float64), 2.0 * rows.astype(np.float64)), rel=1e-12
    )


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (np.zeros((1, 3)), np.zeros((5, 3)), r"shapes \(1, 3\) and \(5, 3\).*at least 2 rows"),
        (np.zeros((5, 3)), np.zeros((0, 3)), r"shapes \(5, 3\) and \(0, 3\).*at least 2 rows"),
        (np.zeros((5, 3)), np.zeros((5, 4)), r"shapes \(5, 3\) and \(5, 4\)"),
        (np.zeros(5), np.zeros(5), r"shapes \(5,\)"),
        (np.zeros((5, 3)), np.array([[0.0], [np.nan]]) + np.zeros(3), "not finite"),
    ],
)
def test_inputs_without_a_distance_are_refused(first, second, message):
    with pytest.raises(UserError, match=message):
        frechet_distance(first, second)
