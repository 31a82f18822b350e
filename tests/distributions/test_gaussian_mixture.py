import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy.special import log_softmax, logsumexp, softmax
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture as Fitted

from jaxvae.distributions.gaussian import Normal
from jaxvae.distributions.gaussian_mixture import GaussianMixture, scaled_squares

RANDOM = np.random.default_rng(0)
LOGITS = np.float32([0.3, -1.0, 0.9, 0.0])
MEANS, LOG_VARIANCES = RANDOM.normal(size=(2, 4, 3)).astype(np.float32)
CODES = (2.0 * RANDOM.normal(size=(6, 3))).astype(np.float32)
log_prob = jax.jit(lambda p, z: p.log_prob(z))
draw = jax.jit(lambda p, key, shape, temperature: p.sample(key, shape, temperature), static_argnums=2)


def mixture(logits=LOGITS, means=MEANS, log_variances=LOG_VARIANCES) -> GaussianMixture:
    return GaussianMixture(jnp.asarray(logits), jnp.asarray(means), jnp.asarray(log_variances))


def reference(codes, logits=LOGITS, means=MEANS, log_variances=LOG_VARIANCES) -> np.ndarray:
    """In float64, one component after the other."""
    logits, means, log_variances = (np.asarray(each, np.float64) for each in (logits, means, log_variances))
    logs = [multivariate_normal(m, np.diag(np.exp(v))).logpdf(codes) for m, v in zip(means, log_variances, strict=True)]
    return logsumexp(log_softmax(logits)[:, None] + np.reshape(logs, (len(means), -1)), axis=0)


def test_log_prob_agrees_with_scipy_and_jit_with_eager():
    np.testing.assert_allclose(mixture().log_prob(jnp.asarray(CODES)), reference(CODES), rtol=1e-5)
    np.testing.assert_allclose(log_prob(mixture(), CODES), reference(CODES), rtol=1e-5)


