from functools import cache
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from jaxvae import Autoencoder, Config, Conv, VampPrior
from jaxvae.distributions.gaussian_mixture import FullCovarianceMixture
from jaxvae.errors import UserError
from jaxvae.priors.fit_flow import fit_flow, open_flow
from jaxvae.priors.fit_mixture import MAX_FULL_UNITS, fit_mixture
from jaxvae.priors.fitted import KINDS, Fitted, default_kind
from jaxvae.priors.names import PriorName
from jaxvae.priors.row_prior import RowPrior

draw = jax.jit(lambda p, key, shape, temperature: p.sample(key, shape, temperature), static_argnums=2)
log_prob = jax.jit(lambda p, z: p.log_prob(z))


def two_clusters() -> np.ndarray:
    random = np.random.default_rng(0)
    spread = np.asarray([[1.0, 0.8], [0.0, 0.5]])
    left = random.normal(size=(3000, 2)) @ spread + np.asarray([-10.0, 0.0])
    right = random.normal(size=(1000, 2)) + np.asarray([10.0, 5.0])
    return np.concatenate([left, right]).astype(np.float32)


@cache
def clustered() -> FullCovarianceMixture:
    return fit_mixture(two_clusters(), 2, seed=0)


def random_mixture(components: int, units: int) -> FullCovarianceMixture:
    random = np.random.default_rng(components)
    factors = np.tril(random.normal(size=(components, units, units)), -1) + np.eye(units) * 0.7
    weights = np.arange(1.0, components + 1) / np.arange(1.0, components + 1).sum()
    return FullCovarianceMixture(*map(jnp.float32, (weights, random.normal(size=(components, units)), factors)))


def test_a_known_mixture_is_recovered():
    mixture = clustered()
    order = np.argsort(mixture.means[:, 0])
    np.testing.assert_allclose(mixture.weights[order], [0.75, 0.25], atol=0.01)
    np.testing.assert_allclose(mixture.means[order], [[-10, 0], [10, 5]], atol=0.15)
    left = mixture.factors[order[0]]
    np.testing.assert_allclose(left @ left.T, [[1.0, 0.8], [0.8, 0.89]], atol=0.1)


def test_draws_have_the_moments_of_the_codes():
    codes = two_clusters()
    draws = np.asarray(draw(clustered(), jax.random.key(0), (200, 100), 1.0)).reshape(-1, 2)
    np.testing.assert_allclose(draws.mean(axis=0), codes.mean(axis=0), atol=0.3)
    np.testing.assert_allclose(np.cov(draws.T), np.cov(codes.T), rtol=0.05, atol=0.3)


@pytest.mark.parametrize(("size", "offset"), [(1e3, 0.0), (1.0, 1e4), (1e6, -1e9)])
def test_codes_of_any_size_and_offset_are_fitted_alike(size, offset):
    codes = two_clusters().astype(np.float64)
    mixture, moved = clustered(), fit_mixture(size * codes + offset, 2, seed=0)
    np.testing.assert_allclose(moved.weights, mixture.weights, atol=1e-4)
    np.testing.assert_allclose(moved.means, size * mixture.means + offset, rtol=1e-4, atol=1e-4 * size)
    np.testing.assert_allclose(moved.factors, size * mixture.factors, rtol=1e-3, atol=1e-3 * size)


def test_codes_along_one_line_can_be_fitted():
    # Every other direction has the variance that keeps covariances invertible, a thousandth of a typical one.
    codes = np.random.default_rng(0).normal(size=(600, 1)) * np.ones((1, 250))
    mixture = fit_mixture(codes, 1, seed=0)
    assert np.isfinite(log_prob(mixture, codes[:5])).all()
    covariance = mixture.factors[0] @ mixture.factors[0].T
    np.testing.assert_allclose(covariance, np.var(codes[:, 0]) * (np.ones((250, 250)) + 1e-3 * np.eye(250)), atol=5e-3)


def test_temperature_zero_samples_the_means_and_others_multiply_the_spread():
    means, half, full = (np.asarray(draw(clustered(), jax.random.key(0), (50,), each)) for each in (0.0, 0.5, 1.0))
    assert {tuple(row) for row in means} == {tuple(row) for row in np.asarray(clustered().means)}
    np.testing.assert_allclose(half - means, 0.5 * (full - means), atol=1e-5)


