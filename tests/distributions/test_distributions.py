import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats
from jax.test_util import check_grads

from jaxvae.distributions.base import draw_in_rows, draw_noise, log_variances, require_log_variances
from jaxvae.distributions.bernoulli import Bernoulli
from jaxvae.distributions.gaussian import Normal, standard_normal
from jaxvae.errors import UserError

RANDOM = np.random.default_rng(0)
MEAN, LOG_VARIANCE = RANDOM.normal(size=(2, 5, 3)).astype(np.float32)
X = RANDOM.normal(size=(5, 3)).astype(np.float32)


def normal() -> Normal:
    return Normal(jnp.asarray(MEAN), jnp.asarray(LOG_VARIANCE), 1)


def test_normal_log_prob_agrees_with_scipy_per_example():
    expected = scipy.stats.norm.logpdf(X, MEAN, np.exp(LOG_VARIANCE / 2)).sum(axis=1)
    np.testing.assert_allclose(normal().log_prob(X), expected, rtol=2e-6)
    np.testing.assert_allclose(jax.jit(lambda p, x: p.log_prob(x))(normal(), X), expected, rtol=2e-6)


def test_normal_log_prob_takes_importance_samples_on_a_leading_axis():
    stacked = jnp.stack([X, 2 * X])
    result = normal().log_prob(stacked)
    assert result.shape == (2, 5)
    np.testing.assert_allclose(result[1], normal().log_prob(2 * X), rtol=1e-6)


@pytest.mark.parametrize("shape", [(), (5,), (5, 3), (4, 6, 6, 3), (2, 4, 6, 6, 3)], ids=str)
@pytest.mark.parametrize("sampler", [jax.random.normal, jax.random.uniform])
def test_rows_hold_the_numbers_that_the_sampler_draws(sampler, shape):
    again, key = jax.random.key(3), jax.random.key(3)
    np.testing.assert_array_equal(draw_in_rows(sampler, key, shape), sampler(again, shape))


def test_noise_of_one_key_per_example_is_that_of_each_key():
    again, keys = jax.random.split(jax.random.key(3), 4), jax.random.split(jax.random.key(3), 4)
    noise = draw_noise(jax.random.normal, keys, (2,), (4, 6, 6, 3))
    for example, key in enumerate(again):
        np.testing.assert_array_equal(noise[:, example], jax.random.normal(key, (2, 6, 6, 3)))


def test_normal_kl_closed_form_agrees_with_numerical_integration():
    first = Normal(jnp.asarray([[0.7]]), jnp.asarray([[-1.2]]), 1)
    second = Normal(jnp.asarray([[-0.3]]), jnp.asarray([[0.4]]), 1)
    grid = np.linspace(-12, 12, 200_001)
    p = scipy.stats.norm(0.7, np.exp(-0.6))
    q = scipy.stats.norm(-0.3, np.exp(0.2))
    expected = np.trapezoid(p.pdf(grid) * (p.logpdf(grid) - q.logpdf(grid)), grid)
    np.testing.assert_allclose(first.kl(second), [expected], rtol=1e-6)


def test_normal_kl_to_an_unbatched_prior_is_the_textbook_formula():
    expected = 0.5 * np.sum(np.exp(LOG_VARIANCE) + MEAN**2 - 1 - LOG_VARIANCE, axis=1)
    np.testing.assert_allclose(normal().kl(standard_normal((3,))), expected, rtol=1e-5)


def test_normal_kl_of_equal_distributions_is_zero_and_never_negative():
    np.testing.assert_array_equal(normal().kl(normal()), np.zeros(5))
    close = Normal(jnp.zeros((1, 1)), jnp.full((1, 1), 1e-4), 1)
    assert float(close.kl(standard_normal((1,)))[0]) >= 0.0


@pytest.mark.parametrize("log_variance", [-60.0, 60.0])
def test_normal_stays_finite_at_extreme_variances(log_variance):
    extreme = Normal(jnp.zeros((1, 1)), jnp.full((1, 1), log_variance), 1)
    assert np.isfinite(extreme.log_prob(jnp.zeros((1, 1)))).all()
    assert np.isfinite(extreme.kl(standard_normal((1,)))).all()


def test_normal_samples_have_the_stated_moments_and_shape():
    draws = Normal(jnp.full((1, 2), 3.0), jnp.full((1, 2), np.log(4.0)), 1).sample(jax.random.key(0), (40_000,))
    assert draws.shape == (40_000, 1, 2)
    np.testing.assert_allclose(draws.mean(axis=0), [[3.0, 3.0]], atol=0.05)
    np.testing.assert_allclose(draws.std(axis=0), [[2.0, 2.0]], atol=0.05)


def test_normal_moments_and_entropy_agree_with_scipy():
    reference = scipy.stats.norm(MEAN, np.exp(np.float64(LOG_VARIANCE) / 2))
    np.testing.assert_allclose(normal().variance, reference.var(), rtol=1e-6)
    np.testing.assert_allclose(normal().stddev, reference.std(), rtol=1e-6)
    np.testing.assert_allclose(normal().entropy(), reference.entropy().sum(axis=1), rtol=1e-6)
    np.testing.assert_array_equal(normal().mode, MEAN)


