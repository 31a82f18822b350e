import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from jaxvae.distributions.gaussian import Normal, standard_normal
from jaxvae.distributions.gaussian_mixture import FullCovarianceMixture, GaussianMixture
from jaxvae.distributions.levels import Levels
from jaxvae.distributions.precision_mixture import PrecisionMixture
from jaxvae.latents.units.marginals import code_marginals, prior_marginals
from jaxvae.priors.flow import build_flow
from jaxvae.priors.row_prior import RowPrior

PROBABILITIES = np.asarray([0.001, 0.02, 0.5, 0.8, 0.98])


def test_the_marginals_of_the_standard_normal_are_its_quantiles_for_any_unit_of_a_map():
    marginals = prior_marginals(standard_normal((2, 2, 3)), np.asarray([11, 0]))
    values = marginals.distribution.quantiles(PROBABILITIES)
    np.testing.assert_allclose(values, np.tile(norm.ppf(PROBABILITIES)[:, None], (1, 2)), atol=1e-12)
    assert marginals.description == "N(0, 1)"


def test_another_gaussian_has_its_own_marginals_and_names_them():
    prior = Normal(jnp.asarray([1.0, -2.0]), jnp.log(jnp.asarray([4.0, 0.25])), 1)
    marginals = prior_marginals(prior, np.asarray([1]))
    np.testing.assert_allclose(
        marginals.distribution.quantiles(PROBABILITIES)[:, 0], norm.ppf(PROBABILITIES, -2.0, 0.5), rtol=1e-6
    )
    assert marginals.description == "the Gaussian prior"


def test_a_mixtures_quantiles_invert_its_distribution_function():
    weights, means, deviations = np.asarray([0.2, 0.5, 0.3]), np.asarray([-5.0, 0.0, 30.0]), np.asarray([0.1, 1.0, 3.0])
    prior = GaussianMixture(
        jnp.log(weights), jnp.stack([means, means[::-1]], axis=1), 2 * jnp.log(jnp.stack([deviations] * 2, axis=1))
    )
    values = prior_marginals(prior, np.asarray([0, 1])).distribution.quantiles(PROBABILITIES)
    for unit, centers in enumerate((means, means[::-1])):
        reached = sum(w * norm.cdf(values[:, unit], m, s) for w, m, s in zip(weights, centers, deviations, strict=True))
        np.testing.assert_allclose(reached, PROBABILITIES, rtol=1e-5)
    # The median by hand: 0.2 lie below the middle component, which holds the next half: 0.6 of it.
    assert values[2, 0] == pytest.approx(norm.ppf(0.6), abs=1e-4)


def test_a_mixture_of_one_is_a_gaussian():
    prior = GaussianMixture(jnp.zeros(1), jnp.asarray([[3.0]]), jnp.asarray([[jnp.log(4.0)]]))
    values = prior_marginals(prior, np.asarray([0])).distribution.quantiles(PROBABILITIES)[:, 0]
    np.testing.assert_allclose(values, norm.ppf(PROBABILITIES, 3.0, 2.0), rtol=1e-6)


def test_the_marginals_of_gaussians_with_full_covariances_are_those_of_their_diagonals():
    factors = np.asarray([[[2.0, 0.0], [3.0, 4.0]], [[1.0, 0.0], [0.0, 1.0]]])
    one = FullCovarianceMixture(jnp.asarray([1.0, 0.0]), jnp.asarray([[1.0, -1.0], [90.0, 90.0]]), jnp.asarray(factors))
    marginals = prior_marginals(RowPrior(one, jnp.zeros((1, 2))), np.asarray([1, 0]))
    values = marginals.distribution.quantiles(PROBABILITIES)
    np.testing.assert_allclose(values[:, 0], norm.ppf(PROBABILITIES, -1.0, 5.0), rtol=1e-5)
    np.testing.assert_allclose(values[:, 1], norm.ppf(PROBABILITIES, 1.0, 2.0), rtol=1e-5)
    assert marginals.description == "the marginal of the prior's 2 Gaussians"
    precise = PrecisionMixture(
        jnp.zeros(1), jnp.zeros((1, 2)), jnp.log(jnp.asarray([[0.5, 2.0]])), jnp.zeros((1, 2, 2))
    )
    values = prior_marginals(RowPrior(precise, jnp.zeros(2)), np.asarray([0])).distribution.quantiles(PROBABILITIES)
    np.testing.assert_allclose(values[:, 0], norm.ppf(PROBABILITIES, 0.0, 2.0), rtol=1e-5)


def test_the_marginals_of_a_flow_come_from_its_samples():
    family = build_flow(3, 1, 4)
    params = family.init(jax.random.key(0)) | {
        "center": jnp.asarray([0.0, 5.0, 0.0]), "log_scale": jnp.log(jnp.asarray([1.0, 2.0, 3.0])),
    }  # fmt: skip
    marginals = prior_marginals(family.distribution(params, (3,)), np.asarray([1, 2]))
    # The flow begins as the identity, so that its marginals are Gaussians: to the error of 8192 samples.
    values = marginals.distribution.quantiles(np.asarray([0.1, 0.5, 0.9]))
    np.testing.assert_allclose(values[:, 0], norm.ppf([0.1, 0.5, 0.9], 5.0, 2.0), atol=0.15)
    np.testing.assert_allclose(values[:, 1], norm.ppf([0.1, 0.5, 0.9], 0.0, 3.0), atol=0.25)
    assert "8192 samples" in marginals.description


def test_of_a_hierarchy_only_the_top_is_drawn_where_its_marginals_have_no_closed_form():
    mixture = GaussianMixture(jnp.zeros(2), jnp.asarray([[3.0, 0.0], [3.0, 9.0]]), jnp.zeros((2, 2)))
    prior = Levels((mixture, standard_normal((2, 1, 2)), standard_normal((5,))))
    for units in ([1, 4, 0, 10], [0, 1], [2, 10]):
        values = prior_marginals(prior, np.asarray(units)).distribution.quantiles(PROBABILITIES)
        for column, unit in enumerate(units):
            alone = mixture if unit < 2 else standard_normal((9,))
            expected = prior_marginals(alone, np.asarray([unit if unit < 2 else 0])).distribution
            np.testing.assert_allclose(values[:, column], expected.quantiles(PROBABILITIES)[:, 0], rtol=1e-6)
    described = prior_marginals(prior, np.asarray([0, 2])).description
    assert described == "the marginal of the prior's 2 Gaussians; below the coarsest levels N(0, 1)"


def test_codes_replace_a_missing_prior():
    codes = np.stack([np.arange(101.0), 10 * np.arange(101.0)], axis=1).reshape(101, 1, 2)
    marginals = code_marginals(codes, np.asarray([1]))
    np.testing.assert_allclose(
        marginals.distribution.quantiles(np.asarray([0.0, 0.25, 1.0]))[:, 0], [0.0, 250.0, 1000.0]
    )
    assert "101 images" in marginals.description
