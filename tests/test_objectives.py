import jax
import jax.numpy as jnp
import numpy as np
import pytest
from linear_gaussian import X, exact, pca

from jaxvae.config import ObjectiveConfig
from jaxvae.distributions import Normal, standard_normal
from jaxvae.objectives import autoencoder_terms, beta_at, build_objective, elbo, variational_terms
from jaxvae.vae import VAE


def mean_terms(vae, draws=4000):
    keys = jax.random.split(jax.random.key(0), draws)
    terms = jax.vmap(lambda key: variational_terms(vae, {}, key, X))(keys)
    return jax.tree.map(lambda leaf: jnp.mean(leaf, axis=0), terms)


def test_the_elbo_with_the_exact_posterior_is_the_exact_log_likelihood():
    np.testing.assert_allclose(elbo(mean_terms(pca())), exact(), atol=0.1)


def test_with_the_exact_posterior_every_sampled_log_weight_is_the_log_likelihood():
    terms = variational_terms(pca(), {}, jax.random.key(0), X)
    weights = terms.log_likelihood + terms.log_prior - terms.log_posterior
    np.testing.assert_allclose(weights, exact(), rtol=1e-4)


def test_with_another_posterior_the_elbo_is_lower_by_the_kl_to_the_exact_one():
    moved = pca(shift=0.5)
    gap = moved.encode({}, X).kl(pca().encode({}, X))
    np.testing.assert_allclose(elbo(mean_terms(moved)), exact() - np.asarray(gap), atol=0.15)


def test_the_analytic_kl_is_the_mean_of_its_sampled_terms():
    terms = mean_terms(pca())
    np.testing.assert_allclose(terms.log_posterior - terms.log_prior, terms.kl, atol=0.1)


def test_beta_weighs_the_kl_alone():
    terms = variational_terms(pca(), {}, jax.random.key(0), X)
    np.testing.assert_allclose(elbo(terms, 3.0), terms.log_likelihood - 3.0 * terms.kl, rtol=1e-6)
    assert elbo(terms).shape == (6,)


def test_the_autoencoder_decodes_the_mean_and_has_no_kl():
    vae = pca()
    terms = autoencoder_terms(vae, {}, jax.random.key(0), X)
    np.testing.assert_allclose(terms.log_likelihood, vae.decode({}, vae.encode({}, X).mean).log_prob(X))
    assert terms.kl is None
    np.testing.assert_array_equal(elbo(terms, 5.0), terms.log_likelihood)


@pytest.mark.parametrize(("step", "weight"), [(0, 0.5), (1, 1.0), (3, 2.0), (100, 2.0)])
def test_the_weight_warms_up_linearly_and_stays(step, weight):
    config = ObjectiveConfig(beta=2.0, warmup_steps=4)
    assert float(beta_at(config, jnp.asarray(step))) == pytest.approx(weight)
    assert float(beta_at(ObjectiveConfig(beta=2.0), jnp.asarray(step))) == 2.0


def test_the_config_chooses_the_objective():
    key = jax.random.key(0)
    chosen = build_objective(ObjectiveConfig(beta=0.5))
    terms = chosen.terms(pca(), {}, key, X)
    np.testing.assert_allclose(chosen.value(terms, jnp.asarray(0)), elbo(terms, 0.5))
    assert build_objective(ObjectiveConfig(name="autoencoder")).terms is autoencoder_terms


def test_the_gradient_of_the_elbo_is_right_on_a_model_with_a_known_one():
    # z ~ q = N(m, 1), p(z) = N(0, 1), p(x|z) = N(z, 1): ELBO' in m is (x - m) - m.
    def value(m):
        vae = VAE(
            lambda key: {},
            lambda params, x: Normal(jnp.full((1, 1), 1.0) * m, jnp.zeros((1, 1)), 1),
            lambda params, z: Normal(z, jnp.zeros_like(z), 1),
            lambda params: standard_normal((1,)),
        )
        keys = jax.random.split(jax.random.key(1), 20_000)
        return jnp.mean(jax.vmap(lambda key: elbo(variational_terms(vae, {}, key, jnp.full((1, 1), 2.0))))(keys))

    assert float(jax.grad(value)(0.4)) == pytest.approx(2.0 - 0.4 - 0.4, abs=0.03)