@pytest.mark.parametrize(("components", "units"), [(1, 1), (3, 4)])
def test_the_log_density_of_the_mixture_agrees_with_scipy(components, units):
    mixture = random_mixture(components, units)
    z = np.random.default_rng(1).normal(size=(5, 2, units)).astype(np.float32)
    logs = [
        np.log(weight) + multivariate_normal(mean, factor @ factor.T).logpdf(z.reshape(-1, units))
        for weight, mean, factor in zip(*(np.float64(each) for each in vars(mixture).values()), strict=True)
    ]
    expected = logsumexp(logs, axis=0).reshape(5, 2)
    np.testing.assert_allclose(log_prob(mixture, z), expected, rtol=1e-4)
    np.testing.assert_allclose(mixture.log_prob(jnp.asarray(z[0, 0])), expected[0, 0], rtol=1e-4)


def test_mean_and_variance_of_the_mixture_are_those_of_its_full_covariance():
    mixture = random_mixture(3, 4)
    weights, means, factors = (np.float64(array) for array in vars(mixture).values())
    mean = weights @ means
    second = sum(w * (f @ f.T + np.outer(m, m)) for w, m, f in zip(weights, means, factors, strict=True))
    np.testing.assert_allclose(mixture.mean, mean, rtol=1e-5)
    np.testing.assert_allclose(mixture.variance, np.diag(second - np.outer(mean, mean)), rtol=1e-5)
    np.testing.assert_allclose(mixture.stddev, np.sqrt(np.diag(second - np.outer(mean, mean))), rtol=1e-5)


def test_few_codes_get_few_components_and_a_single_code_gets_none():
    assert fit_mixture(np.random.default_rng(0).normal(size=(30, 8)), 10, seed=0).weights.shape == (1,)
    assert fit_mixture(np.zeros((1, 3)), 1, seed=0) is None
    assert fit_mixture(np.zeros((0, 3)), 1, seed=0) is None


def test_many_units_are_fitted_within_the_subspace_of_the_codes_and_have_no_density():
    random = np.random.default_rng(0)
    basis = np.linalg.qr(random.normal(size=(MAX_FULL_UNITS + 50, 3)))[0]
    center = random.normal(size=MAX_FULL_UNITS + 50)
    scales = np.asarray([5.0, 3.0, 2.0])
    codes = (center + (random.normal(size=(400, 3)) * scales) @ basis.T).astype(np.float32)
    mixture = fit_mixture(codes, 1, seed=0)
    draws = np.asarray(draw(mixture, jax.random.key(0), (2000,), 1.0)) - center
    within = draws @ basis
    np.testing.assert_allclose(within.std(axis=0), scales, rtol=0.15)
    assert np.square(draws - within @ basis.T).sum(axis=1).mean() < 0.05 * np.square(draws).sum(axis=1).mean()
    with pytest.raises(
        UserError, match=f"codes of {MAX_FULL_UNITS + 50} units within 256 of their principal components"
    ):
        mixture.log_prob(jnp.asarray(codes))


def test_constant_codes_can_be_fitted():
    codes = np.ones((40, 3), np.float32)
    assert np.isfinite(log_prob(fit_mixture(codes, 2, seed=0), codes)).all()
    assert np.isfinite(log_prob(open_flow(fit_flow(codes, 10, seed=0)), codes)).all()


def curved(seed: int) -> np.ndarray:
    first, second = np.random.default_rng(seed).normal(size=(2, 1500))
    return np.stack([2.0 * first, first**2 + 0.3 * second], axis=1).astype(np.float32)


@pytest.mark.slow
def test_the_flow_scores_new_codes_of_a_curve_above_a_gaussian_and_never_above_the_truth():
    codes, new = curved(0), curved(1)
    flow = open_flow(fit_flow(codes, 600, seed=0))
    found = float(np.mean(log_prob(flow, new)))
    gaussian = multivariate_normal(codes.mean(axis=0), np.cov(codes.T)).logpdf(new).mean()
    entropy = 1.0 + np.log(2 * np.pi) + np.log(2.0 * 0.3)
    assert gaussian + 0.5 < found < -entropy + 0.1
    draws = np.asarray(draw(flow, jax.random.key(0), (4000,), 1.0))
    # Along the curve the second unit is a quarter of the first one squared.
    assert np.abs(draws[:, 1] - draws[:, 0] ** 2 / 4).mean() < 0.6 < np.abs(draws[:, 1] - codes[:, 1].mean()).mean()


