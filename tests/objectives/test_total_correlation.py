import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import tiny_config
from jax.test_util import check_grads
from scipy.stats import norm

from jaxvae import HVAE, BetaTCVAE
from jaxvae.distributions.gaussian import Normal
from jaxvae.objectives.total_correlation import minibatch_weighted

RANDOM = np.random.default_rng(0)
weighted = jax.jit(minibatch_weighted, static_argnums=2)


def loops(z, mean, log_variance, pictures):
    """log q(z) and Σ log q(z_j), code by code, posterior by posterior, unit by unit, in float64."""
    z, mean, deviation = (np.float64(each).reshape(len(z), -1) for each in (z, mean, np.exp(log_variance / 2)))
    batch, units = z.shape
    joint, marginals = np.zeros(batch), np.zeros(batch)
    for i in range(batch):
        total = 0.0
        for j in range(batch):
            total += np.prod([norm.pdf(z[i, u], mean[j, u], deviation[j, u]) for u in range(units)])
        joint[i] = np.log(total / (batch * pictures))
        for u in range(units):
            one = sum(norm.pdf(z[i, u], mean[j, u], deviation[j, u]) for j in range(batch))
            marginals[i] += np.log(one / (batch * pictures))
    return joint, marginals


@pytest.mark.parametrize("shape", [(5, 3), (4, 2, 1, 2), (1, 2), (3, 1)])
def test_the_estimates_are_the_plain_loops_for_vectors_and_maps(shape):
    mean, log_variance, noise = RANDOM.normal(size=(3, *shape)).astype(np.float32)
    z = mean + np.exp(log_variance / 2) * noise
    joint, marginals = loops(z, mean, log_variance, 70)
    posterior = Normal(mean, log_variance, len(shape) - 1)
    found = weighted(z, posterior, 70)
    assert found.joint.shape == found.marginals.shape == shape[:1]
    np.testing.assert_allclose(found.joint, joint, rtol=1e-5)
    np.testing.assert_allclose(found.marginals, marginals, rtol=1e-5)


def test_jit_equals_eager():
    mean, log_variance, z = (jnp.asarray(each, jnp.float32) for each in RANDOM.normal(size=(3, 4, 2)))
    eager = minibatch_weighted(z, Normal(mean, log_variance, 1), 9)
    for mine, other in zip(weighted(z, Normal(mean, log_variance, 1), 9), eager, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5)


def test_the_aggregate_of_a_single_image_is_its_posterior():
    mean, log_variance, z = RANDOM.normal(size=(3, 1, 4)).astype(np.float32)
    posterior = Normal(mean, log_variance, 1)
    found = weighted(z, posterior, 1)
    np.testing.assert_allclose(found.joint, norm.logpdf(z, mean, np.exp(log_variance / 2)).sum(axis=1), rtol=1e-5)
    np.testing.assert_allclose(found.marginals, found.joint, rtol=1e-5)


def test_with_equal_posteriors_only_the_dataset_size_is_subtracted():
    mean, log_variance, z = np.zeros((4, 3), np.float32), np.ones((4, 3), np.float32), np.eye(4, 3, dtype=np.float32)
    found, log_density = weighted(z, Normal(mean, log_variance, 1), 50), norm.logpdf(z, 0, np.exp(0.5)).sum(axis=1)
    np.testing.assert_allclose(found.joint, log_density - np.log(50), rtol=1e-5)
    np.testing.assert_allclose(found.marginals, log_density - 3 * np.log(50), rtol=1e-5)


def test_the_gradients_agree_with_finite_differences():
    mean, log_variance, z = RANDOM.normal(size=(3, 3, 2)).astype(np.float32)
    value = jax.jit(lambda z, mean, log_variance: minibatch_weighted(z, Normal(mean, log_variance, 1), 7))
    check_grads(value, (z, mean, log_variance), order=1, modes=["rev"], rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("log_variance", [-30.0, -12.0, 30.0])
def test_value_and_gradient_stay_finite_for_posteriors_far_apart(log_variance):
    mean = np.float32([[0.0, 0.0], [1e4, -1e4]])

    def total(mean, log_variance):
        return sum(map(jnp.sum, minibatch_weighted(mean + 1e-3, Normal(mean, log_variance, 1), 5)))

    both = jax.jit(jax.value_and_grad(total, argnums=(0, 1)))(mean, np.full((2, 2), log_variance, np.float32))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(both))


def test_a_hierarchy_is_refused():
    with pytest.raises(ValueError, match="another objective, since model 'hvae' has levels"):
        tiny_config(model=HVAE(hidden=8, latent=(3, 4)), objective=BetaTCVAE())
