import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import logsumexp
from scipy.stats import kstest, multivariate_normal, norm

from jaxvae.codes import flatten
from jaxvae.distributions.gaussian import standard_normal
from jaxvae.distributions.gaussian_mixture import FullCovarianceMixture
from jaxvae.latents.paths.interpolation import linear
from jaxvae.latents.paths.through_prior import matched_line, prior_path
from jaxvae.priors.row_prior import RowPrior

LIKE = {"a": jnp.zeros((2, 1)), "b": jnp.zeros(1)}


WEIGHTS, MEANS = np.asarray([0.6, 0.4]), np.asarray([[-6.0, 0.0, 0.0], [6.0, 3.0, 0.0]])
FACTOR = np.asarray([[1.0, 0.0, 0.0], [0.9, 0.3, 0.0], [-0.5, 0.2, 0.1]])


def islands() -> RowPrior:
    """Two flat clusters far apart, over codes of two parts."""
    return RowPrior(FullCovarianceMixture(*map(jnp.float32, (WEIGHTS, MEANS, [FACTOR, FACTOR]))), LIKE)


def log_prob(codes) -> np.ndarray:
    """Of the same, by SciPy."""
    rows = np.asarray(flatten(codes), np.float64)
    logs = [multivariate_normal(mean, FACTOR @ FACTOR.T).logpdf(rows) for mean in MEANS]
    return logsumexp(np.log(WEIGHTS)[:, None] + logs, axis=0)


def test_every_point_between_independent_samples_is_a_sample():
    random = np.random.default_rng(0)
    pairs = random.normal(size=(400, 2, 64))
    for t in (0.2, 0.5, 0.9):
        points = np.concatenate([matched_line(a, b, np.asarray([[t]])) for a, b in pairs])
        # The cosine of two draws of 64 units is not quite 0: the spread is right to within its size.
        assert 0.97 < points.std() < 1.03
        assert kstest(points[:, 0], norm.cdf).pvalue > 1e-3
        straight = (1 - t) * pairs[:, 0] + t * pairs[:, 1]
        assert straight.std() < 0.95


def test_similar_endpoints_are_not_driven_apart():
    a, t = np.asarray([1.0, -2.0, 0.5]), np.linspace(0, 1, 5)[:, None]
    np.testing.assert_allclose(matched_line(a, a, t), np.tile(a, (5, 1)), rtol=1e-12)
    b = np.asarray([1.0, -2.0, -0.5])
    norms = np.linalg.norm(matched_line(a, b, t), axis=1)
    np.testing.assert_allclose(norms, norms[0])


def test_opposite_and_zero_endpoints_are_joined_finitely_and_evenly():
    a, t = np.asarray([1.0, -2.0]), np.linspace(0, 1, 5)[:, None]
    across = matched_line(a, -a, t)
    np.testing.assert_allclose(across[2], 0.0, atol=1e-12)
    assert (np.diff(across[:, 0]) < 0).all()
    assert np.isfinite(matched_line(0 * a, 0 * a, t)).all()


def test_no_point_is_further_out_than_the_outer_endpoint():
    random, t = np.random.default_rng(1), np.linspace(0, 1, 9)[:, None]
    for _ in range(200):
        a, b = random.normal(size=(2, 2)) * random.exponential(size=(2, 1))
        furthest = max(np.linalg.norm(a), np.linalg.norm(b))
        assert np.linalg.norm(matched_line(a, b, t), axis=1).max() <= furthest * (1 + 1e-9)


def test_the_path_stays_in_the_prior_where_a_straight_line_leaves_it():
    prior = islands()
    path, degrees = prior_path(prior), jnp.asarray([0.25, 0.5, 0.75])
    codes = prior.sample(jax.random.key(0), (24,))
    pairs = [[jax.tree.map(lambda leaf, j=j: leaf[j], codes) for j in (i, i + 1)] for i in range(0, 24, 2)]
    typical = log_prob(codes)
    on_path, on_line = ([log_prob(way(*ends, degrees)) for ends in pairs] for way in (path, linear))
    assert abs(np.mean(on_path) - typical.mean()) < 0.8
    assert np.min(on_path) > typical.min() - 3.0
    assert np.mean(on_line) < typical.mean() - 5.0


def test_the_path_has_its_endpoints_and_the_structure_of_codes():
    first, second = ({"a": jnp.full((2, 1), value), "b": jnp.full(1, -value)} for value in (70.0, -3.0))
    codes = prior_path(islands())(first, second, jnp.linspace(0.0, 1.0, 4))
    assert jax.tree.map(jnp.shape, codes) == {"a": (4, 2, 1), "b": (4, 1)}
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(codes))
    for index, end in ((0, first), (-1, second)):
        jax.tree.map(lambda leaf, whole, index=index: np.testing.assert_array_equal(leaf[index], whole), codes, end)


def test_a_standard_normal_prior_is_left_unchanged():
    ends = jax.random.normal(jax.random.key(3), (2, 2, 3))
    codes = prior_path(standard_normal((2, 3)))(ends[0], ends[1], jnp.asarray([0.3]))
    rows = np.asarray(ends, np.float64).reshape(2, 6)
    np.testing.assert_allclose(codes.reshape(1, 6), matched_line(rows[0], rows[1], np.asarray([[0.3]])), rtol=1e-5)