@pytest.mark.parametrize("shape", [(19, 3), (50, 1), (0, 2)])
def test_too_few_codes_or_units_get_no_flow(shape):
    assert fit_flow(np.random.default_rng(0).normal(size=shape), 10, seed=0) is None


LIKE = {"a": jnp.zeros((2, 3)), "b": jnp.zeros(4)}


def test_a_fitted_prior_samples_and_scores_codes_of_several_parts():
    rows = random_mixture(2, 10)
    prior = RowPrior(rows, LIKE)
    draws = draw(prior, jax.random.key(0), (5, 6), 1.0)
    assert jax.tree.map(jnp.shape, draws) == {"a": (5, 6, 2, 3), "b": (5, 6, 4)}
    joined = np.concatenate([np.reshape(draws["a"], (5, 6, 6)), draws["b"]], axis=2)
    logs = log_prob(prior, draws)
    np.testing.assert_allclose(logs, log_prob(rows, joined), rtol=1e-5)
    assert logs.shape == (5, 6)
    assert log_prob(prior, jax.tree.map(lambda leaf: leaf[0, 0], draws)).shape == ()
    means = draw(prior, jax.random.key(0), (5, 6), 0.0)
    assert np.isin(means["b"], np.asarray(rows.means)[:, 6:]).all()


@pytest.mark.slow
def test_what_is_fitted_is_restored_from_its_arrays():
    codes = np.random.default_rng(2).normal(size=(200, 10)).astype(np.float32)
    fitted = Fitted(dict(vars(fit_mixture(codes, 2, seed=0))), fit_flow(codes, 10, seed=0))
    assert fitted.kinds == tuple(fitted.trees) == ("fitted_mixture", "fitted_flow")
    again = Fitted(**jax.tree.map(np.asarray, fitted.trees))
    for kind in fitted.kinds:
        draws = draw(again.prior(kind, LIKE), jax.random.key(1), (3,), 1.0)
        assert jax.tree.map(jnp.shape, draws) == {"a": (3, 2, 3), "b": (3, 4)}
        assert np.isfinite(log_prob(fitted.prior(kind, LIKE), draws)).all()
    assert Fitted(fit_mixture(codes[:1], 10, seed=0), fit_flow(codes[:1], 10, seed=0)).trees == {}


def test_a_mixture_that_begins_near_the_codes_rises_from_its_start():
    codes, start = two_clusters(), fit_mixture(two_clusters(), 2, seed=0)
    moved = codes + 0.3
    again = fit_mixture(moved, 2, seed=0, start=start)
    assert log_prob(again, moved).mean() > log_prob(start, moved).mean()
    cold = fit_mixture(moved, 2, seed=0)
    np.testing.assert_allclose(log_prob(again, moved).mean(), log_prob(cold, moved).mean(), atol=0.02)
    # The components keep their places, which k-means would number as it likes.
    np.testing.assert_allclose(again.means, start.means + 0.3, atol=0.1)


def test_a_start_with_an_empty_component_is_ignored():
    codes, cold = two_clusters(), fit_mixture(two_clusters(), 2, seed=0)
    far = FullCovarianceMixture(cold.weights, np.asarray(cold.means) + np.asarray([[0.0], [1e3]]), cold.factors)
    again = fit_mixture(codes, 2, seed=0, start=far)
    assert all(np.array_equal(getattr(again, part), getattr(cold, part)) for part in ("weights", "means", "factors"))


@pytest.mark.parametrize(
    ("learned", "fitted", "expected"),
    [
        (True, Fitted({}, {}), "model"),
        (False, Fitted({}, {}), "fitted_mixture"),
        (False, Fitted(None, {}), "fitted_flow"),
        (False, Fitted(), "model"),
    ],
)
def test_samples_come_from_a_learned_prior_or_else_from_the_first_fitted_one(learned, fitted, expected):
    assert default_kind(learned, fitted) == expected


def test_an_autoencoder_and_n_0_i_learn_no_prior():
    assert Config(model=Conv(prior=VampPrior())).learns_prior
    assert not Config(model=Conv(prior=VampPrior()), objective=Autoencoder()).learns_prior
    assert not Config().learns_prior


def test_commands_know_the_priors_that_are_fitted():
    assert get_args(PriorName) == ("model", *KINDS)
