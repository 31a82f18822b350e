import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from jaxvae.distributions.gaussian import Normal, standard_normal
from jaxvae.distributions.gaussian_mixture import GaussianMixture
from jaxvae.distributions.laplace import Laplace
from jaxvae.evaluation.rate_decomposition import CHUNK_ROWS, decompose

LOG_2PI = np.log(2 * np.pi)


def posteriors(count, units, spread=1.0, seed=0):
    random = np.random.default_rng(seed)
    means = spread * random.normal(size=(count, units))
    return Normal(jnp.asarray(means), jnp.asarray(random.uniform(-2.0, 0.5, (count, units))), 1)


def log_normal(z, mean, log_variance):
    return float(np.sum(-0.5 * ((z - mean) ** 2 / np.exp(log_variance) + log_variance + LOG_2PI)))


def by_loops(z, posterior, log_prior):
    """The two parts of the rate at each code, one pair of codes at a time."""
    means, log_variances = (np.asarray(each, np.float64) for each in (posterior.mean, posterior.log_variance))
    z, count = np.asarray(z, np.float64), len(z)
    information, aggregate_kl = [], []
    for i in range(count):
        own = log_normal(z[i], means[i], log_variances[i])
        all_of_them = [log_normal(z[i], means[j], log_variances[j]) for j in range(count)]
        aggregate = scipy.special.logsumexp(all_of_them) - np.log(count)
        information.append(own - aggregate)
        aggregate_kl.append(aggregate - log_prior(z[i]))
    return np.asarray(information), np.asarray(aggregate_kl)


@pytest.mark.parametrize("count", [1, 2, 9, CHUNK_ROWS, CHUNK_ROWS + 7, 2 * CHUNK_ROWS])
def test_the_two_parts_are_those_of_the_mixture_of_all_posteriors(count):
    posterior = posteriors(count, 3)
    z = posterior.sample(jax.random.key(count))
    measured = decompose(z, posterior, standard_normal((3,)))
    expected = by_loops(z, posterior, lambda each: log_normal(each, np.zeros(3), np.zeros(3)))
    assert measured.information.shape == measured.aggregate_kl.shape == (count,)
    np.testing.assert_allclose(measured.information, expected[0], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(measured.aggregate_kl, expected[1], rtol=1e-4, atol=1e-4)


def test_a_posterior_of_another_family_has_its_own_density():
    random = np.random.default_rng(0)
    means, log_scales = random.normal(size=(9, 3)), random.uniform(-1.0, 0.5, (9, 3))
    posterior = Laplace(jnp.asarray(means), jnp.asarray(log_scales), 1)
    z = posterior.sample(jax.random.key(2))
    measured = decompose(z, posterior, standard_normal((3,)))
    each = scipy.stats.laplace.logpdf(np.asarray(z)[:, None], means[None], np.exp(log_scales)[None]).sum(axis=2)
    information = np.diagonal(each) - scipy.special.logsumexp(each, axis=1) + np.log(9)
    np.testing.assert_allclose(measured.information, information, rtol=1e-4, atol=1e-4)


def test_the_two_parts_sum_to_the_rate_at_each_code_for_any_prior():
    posterior = posteriors(100, 4)
    z = posterior.sample(jax.random.key(1))
    mixture = GaussianMixture(jnp.asarray([0.3, -0.2]), jnp.asarray([[1.0] * 4, [-2.0] * 4]), jnp.full((2, 4), 0.5))
    for prior in (standard_normal((4,)), mixture):
        measured = decompose(z, posterior, prior)
        rate = posterior.log_prob(z) - prior.log_prob(z)
        np.testing.assert_allclose(measured.information + measured.aggregate_kl, rate, rtol=1e-5, atol=1e-5)


def test_codes_far_apart_identify_the_image_which_is_log_n_nats():
    posterior = posteriors(150, 2, spread=1e4)
    measured = decompose(posterior.sample(jax.random.key(2)), posterior, standard_normal((2,)))
    np.testing.assert_allclose(measured.information, np.log(150), atol=1e-3)


def test_equal_posteriors_carry_no_information_about_the_image():
    posterior = Normal(jnp.full((70, 2), 0.7), jnp.full((70, 2), -1.0), 1)
    z = posterior.sample(jax.random.key(3))
    measured = decompose(z, posterior, standard_normal((2,)))
    np.testing.assert_allclose(measured.information, 0.0, atol=1e-5)
    # q(z) is then the posterior itself, and its mean log-ratio to the prior the closed form.
    assert np.mean(measured.aggregate_kl) == pytest.approx(float(posterior.kl(standard_normal((2,)))[0]), abs=0.3)


@pytest.mark.parametrize("spread", [0.1, 1.0, 10.0])
def test_no_code_carries_more_than_log_n(spread):
    posterior = posteriors(80, 3, spread)
    measured = decompose(posterior.sample(jax.random.key(4)), posterior, standard_normal((3,)))
    assert np.max(measured.information) <= np.log(80) + 1e-4
    assert np.mean(measured.information) > 0.0


def test_codes_that_are_maps_are_flattened():
    flat = posteriors(70, 8)
    z = flat.sample(jax.random.key(5))
    spatial = Normal(flat.mean.reshape(70, 2, 2, 2), flat.log_variance.reshape(70, 2, 2, 2), 3)
    first = decompose(z, flat, standard_normal((8,)))
    second = decompose(z.reshape(70, 2, 2, 2), spatial, standard_normal((2, 2, 2)))
    np.testing.assert_allclose(first.information, second.information, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(first.aggregate_kl, second.aggregate_kl, rtol=1e-5, atol=1e-5)