def test_the_entropy_of_a_normal_is_its_cross_entropy_less_the_kl():
    # KL(q || N(0, I)) = -H(q) + 1/2 Σ (μ² + σ² + log 2π).
    cross_entropy = 0.5 * np.sum(MEAN**2 + np.exp(LOG_VARIANCE) + np.log(2 * np.pi), axis=1)
    np.testing.assert_allclose(normal().kl(standard_normal((3,))), cross_entropy - normal().entropy(), rtol=1e-4)


def test_bernoulli_log_prob_agrees_with_scipy():
    logits = jnp.asarray(RANDOM.normal(size=(4, 2, 2, 1)).astype(np.float32))
    bits = jnp.asarray(RANDOM.integers(2, size=(4, 2, 2, 1)).astype(np.float32))
    expected = scipy.stats.bernoulli.logpmf(np.asarray(bits), 1 / (1 + np.exp(-np.asarray(logits)))).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(Bernoulli(logits, 3).log_prob(bits), expected, rtol=1e-5)


def test_bernoulli_is_exact_at_extreme_logits():
    logits = jnp.asarray([[110.0], [-1e4], [1e4], [1e4]])
    bits = jnp.asarray([[0.0], [0.0], [1.0], [0.0]])
    coins = Bernoulli(logits, 1)
    np.testing.assert_array_equal(coins.log_prob(bits), [-110.0, 0.0, 0.0, -1e4])
    assert np.isfinite(jax.grad(lambda each: Bernoulli(each, 1).log_prob(bits).sum())(logits)).all()


def test_the_gradient_of_bernoulli_in_its_logits_is_the_value_less_the_mean():
    logits = jnp.asarray([[0.0, 1e-6, -3.0, 30.0, -1e4, 1e4]])
    for value in (0.0, 0.3, 1.0):
        x = jnp.full((1, 6), value)
        gradient = jax.grad(lambda each, x=x: Bernoulli(each, 1).log_prob(x).sum())(logits)
        np.testing.assert_allclose(gradient, x - jax.nn.sigmoid(logits), atol=1e-6)


def test_bernoulli_probabilities_sum_to_one():
    coins = Bernoulli(jnp.asarray([[0.3, -2.0]]), 1)
    outcomes = jnp.asarray([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])[:, None]
    np.testing.assert_allclose(jnp.exp(coins.log_prob(outcomes)).sum(), 1.0, rtol=1e-6)


def test_bernoulli_moments_and_entropy_agree_with_float64():
    logits = np.asarray([-80.0, -20.0, -1.0, 0.0, 0.5, 20.0, 80.0])
    coins = Bernoulli(jnp.asarray(logits, jnp.float32)[:, None], 1)
    # Entropy and variance are symmetric; at -|logit| the probability keeps its digits.
    p = scipy.special.expit(-np.abs(logits))
    rare = scipy.stats.bernoulli(p)
    np.testing.assert_allclose(coins.variance[:, 0], rare.var(), rtol=1e-5)
    np.testing.assert_allclose(coins.stddev[:, 0], rare.std(), rtol=1e-5)
    # SciPy's own entropy drops the term of 1 - p where p is below the precision of float64.
    np.testing.assert_allclose(coins.entropy(), scipy.special.entr(p) - (1 - p) * np.log1p(-p), rtol=1e-5)
    np.testing.assert_array_equal(coins.mode[:, 0], logits > 0)


def test_the_gradient_of_the_entropy_of_a_bernoulli_is_minus_the_logit_times_the_variance():
    logits = jnp.asarray([-1e4, -3.0, 0.0, 1e-3, 2.0, 1e4])
    gradient = jax.grad(lambda each: Bernoulli(each, 1).entropy())(logits)
    np.testing.assert_allclose(gradient, -logits * Bernoulli(logits, 1).variance, atol=1e-6)


def test_bernoulli_samples_are_bits_with_the_stated_mean():
    draws = Bernoulli(jnp.asarray([[-1.0, 2.0]]), 1).sample(jax.random.key(0), (20_000,))
    assert set(np.unique(draws)) == {0.0, 1.0}
    np.testing.assert_allclose(draws.mean(axis=(0, 1)), jax.nn.sigmoid(jnp.asarray([-1.0, 2.0])), atol=0.01)


def test_gradients_agree_with_finite_differences():
    log_prob = jax.jit(lambda mean, log_variance: Normal(mean, log_variance, 1).log_prob(X))
    kl = jax.jit(lambda mean, log_variance: Normal(mean, log_variance, 1).kl(standard_normal((3,))))
    for function in (log_prob, kl):
        check_grads(function, (MEAN, LOG_VARIANCE), order=1, modes=["rev"], rtol=1e-2)


def test_a_posterior_without_a_variance_is_refused_where_one_is_needed():
    class Point:
        mean = jnp.zeros((2, 3))

    assert log_variances(Point()) is None
    with pytest.raises(UserError, match="the posterior, Point, has no `variance`"):
        require_log_variances(Point())