def test_log_prob_agrees_with_a_mixture_fitted_by_scikit_learn():
    clusters = np.concatenate([RANDOM.normal(size=(150, 2)), RANDOM.normal(size=(50, 2)) * [0.1, 3.0] + 6.0])
    fitted = Fitted(2, covariance_type="diag", random_state=0).fit(clusters)
    ours = mixture(
        *(np.float32(each) for each in (np.log(fitted.weights_), fitted.means_, np.log(fitted.covariances_)))
    )
    np.testing.assert_allclose(
        log_prob(ours, jnp.float32(clusters)), fitted.score_samples(clusters), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("batch", [(), (1,), (5,), (2, 5), (2, 1, 3)])
@pytest.mark.parametrize("shape", [(3,), (1, 3, 1)])
def test_codes_may_have_leading_axes_and_be_maps(batch, shape):
    codes = RANDOM.normal(size=(*batch, *shape)).astype(np.float32)
    ours = log_prob(mixture(LOGITS, MEANS.reshape(4, *shape), LOG_VARIANCES.reshape(4, *shape)), codes)
    assert ours.shape == batch
    np.testing.assert_allclose(np.ravel(ours), reference(codes.reshape(-1, 3)), rtol=1e-5)


def test_one_component_is_a_gaussian_and_equal_components_are_one():
    normal = Normal(jnp.asarray(MEANS[0]), jnp.asarray(LOG_VARIANCES[0]), 1).log_prob(jnp.asarray(CODES))
    for count in (1, 3):
        copies = mixture(LOGITS[:count], np.repeat(MEANS[:1], count, 0), np.repeat(LOG_VARIANCES[:1], count, 0))
        np.testing.assert_allclose(log_prob(copies, CODES), normal, rtol=1e-5)


def narrow() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means about 4 from the origin, variances of e^-12, and a code a few deviations from each mean."""
    means = np.float32(4.0 + RANDOM.normal(size=(4, 3)))
    near = np.float32(means + np.exp(-6.0) * RANDOM.normal(size=(4, 3)))
    return means, np.full((4, 3), -12.0, np.float32), near


def test_codes_near_means_of_tiny_variance_keep_their_precision():
    means, log_variances, near = narrow()
    ours = log_prob(mixture(LOGITS, means, log_variances), near)
    np.testing.assert_allclose(ours, reference(near, LOGITS, means, log_variances), atol=2e-5)


def test_gradients_near_means_of_tiny_variance_keep_their_precision():
    means, log_variances, near = narrow()
    total = jax.jit(jax.grad(lambda p, z: jnp.sum(p.log_prob(z)), argnums=(0, 1)))
    gradient = total(mixture(LOGITS, means, log_variances), near)
    # So narrow a component has its code to itself: the gradient is that of its own Gaussian.
    steps = (np.float64(near) - np.float64(means)) * np.exp(12.0)
    np.testing.assert_allclose(gradient[1], -steps, rtol=1e-3, atol=0.5)
    np.testing.assert_allclose(gradient[0].means, steps, rtol=1e-3, atol=0.5)
    squares = (np.float64(near) - np.float64(means)) ** 2 * np.exp(12.0)
    np.testing.assert_allclose(gradient[0].log_variances, 0.5 * (squares - 1.0), rtol=1e-4, atol=1e-4)


def test_the_squares_and_their_gradients_are_those_of_the_plain_formula():
    arguments = [jnp.float32(each) for each in (CODES, MEANS, np.exp(LOG_VARIANCES))]
    ours, back = jax.vjp(scaled_squares, *arguments)
    theirs, their_back = jax.vjp(
        lambda z, means, precisions: jnp.sum(jnp.square(z[:, None] - means[None]) * precisions[None], axis=2),
        *arguments,
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    cotangent = jnp.float32(RANDOM.normal(size=ours.shape))
    for mine, other in zip(back(cotangent), their_back(cotangent), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-4)
    check_grads(scaled_squares, arguments, order=1, modes=["rev"], rtol=1e-2, atol=1e-2)


def test_the_gradient_of_log_prob_agrees_with_finite_differences():
    value = jax.jit(lambda *parts: mixture(*parts).log_prob(jnp.asarray(CODES)))
    check_grads(value, (LOGITS, MEANS, LOG_VARIANCES), order=1, modes=["rev"], rtol=2e-2, atol=2e-2)


def test_codes_far_from_every_mean_and_components_of_zero_weight_stay_finite():
    far = jnp.asarray([[1e4, -1e4, 0.0]])
    logits = np.float32([0.0, -1e4, 1e4, 0.0])
    for each in (mixture(), mixture(logits, MEANS, LOG_VARIANCES - 8.0)):
        both = jax.jit(jax.value_and_grad(lambda p, z: p.log_prob(z)[0], argnums=(0, 1)))(each, far)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(both))
    alone = reference(CODES, LOGITS[2:3], MEANS[2:3], LOG_VARIANCES[2:3])
    np.testing.assert_allclose(log_prob(mixture(logits), CODES), alone, rtol=1e-5)


def test_draws_have_the_moments_of_the_mixture():
    draws = draw(mixture(), jax.random.key(0), (200, 300), 1.0)
    assert draws.shape == (200, 300, 3)
    weights = softmax(np.float64(LOGITS))
    mean = weights @ MEANS
    second = sum(
        w * (np.outer(m, m) + np.diag(np.exp(v))) for w, m, v in zip(weights, MEANS, LOG_VARIANCES, strict=True)
    )
    rows = np.asarray(draws).reshape(-1, 3)
    np.testing.assert_allclose(rows.mean(axis=0), mean, atol=0.03)
    np.testing.assert_allclose(np.cov(rows.T), second - np.outer(mean, mean), atol=0.06)


def test_mean_and_variance_are_those_of_the_law_of_total_variance():
    weights, means, variances = (
        softmax(np.float64(LOGITS))[:, None],
        np.float64(MEANS),
        np.exp(np.float64(LOG_VARIANCES)),
    )
    mean = np.sum(weights * means, axis=0)
    variance = np.sum(weights * (means**2 + variances), axis=0) - mean**2
    np.testing.assert_allclose(mixture().mean, mean, rtol=1e-5)
    np.testing.assert_allclose(mixture().variance, variance, rtol=1e-5)
    np.testing.assert_allclose(mixture().stddev, np.sqrt(variance), rtol=1e-5)
    maps = mixture(LOGITS, MEANS.reshape(4, 1, 3, 1), LOG_VARIANCES.reshape(4, 1, 3, 1))
    np.testing.assert_allclose(maps.variance, variance.reshape(1, 3, 1), rtol=1e-5)


def test_temperature_zero_samples_the_means_by_weight():
    maps = MEANS.reshape(4, 1, 3, 1)
    spatial = mixture(LOGITS, maps, LOG_VARIANCES.reshape(maps.shape))
    draws = np.asarray(draw(spatial, jax.random.key(1), (9000,), 0.0))
    shares = [np.mean(np.all(draws == each, axis=(1, 2, 3))) for each in maps]
    np.testing.assert_allclose(shares, softmax(LOGITS), atol=0.02)


def test_temperature_multiplies_the_spread_within_each_component():
    draws = [draw(mixture(), jax.random.key(2), (50,), each) for each in (0.0, 1.0, 0.5)]
    np.testing.assert_allclose(draws[2] - draws[0], 0.5 * (draws[1] - draws[0]), atol=1e-5)
