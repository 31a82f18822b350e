import jax
import jax.numpy as jnp
import numpy as np
import pytest
from linear_gaussian import X, exact, pca

from jaxvae import Conv
from jaxvae.distributions.gaussian import Normal
from jaxvae.models import build
from jaxvae.objectives.bounds import elbo, variational_terms
from jaxvae.objectives.importance import bound, doubly_reparameterized
from jaxvae.vae import VAE, compose


def mean_bound(vae, samples, draws=300):
    keys = jax.random.split(jax.random.key(0), draws)
    values = jax.vmap(lambda key: bound(vae.infer({}, key, X, samples).log_weights))(keys)
    return jnp.mean(values, axis=0)


def test_with_the_exact_posterior_every_bound_is_the_log_likelihood():
    for samples in (1, 7):
        values = bound(pca().infer({}, jax.random.key(0), X, samples).log_weights)
        np.testing.assert_allclose(values, exact(), rtol=1e-4)


@pytest.mark.slow
def test_the_bound_rises_with_the_samples_from_the_elbo_towards_the_log_likelihood():
    moved = pca(shift=0.6)
    keys = jax.random.split(jax.random.key(1), 3000)
    lowest = jnp.mean(jax.vmap(lambda key: elbo(variational_terms(moved, {}, key, X)))(keys))
    bounds = [float(jnp.mean(mean_bound(moved, samples))) for samples in (1, 4, 16, 256)]
    truth = float(np.mean(exact()))
    assert bounds[0] == pytest.approx(float(lowest), abs=0.1)
    assert bounds[0] < bounds[1] < bounds[2] < bounds[3] <= truth + 0.02
    assert truth - bounds[3] < 0.1 * (truth - bounds[0])


def test_the_bound_by_hand():
    weights = jnp.log(jnp.asarray([[1.0, 1.0], [3.0, 1.0]]))
    np.testing.assert_allclose(bound(weights), np.log([2.0, 1.0]), rtol=1e-6)


def test_weights_far_apart_do_not_overflow():
    weights = jnp.asarray([[-1e4], [1e4]])
    np.testing.assert_allclose(bound(weights), [1e4 - np.log(2)], rtol=1e-6)


def learned() -> tuple[VAE, dict]:
    """The linear-Gaussian model with a parameter in the encoder, m, and one in the decoder, a."""
    known = pca(shift=0.4)

    def encode(params, x):
        posterior = known.encode({}, x)
        return Normal(posterior.mean + params["m"], posterior.log_variance + params["s"], 1)

    def decode(params, z):
        likelihood = known.decode({}, z)
        return Normal(likelihood.mean + params["a"], likelihood.log_variance, 1)

    return compose(lambda key: {}, encode, decode, known.prior), {name: jnp.asarray(0.2) for name in ("m", "s", "a")}


def usual_draws(vae, params, key, x, samples):
    return vae.infer(params, key, x, samples)


@pytest.mark.slow
def test_the_gradient_agrees_with_finite_differences_at_a_fixed_draw():
    vae, params = learned()

    def value(params):
        return jnp.sum(bound(vae.infer(params, jax.random.key(2), X, 6).log_weights))

    gradient = jax.grad(value)(params)
    for name in params:
        up, down = ({**params, name: params[name] + step} for step in (1e-2, -1e-2))
        assert float(gradient[name]) == pytest.approx(float(value(up) - value(down)) / 2e-2, rel=1e-2, abs=1e-2)


@pytest.mark.slow
def test_both_gradients_agree_on_average_and_exactly_for_the_decoder():
    vae, params = learned()

    def gradients(draw):
        def value(params, key):
            return jnp.sum(bound(draw(vae, params, key, X, 4).log_weights))

        keys = jax.random.split(jax.random.key(3), 6000)
        return jax.vmap(jax.value_and_grad(value), (None, 0))(params, keys)

    usual_value, usual = gradients(usual_draws)
    doubly_value, doubly = gradients(doubly_reparameterized)
    np.testing.assert_allclose(usual_value, doubly_value, rtol=1e-5)
    np.testing.assert_allclose(usual["a"], doubly["a"], rtol=1e-3, atol=1e-3)
    for name in ("m", "s"):
        error = float(np.hypot(usual[name].std(), doubly[name].std()) / np.sqrt(6000))
        assert float(usual[name].mean()) == pytest.approx(float(doubly[name].mean()), abs=5 * error)
        assert not np.allclose(usual[name], doubly[name])


@pytest.mark.slow
def test_the_doubly_reparameterised_gradient_keeps_its_signal_as_samples_grow():
    vae, params = learned()

    def signal_to_noise(draw, samples):
        def value(params, key):
            return jnp.sum(bound(draw(vae, params, key, X, samples).log_weights))

        keys = jax.random.split(jax.random.key(4), 1500)
        gradient = jax.vmap(jax.grad(value), (None, 0))(params, keys)["m"]
        return abs(float(gradient.mean())) / float(gradient.std())

    assert signal_to_noise(doubly_reparameterized, 64) > 2 * signal_to_noise(usual_draws, 64)


@pytest.mark.slow
def test_spatial_codes_are_weighted_as_vectors_are():
    config = Conv(channels=(4, 4), latent=2, latent_kind="spatial")
    vae = build(config, (8, 8, 3))
    params = vae.init(jax.random.key(0))
    weights = vae.infer(params, jax.random.key(1), jnp.full((2, 8, 8, 3), 0.5), 5)
    assert weights.log_weights.shape == (5, 2)
