from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from linear_gaussian import X, exact, pca

from jaxvae import ELBO, IWAE, MLP, MMD, Autoencoder, BetaTCVAE, NormalLikelihood
from jaxvae.distributions.gaussian import Normal, standard_normal
from jaxvae.distributions.gaussian_mixture import GaussianMixture
from jaxvae.models import build
from jaxvae.objectives.bounds import elbo, variational_terms
from jaxvae.objectives.importance import bound
from jaxvae.vae import compose, with_prior


@cache
def mean_terms(shift=0.0):
    """The terms of the linear model in the mean over 4000 draws."""
    keys = jax.random.split(jax.random.key(0), 4000)
    terms = jax.jit(jax.vmap(lambda key: variational_terms(pca(shift), {}, key, X)))(keys)
    return jax.tree.map(lambda leaf: np.mean(leaf, axis=0), terms)


def test_the_elbo_with_the_exact_posterior_is_the_exact_log_likelihood():
    np.testing.assert_allclose(elbo(mean_terms()), exact(), atol=0.1)


def test_with_the_exact_posterior_every_sampled_log_weight_is_the_log_likelihood():
    terms = variational_terms(pca(), {}, jax.random.key(0), X)
    weights = terms.log_likelihood + terms.log_prior - terms.log_posterior
    np.testing.assert_allclose(weights, exact(), rtol=1e-4)
    np.testing.assert_array_equal(weights, terms.log_weights)


def test_with_another_posterior_the_elbo_is_lower_by_the_kl_to_the_exact_one():
    gap = pca(shift=0.5).encode({}, X).kl(pca().encode({}, X))
    np.testing.assert_allclose(elbo(mean_terms(0.5)), exact() - np.asarray(gap), atol=0.15)


def test_the_analytic_kl_is_the_mean_of_its_sampled_terms():
    terms = mean_terms()
    np.testing.assert_allclose(terms.log_posterior - terms.log_prior, terms.kl, atol=0.1)


def test_beta_weights_only_the_kl():
    terms = variational_terms(pca(), {}, jax.random.key(0), X)
    np.testing.assert_allclose(elbo(terms, 3.0), terms.log_likelihood - 3.0 * terms.kl, rtol=1e-6)
    assert elbo(terms).shape == (6,)


def test_the_autoencoder_decodes_the_mean_and_has_no_kl():
    vae, objective = pca(), Autoencoder().build(10)
    terms = objective.terms(vae, {}, jax.random.key(0), X)
    np.testing.assert_allclose(terms.log_likelihood, vae.decode({}, vae.encode({}, X).mean).log_prob(X))
    assert not hasattr(terms, "kl")
    np.testing.assert_array_equal(objective.value(terms, jnp.asarray(5)), terms.log_likelihood)
    assert objective.metrics(terms).keys() == {"log_likelihood_nats"}


def test_the_config_chooses_terms_and_value():
    step = jnp.asarray(0)
    half = ELBO(beta=0.5).build(10)
    terms = half.terms(pca(), {}, jax.random.key(0), X)
    np.testing.assert_allclose(half.value(terms, step), elbo(terms, 0.5))
    warming = ELBO(beta=0.5, warmup_steps=4).build(10)
    np.testing.assert_allclose(warming.value(terms, step + 1), elbo(terms, 0.125))
    assert MMD().build(10).terms(pca(), {}, jax.random.key(0), X).prior_draw.shape == (6, 2)


