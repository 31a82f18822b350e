from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import kstest, norm

from jaxvae.distributions.gaussian import Normal
from jaxvae.distributions.gaussian_mixture import FullCovarianceMixture, GaussianMixture
from jaxvae.distributions.precision_mixture import PrecisionMixture
from jaxvae.latents.paths.transports import Transport, transport
from jaxvae.priors.fit_flow_matching import flow_matching_shapes, open_flow_matching
from jaxvae.priors.flow import build_flow
from jaxvae.priors.row_prior import RowPrior

UNITS = 4


def full_mixture(units: int = UNITS, rank: int = UNITS) -> FullCovarianceMixture:
    random = np.random.default_rng(0)
    factors = np.tril(random.normal(size=(3, rank, rank)), -1) + 0.6 * np.eye(rank)
    means = 2.0 * random.normal(size=(3, rank))
    # Through an orthonormal basis, as a mixture fitted to very many units is.
    basis = np.eye(units) if rank == units else np.linalg.qr(random.normal(size=(units, rank)))[0]
    return FullCovarianceMixture(*map(jnp.float32, ([0.5, 0.3, 0.2], means @ basis.T, basis @ factors)))


def diagonal_mixture() -> GaussianMixture:
    keys = jax.random.split(jax.random.key(1))
    means = 2.0 * jax.random.normal(keys[0], (3, 2, 2))
    return GaussianMixture(jnp.asarray([0.0, 1.0, -1.0]), means, 0.5 * jax.random.normal(keys[1], (3, 2, 2)))


def bent_flow():
    family = build_flow(UNITS, 2, 8)
    params = jax.tree.map(lambda leaf: leaf + 0.2, family.init(jax.random.key(2)))
    return family.distribution(params, (2, 2))


def gaussian() -> Normal:
    return Normal(jnp.full((2, 2), 3.0), jnp.asarray([[0.0, 1.0], [-2.0, 4.0]]), 2)


def by_precisions() -> PrecisionMixture:
    keys = jax.random.split(jax.random.key(4), 3)
    means, scales = 3.0 * jax.random.normal(keys[0], (3, UNITS)), 0.3 * jax.random.normal(keys[1], (3, UNITS))
    return PrecisionMixture(jnp.asarray([0.0, 1.0, -1.0]), means, scales, jax.random.normal(keys[2], (3, UNITS, UNITS)))


def bent_flow_matching():
    shapes = flow_matching_shapes((UNITS,), 0, (0, 0))
    random = np.random.default_rng(5)
    params = jax.tree.map(lambda leaf: jnp.asarray(0.04 * random.normal(size=leaf.shape), leaf.dtype), shapes)
    return open_flow_matching(params | {"factor": jnp.eye(UNITS)}, (UNITS,))


PRIORS = {
    "normal": gaussian, "mixture": diagonal_mixture, "flow": bent_flow, "fitted mixture": full_mixture,
    "fitted": lambda: RowPrior(full_mixture(), jnp.zeros((2, 2))), "precisions": by_precisions,
    "flow matching": bent_flow_matching,
}  # fmt: skip


@cache
def both_ways_of(name: str) -> Transport:
    return transport(PRIORS[name]())


def draws(prior, count: int) -> np.ndarray:
    return np.asarray(prior.sample(jax.random.key(0), (count,)), np.float64).reshape(count, UNITS)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == "flow matching" else name for name in PRIORS]
)
def test_samples_of_the_prior_become_standard_normal_and_invert(name):
    both_ways = both_ways_of(name)
    codes = draws(PRIORS[name](), 2000)
    u = both_ways.to_normal(codes)
    np.testing.assert_allclose(both_ways.from_normal(u), codes, atol=2e-4)
    for unit in range(UNITS):
        assert kstest(u[:, unit], norm.cdf).pvalue > 1e-3
    # Units, and their squares, that are independent of one another.
    for each in (u, u**2):
        np.testing.assert_allclose(np.corrcoef(each.T), np.eye(UNITS), atol=0.1)


@pytest.mark.parametrize("name", ["normal", "mixture", "fitted mixture"])
def test_the_transport_has_the_density_of_the_prior(name):
    """log p(z) = log N(u(z); 0, I) + log |du/dz|, by differences."""
    prior = PRIORS[name]()
    both_ways, step = both_ways_of(name), 1e-5
    codes = draws(prior, 3)
    shape = (UNITS,) if name == "fitted mixture" else (2, 2)
    logs = jax.jit(lambda z: prior.log_prob(z))(jnp.asarray(codes.reshape(3, *shape), jnp.float32))
    for code, log_prob in zip(codes, logs, strict=True):
        sides = [both_ways.to_normal(code + sign * step * np.eye(UNITS)) for sign in (1.0, -1.0)]
        log_determinant = np.linalg.slogdet((sides[0] - sides[1]) / (2 * step))[1]
        expected = norm.logpdf(both_ways.to_normal(code[None])).sum() + log_determinant
        assert float(log_prob) == pytest.approx(expected, abs=2e-2)


