import decimal
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats
from jax.test_util import check_grads

from jaxvae.distributions.bernoulli import ContinuousBernoulli
from jaxvae.distributions.laplace import Laplace
from jaxvae.distributions.logistic import DiscretizedLogistic, DiscretizedLogisticMixture, log_logistic_bin

RANDOM = np.random.default_rng(0)


def test_laplace_agrees_with_scipy_and_its_samples_follow_it():
    mean, log_scale, x = RANDOM.normal(size=(3, 4, 5)).astype(np.float32)
    laplace = Laplace(jnp.asarray(mean), jnp.asarray(log_scale), 1)
    expected = scipy.stats.laplace.logpdf(x, mean, np.exp(log_scale)).sum(axis=1)
    np.testing.assert_allclose(laplace.log_prob(jnp.asarray(x)), expected, rtol=1e-5)
    assert laplace.log_prob(jnp.stack([x, x])).shape == (2, 4)
    reference = scipy.stats.laplace(mean, np.exp(np.float64(log_scale)))
    np.testing.assert_allclose(laplace.variance, reference.var(), rtol=1e-5)
    np.testing.assert_allclose(laplace.stddev, reference.std(), rtol=1e-5)
    np.testing.assert_allclose(laplace.entropy(), reference.entropy().sum(axis=1), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(laplace.mode, mean)
    draws = laplace.sample(jax.random.key(0), (40_000,))
    np.testing.assert_allclose(draws.mean(axis=0), mean, atol=0.3)
    np.testing.assert_allclose(draws.std(axis=0), np.sqrt(2) * np.exp(log_scale), rtol=0.05)


LOGITS = [-300.0, -20.0, -1.0, -0.011, -0.009, 0.0, 0.009, 0.011, 1.0, 20.0, 300.0]


@pytest.mark.parametrize("logit", LOGITS)
def test_continuous_bernoulli_integrates_to_one_and_has_its_mean(logit):
    distribution = ContinuousBernoulli(jnp.asarray([logit]), 0)
    # Points crowd at both ends, where the density of extreme parameters is.
    edge = np.logspace(-9, np.log10(0.5), 20_000)
    x = np.concatenate([[0.0], edge, 1.0 - edge[-2::-1], [1.0]])
    reference = np.exp(logit * x - scipy.special.logsumexp(logit * x, b=np.gradient(x)))
    density = np.exp(
        np.asarray(jax.vmap(lambda each: distribution.log_prob(each[None])[0])(jnp.asarray(x, jnp.float32)))
    )
    assert scipy.integrate.trapezoid(density, x) == pytest.approx(1.0, rel=2e-3)
    assert float(distribution.mean[0]) == pytest.approx(scipy.integrate.trapezoid(reference * x, x), abs=2e-3)


@pytest.mark.parametrize(
    "logit", [-20.0, -1.01, -0.99, -0.51, -0.49, -1e-3, 0.0, 1e-3, 0.2, 0.49, 0.51, 0.99, 1.01, 5.0]
)
def test_the_variance_and_entropy_of_a_continuous_bernoulli_agree_with_quadrature(logit):
    def integral(function):
        return scipy.integrate.quad(function, 0.0, 1.0, epsabs=1e-13, epsrel=1e-13)[0]

    total = integral(lambda x: np.exp(logit * x))
    mean = integral(lambda x: x * np.exp(logit * x)) / total
    variance = integral(lambda x: (x - mean) ** 2 * np.exp(logit * x)) / total
    distribution = ContinuousBernoulli(jnp.asarray([logit]), 1)
    np.testing.assert_allclose(distribution.variance, [variance], rtol=1e-5)
    np.testing.assert_allclose(distribution.stddev, [np.sqrt(variance)], rtol=1e-5)
    assert float(distribution.entropy()) == pytest.approx(np.log(total) - logit * mean, rel=2e-5, abs=2e-7)


def test_a_continuous_bernoulli_with_extreme_logits_is_exponential_near_its_border():
    distribution = ContinuousBernoulli(jnp.asarray([[-1e4], [1e4]]), 1)
    np.testing.assert_allclose(distribution.variance, np.full((2, 1), 1e-8), rtol=1e-5)
    np.testing.assert_allclose(distribution.entropy(), np.full(2, 1.0 - np.log(1e4)), rtol=1e-5)
    np.testing.assert_array_equal(distribution.mode, [[0.0], [1.0]])
    assert float(ContinuousBernoulli(jnp.zeros(1), 1).mode[0]) == 0.5


def test_the_gradient_of_the_entropy_of_a_continuous_bernoulli_is_minus_the_logit_times_the_variance():
    logits = jnp.asarray([-1e4, -30.0, -1.0, -0.5, -0.1, 0.0, 0.3, 0.5, 2.0, 1e4])
    gradient = jax.grad(lambda each: ContinuousBernoulli(each, 1).entropy())(logits)
    np.testing.assert_allclose(gradient, -logits * ContinuousBernoulli(logits, 1).variance, rtol=1e-4, atol=1e-6)


def test_continuous_bernoulli_samples_are_in_the_interval_with_its_mean():
    distribution = ContinuousBernoulli(jnp.asarray([-300.0, -2.0, 0.0, 3.0, 300.0]), 1)
    draws = distribution.sample(jax.random.key(0), (20_000,))
    assert float(draws.min()) >= 0.0
    assert float(draws.max()) <= 1.0
    np.testing.assert_allclose(draws.mean(axis=0), distribution.mean, atol=0.01)


def test_continuous_bernoulli_gradients_are_finite_everywhere():
    logits = jnp.asarray([-1e4, -1.0, -1e-3, 0.0, 1e-3, 1.0, 1e4])
    gradient = jax.grad(lambda each: ContinuousBernoulli(each, 1).log_prob(jnp.full(7, 0.3)))(logits)
    # The score is x - mean.
    np.testing.assert_allclose(gradient, 0.3 - ContinuousBernoulli(logits, 1).mean, atol=1e-4)


def exact_bins(location: float, log_scale: float, levels: int) -> np.ndarray:
    """Probabilities of all levels in float64."""
    edges = (np.arange(levels + 1) - 0.5) / (levels - 1)
    edges[0], edges[-1] = -np.inf, np.inf
    z = (edges - location) / np.exp(log_scale)
    # Above the middle in terms of the upper tail, where differences of the distribution function lose their digits.
    lower, upper = np.diff(scipy.stats.logistic.cdf(z)), -np.diff(scipy.stats.logistic.sf(z))
    return np.where(z[:-1] > 0, upper, lower)


@pytest.mark.parametrize("log_scale", [-7.0, -4.0, -1.0, 3.0])
@pytest.mark.parametrize("location", [-0.5, 0.0, 0.3, 1.0, 2.0])
def test_discretized_logistic_sums_to_one_over_the_256_values(location, log_scale):
    values = jnp.arange(256.0) / 255.0
    logs = log_logistic_bin(values, jnp.full(256, location), jnp.full(256, log_scale), 256)
    assert float(jnp.exp(logs).sum()) == pytest.approx(1.0, abs=2e-4)
    exact = exact_bins(location, log_scale, 256)
    seen = exact > 1e-30
    np.testing.assert_allclose(np.asarray(logs)[seen], np.log(exact[seen]), rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("levels", [2, 5, 256])
@pytest.mark.parametrize("log_scale", [-7.0, -3.0, 0.0, 3.0])
def test_moments_mode_and_entropy_of_a_discretized_logistic_agree_with_sums_over_all_levels(levels, log_scale):
    locations, values = [-0.5, 0.0, 0.31, 0.5, 1.4], np.arange(levels) / (levels - 1)
    probabilities = np.stack([exact_bins(location, log_scale, levels) for location in locations])
    mean = probabilities @ values
    variance = np.sum(probabilities * (values[None] - mean[:, None]) ** 2, axis=1)
    location = jnp.asarray(locations)[:, None]
    distribution = DiscretizedLogistic(location, jnp.full_like(location, log_scale), 1, levels)
    np.testing.assert_allclose(distribution.variance[:, 0], variance, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(distribution.stddev[:, 0], np.sqrt(variance), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(
        distribution.entropy(), scipy.special.entr(probabilities).sum(axis=1), rtol=1e-3, atol=1e-5
    )
    # Two levels may be equally probable: the mode is one of the best.
    at_mode = probabilities[np.arange(5), np.asarray(jnp.round(distribution.mode[:, 0] * (levels - 1)), int)]
    np.testing.assert_allclose(at_mode, probabilities.max(axis=1), rtol=1e-4)


def test_discretized_logistic_stays_finite_far_from_its_location():
    values = jnp.asarray([0.0, 0.5, 1.0])
    logs = log_logistic_bin(values, jnp.full(3, 1e4), jnp.full(3, -7.0), 256)
    assert np.isfinite(logs).all()
    gradient = jax.grad(lambda each: log_logistic_bin(values, each, jnp.full(3, -7.0), 256).sum())(jnp.full(3, 1e4))
    assert np.isfinite(gradient).all()


def test_discretized_logistic_draws_follow_its_probabilities():
    distribution = DiscretizedLogistic(jnp.asarray([0.4]), jnp.asarray([-1.5]), 1, levels=8)
    draws = np.asarray(distribution.sample(jax.random.key(0), (40_000,))).ravel()
    values = np.arange(8) / 7
    shares = [np.isclose(draws, value).mean() for value in values]
    probabilities = np.exp([float(distribution.log_prob(jnp.asarray([value], jnp.float32))) for value in values])
    assert sum(shares) == pytest.approx(1.0)
    np.testing.assert_allclose(shares, probabilities, atol=0.01)


def mixture(colors: int, levels: int, components: int = 3) -> DiscretizedLogisticMixture:
    pairs = colors * (colors - 1) // 2

    def draw(*shape: int) -> jnp.ndarray:
        return jnp.asarray(RANDOM.normal(size=(1, 1, 1, *shape)), jnp.float32)

    return DiscretizedLogisticMixture(
        draw(components), 0.5 + 0.3 * draw(colors, components), -1.5 + 0.3 * draw(colors, components),
        0.5 * draw(pairs, components), levels,
    )  # fmt: skip


def every_image(colors: int, levels: int) -> jnp.ndarray:
    return jnp.asarray(list(itertools.product(np.arange(levels) / (levels - 1), repeat=colors)), jnp.float32)


@pytest.mark.parametrize(("colors", "levels"), [(1, 256), (3, 6)])
def test_the_mixture_sums_to_one_over_all_images(colors, levels):
    distribution = mixture(colors, levels)
    pixels = every_image(colors, levels)[:, None, None, None, :]
    logs = distribution.log_prob(pixels)
    assert logs.shape == (len(pixels), 1)
    assert float(jnp.exp(logs).sum()) == pytest.approx(1.0, abs=1e-4)


def test_the_mixture_of_one_logistic_without_coupling_is_that_logistic():
    location, log_scale = jnp.asarray(RANDOM.uniform(size=(2, 2, 3, 4, 3)), jnp.float32)
    single = DiscretizedLogisticMixture(
        jnp.zeros((2, 3, 4, 1)), location[..., None], log_scale[..., None] - 3.0, jnp.zeros((2, 3, 4, 3, 1))
    )
    x = jnp.asarray(RANDOM.integers(256, size=(2, 3, 4, 3)) / 255, jnp.float32)
    np.testing.assert_allclose(
        single.log_prob(x), DiscretizedLogistic(location, log_scale - 3.0, 3).log_prob(x), rtol=1e-5
    )


def test_coupling_moves_the_later_colours_with_the_earlier_ones():
    couplings = jnp.asarray([1.0, 0.0, 1.0]).reshape(1, 1, 1, 3, 1)
    coupled = DiscretizedLogisticMixture(
        jnp.zeros((1, 1, 1, 1)), jnp.full((1, 1, 1, 3, 1), 0.5), jnp.asarray([-1.0, -6.0, -6.0]).reshape(1, 1, 1, 3, 1),
        couplings,
    )  # fmt: skip
    draws = np.asarray(coupled.sample(jax.random.key(0), (2000,))).reshape(-1, 3)
    inside = (draws[:, 0] > 0.05) & (draws[:, 0] < 0.95)
    assert np.ptp(draws[inside, 0]) > 0.5
    np.testing.assert_allclose(draws[inside, 1], draws[inside, 0], atol=0.03)
    np.testing.assert_allclose(draws[inside, 2], draws[inside, 1], atol=0.03)


def test_draws_of_the_mixture_follow_its_probabilities():
    distribution = mixture(3, 3)
    draws = np.asarray(distribution.sample(jax.random.key(1), (30_000,))).reshape(-1, 3)
    pixels = every_image(3, 3)
    probabilities = np.exp(np.asarray(distribution.log_prob(pixels[:, None, None, None, :]))).ravel()
    shares = [(np.abs(draws - np.asarray(pixel)) < 1e-3).all(axis=1).mean() for pixel in pixels]
    np.testing.assert_allclose(shares, probabilities, atol=0.012)


def test_the_mean_of_the_mixture_is_that_of_its_samples_where_nothing_is_clipped():
    distribution = mixture(3, 256)
    narrow = DiscretizedLogisticMixture(
        distribution.logits, 0.5 + 0.1 * (distribution.locations - 0.5), distribution.log_scales - 3.0,
        distribution.couplings,
    )  # fmt: skip
    draws = narrow.sample(jax.random.key(0), (20_000,))
    np.testing.assert_allclose(draws.mean(axis=0), narrow.mean, atol=0.01)


def test_gradients_of_the_mixture_agree_with_finite_differences():
    distribution = mixture(3, 256)
    x = jnp.asarray(RANDOM.integers(256, size=(1, 1, 1, 3)) / 255, jnp.float32)

    @jax.jit
    def value(logits, locations, log_scales, couplings):
        return DiscretizedLogisticMixture(logits, locations, log_scales, couplings).log_prob(x)

    parameters = (distribution.logits, distribution.locations, distribution.log_scales, distribution.couplings)
    check_grads(value, parameters, order=1, modes=["rev"], rtol=2e-2)


def test_the_mean_of_the_continuous_bernoulli_and_its_gradient_are_correct_at_every_logit():
    logits = np.concatenate([[0.0], *(sign * np.geomspace(1e-4, 1e4, 41) for sign in (-1.0, 1.0))])
    value, gradient = jax.vmap(jax.value_and_grad(lambda eta: ContinuousBernoulli(eta, 0).mean))(jnp.asarray(logits))
    exact, slope = [], []
    with decimal.localcontext(prec=60):  # The formulas, which cancel, with digits to spare.
        for eta in map(decimal.Decimal, logits.astype(np.float32).tolist()):
            half = eta / 2
            exact.append(float(1 / (1 - (-eta).exp()) - 1 / eta) if eta else 0.5)
            slope.append(float(1 / eta**2 - 1 / (half.exp() - (-half).exp()) ** 2) if eta else 1 / 12)
    np.testing.assert_allclose(value, exact, rtol=1e-5)
    np.testing.assert_allclose(gradient, slope, rtol=2e-4)