@pytest.mark.parametrize("doubly", [False, True])
def test_the_importance_weighted_objective_is_the_bound_with_mean_terms(doubly):
    objective = IWAE(samples=4, doubly_reparameterized=doubly).build(10)
    moved = pca(shift=0.3)
    terms = jax.jit(lambda key: objective.terms(moved, {}, key, X))(jax.random.key(5))
    weights = jax.jit(lambda key: moved.infer({}, key, X, 4))(jax.random.key(5))
    np.testing.assert_allclose(objective.value(terms, jnp.asarray(0)), bound(weights.log_weights), rtol=1e-5)
    np.testing.assert_allclose(terms.log_likelihood, weights.log_likelihood.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(terms.kl, moved.encode({}, X).kl(moved.prior({})), rtol=1e-6)
    other = with_prior(moved, one_gaussian(0.0)[1])  # Without a closed form the KL is the mean over the draws.
    terms, weights = objective.terms(other, {}, jax.random.key(5), X), other.infer({}, jax.random.key(5), X, 4)
    np.testing.assert_allclose(terms.kl, (weights.log_posterior - weights.log_prior).mean(axis=0), rtol=1e-5)


def one_gaussian(shift: float) -> tuple[Normal, GaussianMixture]:
    mean, log_variance = jnp.asarray([0.3, -1.0]) + shift, jnp.asarray([0.5, -0.4])
    return Normal(mean, log_variance, 1), GaussianMixture(jnp.zeros(1), mean[None], log_variance[None])


def test_the_sampled_kl_to_another_prior_matches_the_closed_form_on_average():
    posterior = Normal(X[:3, :2], 0.5 * X[3:, :2] - 1.0, 1)
    gaussian, mixture = one_gaussian(0.4)

    vae = compose(
        lambda key: {}, lambda params, x: posterior, lambda params, z: Normal(z, z, 1), lambda params: gaussian
    )

    @jax.jit
    def sampled(key):
        drawn = vae.infer({}, jax.random.clone(key), X[:3, :2], 20_000, prior=mixture)
        return drawn.log_posterior - drawn.log_prior, drawn.kl, vae.infer({}, key, X[:3, :2], 20_000).kl

    draws, in_the_mean, closed = sampled(jax.random.key(6))
    np.testing.assert_allclose(in_the_mean, draws.mean(axis=0), rtol=1e-4)
    assert draws.shape == (20_000, 3)
    assert closed.shape == (3,)
    error = np.std(draws, axis=0) / np.sqrt(20_000)
    np.testing.assert_allclose(closed, posterior.kl(gaussian), rtol=1e-6)
    assert np.all(np.abs(draws.mean(axis=0) - closed) < 4 * error)
    assert np.all(error < 0.02)


def test_only_between_gaussians_the_kl_has_units_and_they_add_up_to_it():
    terms = variational_terms(pca(), {}, jax.random.key(0), X)
    np.testing.assert_allclose(terms.kl_units.sum(axis=1), terms.kl, rtol=1e-6)
    learned = with_prior(pca(), one_gaussian(0.0)[1])
    terms = variational_terms(learned, {}, jax.random.key(0), X)
    assert terms.kl_units is None
    np.testing.assert_allclose(terms.kl, terms.log_posterior - terms.log_prior, rtol=1e-6)


OBJECTIVES = {
    "elbo": ELBO(),
    "free nats per unit": ELBO(free_nats=0.05),
    "free nats per code": ELBO(free_nats=0.05, free_groups="code"),
    "capacity": ELBO(capacity_nats=3.0, capacity_steps=7),
    "cycles": ELBO(warmup_steps=2, warmup_cycles=3),
    "iwae": IWAE(samples=3),
    "doubly reparameterised": IWAE(samples=3, doubly_reparameterized=True),
    "beta_tcvae": BetaTCVAE(beta=6.0),
    "mmd": MMD(beta=0.0, mmd_weight=10.0),
    "autoencoder": Autoencoder(),
}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_small_step_up_the_gradient_of_each_objective_raises_it(name):
    vae = build(MLP(hidden=(6,), latent=2, likelihood=NormalLikelihood(scale=0.1)), (2, 2, 1))
    params = jax.jit(vae.init)(jax.random.key(0))
    x = jnp.asarray(np.random.default_rng(1).uniform(size=(4, 2, 2, 1)), jnp.float32)
    objective = OBJECTIVES[name].build(30)

    @jax.jit
    @jax.value_and_grad
    def value(params):
        values = objective.value(objective.terms(vae, params, jax.random.key(2), x), jnp.asarray(1))
        assert values.shape == (4,)
        return jnp.mean(values)

    before, gradient = value(params)
    assert all(np.isfinite(leaf).all() and np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(gradient))
    length = np.sqrt(sum(np.sum(np.square(leaf)) for leaf in jax.tree.leaves(gradient)))
    after, _ = value(jax.tree.map(lambda p, g: p + np.float32(1e-3 / length) * g, params, gradient))
    assert after > before
    if name != "doubly reparameterised":  # Its gradient is right in the mean, not at one draw.
        assert float(after - before) == pytest.approx(1e-3 * length, rel=0.02)


def test_the_gradient_of_the_elbo_is_correct_on_a_model_with_a_known_gradient():
    # z ~ q = N(m, 1), p(z) = N(0, 1), p(x|z) = N(z, 1): ELBO' in m is (x - m) - m.
    def value(m):
        vae = compose(
            lambda key: {},
            lambda params, x: Normal(jnp.full((1, 1), 1.0) * m, jnp.zeros((1, 1)), 1),
            lambda params, z: Normal(z, jnp.zeros_like(z), 1),
            lambda params: standard_normal((1,)),
        )
        keys = jax.random.split(jax.random.key(1), 20_000)
        return jnp.mean(jax.vmap(lambda key: elbo(variational_terms(vae, {}, key, jnp.full((1, 1), 2.0))))(keys))

    assert float(jax.jit(jax.grad(value))(0.4)) == pytest.approx(2.0 - 0.4 - 0.4, abs=0.03)
