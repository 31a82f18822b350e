import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import flat_model

from jaxvae.distributions.bernoulli import Bernoulli
from jaxvae.distributions.gaussian import Normal
from jaxvae.models import build
from jaxvae.vae import sample

SHAPE = (6, 5, 3)
SMALL = {"network": "mlp", "hidden": (8,), "latent": 4}


def test_the_draw_is_mean_plus_sigma_times_epsilon():
    posterior = Normal(jnp.asarray([[1.0, -2.0]]), jnp.asarray([[0.5, -1.0]]), 1)
    key = jax.random.key(3)
    epsilon = jax.random.normal(key, (1, 2))
    expected = posterior.mean + jnp.exp(posterior.log_variance / 2) * epsilon
    np.testing.assert_allclose(sample(jax.random.key(3), posterior), expected, rtol=1e-6)


def test_the_draw_passes_gradients_to_mean_and_variance():
    def second_moment(mean, log_variance):
        draws = Normal(mean, log_variance, 1).sample(jax.random.key(0), (200_000,))
        return jnp.mean(jnp.square(draws))

    # E[z²] = μ² + σ², so its gradient is 2μ and σ².
    gradients = jax.grad(second_moment, argnums=(0, 1))(jnp.asarray([[0.5]]), jnp.asarray([[0.2]]))
    np.testing.assert_allclose(gradients[0], [[1.0]], atol=0.02)
    np.testing.assert_allclose(gradients[1], [[np.exp(0.2)]], atol=0.02)


@pytest.mark.parametrize(("likelihood", "kind"), [("normal", Normal), ("bernoulli", Bernoulli)])
def test_encode_decode_and_prior_are_distributions_of_the_right_shapes(likelihood, kind):
    vae = build(flat_model(likelihood=likelihood, **SMALL), SHAPE)
    params = vae.init(jax.random.key(0))
    x = jnp.full((2, *SHAPE), 0.5)
    posterior = vae.encode(params, x)
    z = sample(jax.random.key(1), posterior)
    decoded = vae.decode(params, z)
    assert isinstance(decoded, kind)
    assert decoded.mean.shape == x.shape
    assert decoded.log_prob(x).shape == posterior.log_prob(z).shape == vae.prior(params).log_prob(z).shape == (2,)


def test_the_shared_deviation_is_one_learned_number():
    vae = build(flat_model(**SMALL), SHAPE)
    params = vae.init(jax.random.key(0))
    assert params["likelihood"]["log_variance"].shape == ()
    x = jnp.full((1, *SHAPE), 0.25)
    z = jnp.zeros((1, 4))

    def log_likelihood(log_variance):
        changed = {**params, "likelihood": {"log_variance": log_variance}}
        return vae.decode(changed, z).log_prob(x)[0]

    # For a fixed mean, log p(x|z) is largest where the variance is the mean squared error.
    squared = float(jnp.mean(jnp.square(vae.decode(params, z).mean - x)))
    grid = jnp.linspace(-0.5, 0.9, 2801)
    best = grid[jnp.argmax(jax.vmap(log_likelihood)(grid))]
    variance = jnp.exp(vae.decode({**params, "likelihood": {"log_variance": best}}, z).log_variance.ravel()[0])
    np.testing.assert_allclose(variance, squared, rtol=0.01)


def test_a_model_is_the_same_for_the_same_key_and_another_for_another():
    vae = build(flat_model(**SMALL), SHAPE)
    first, again, other = (vae.init(jax.random.key(seed)) for seed in (0, 0, 1))
    assert jax.tree.all(jax.tree.map(np.array_equal, first, again))
    assert not np.array_equal(first["encoder"]["Dense_0"]["kernel"], other["encoder"]["Dense_0"]["kernel"])