def test_one_unit_is_transported_by_its_distribution_function():
    mixture = GaussianMixture(jnp.log(jnp.asarray([0.75, 0.25])), jnp.asarray([[-2.0], [3.0]]), jnp.zeros((2, 1)))
    z = np.asarray([[-3.0], [0.0], [2.5]])
    share = 0.75 * norm.cdf(z + 2.0) + 0.25 * norm.cdf(z - 3.0)
    np.testing.assert_allclose(norm.cdf(transport(mixture).to_normal(z)), share, rtol=1e-6)
    np.testing.assert_allclose(transport(mixture).from_normal(norm.ppf(share)), z, atol=1e-5)


@pytest.mark.parametrize("name", sorted(PRIORS.keys() - {"flow"}))
@pytest.mark.parametrize("far", [10.0, 1e4])
def test_codes_far_out_stay_finite_in_both_directions(name, far):
    both_ways = both_ways_of(name)
    codes = np.stack([np.full(UNITS, far), np.full(UNITS, -far), far * np.asarray([1.0, -1.0, 0.5, -0.1])])
    u = both_ways.to_normal(codes)
    assert np.isfinite(u).all()
    assert (np.abs(u).max(axis=1) > far / 10).all()
    again = both_ways.from_normal(u)
    assert np.isfinite(again).all()
    if name in ("normal", "mixture"):  # Beyond all Gaussians, and so in no gap between them.
        np.testing.assert_allclose(again[:2], codes[:2], rtol=1e-6)


def test_a_correlated_gaussian_inverts_codes_at_any_distance():
    whole = full_mixture()
    both_ways = transport(FullCovarianceMixture(jnp.ones(1), whole.means[:1], whole.factors[:1]))
    codes = np.asarray([10.0, 1e4])[:, None] * np.asarray([[1.0, -1.0, 0.5, -0.1]])
    u = both_ways.to_normal(codes)
    by_hand = np.linalg.solve(np.float64(whole.factors[0]), (codes - np.float64(whole.means[0])).T).T
    np.testing.assert_allclose(u, by_hand, rtol=1e-9)
    np.testing.assert_allclose(both_ways.from_normal(u), codes, rtol=1e-9)


def test_a_flow_inverts_codes_far_out():
    both_ways, far = both_ways_of("flow"), 10.0 * draws(bent_flow(), 2000)
    np.testing.assert_allclose(both_ways.from_normal(both_ways.to_normal(far)), far, rtol=1e-4, atol=1e-3)


def test_codes_in_a_gap_invert_into_it():
    mixture = GaussianMixture(jnp.zeros(2), jnp.asarray([[-50.0], [50.0]]), jnp.zeros((2, 1)))
    both_ways = transport(mixture)
    np.testing.assert_allclose(both_ways.to_normal(np.asarray([[-20.0], [5.0], [20.0]])), 0.0, atol=1e-12)
    assert abs(both_ways.from_normal(np.zeros((1, 1)))[0, 0]) < 50.0


def test_a_mixture_within_a_subspace_is_transported_there_and_keeps_the_rest():
    mixture = full_mixture(units=7)
    both_ways = transport(mixture)
    codes = np.asarray(mixture.sample(jax.random.key(0), (2000,)), np.float64)
    u = both_ways.to_normal(codes)
    np.testing.assert_allclose(u[:, UNITS:], 0.0, atol=1e-5)
    for unit in range(UNITS):
        assert kstest(u[:, unit], norm.cdf).pvalue > 1e-3
    outside = codes + np.linalg.svd(mixture.factors[0])[0][:, -1]  # A direction that no factor has.
    np.testing.assert_allclose(both_ways.from_normal(both_ways.to_normal(outside)), outside, atol=1e-6)


def test_a_gaussian_of_zero_weight_has_no_effect():
    whole, part = full_mixture(), full_mixture()
    part = FullCovarianceMixture(jnp.asarray([0.625, 0.375, 0.0]), part.means, part.factors)
    two = FullCovarianceMixture(part.weights[:2], whole.means[:2], whole.factors[:2])
    codes = draws(two, 20)
    np.testing.assert_allclose(transport(part).to_normal(codes), transport(two).to_normal(codes), atol=1e-6)


def test_an_unknown_prior_is_named():
    with pytest.raises(TypeError, match="no transport to N\\(0, I\\) is registered for str"):
        transport("a prior")
