"""Checks of the library's numbers against closed forms, for `python -m jaxvae.selftest`."""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from jaxvae.annotations import PRNGKey
from jaxvae.distributions.bernoulli import ContinuousBernoulli
from jaxvae.distributions.gaussian import Normal, standard_normal
from jaxvae.distributions.logistic import log_logistic_bin
from jaxvae.evaluation.linear_gaussian import (
    exact_hierarchy,
    exact_vae,
    largest_log_likelihood,
    learned_vae,
    log_likelihood,
)
from jaxvae.objectives.bounds import elbo, variational_terms
from jaxvae.objectives.importance import bound, doubly_reparameterized
from jaxvae.vae import VAE, Inference, Params, compose

LOADING = jnp.asarray([[1.0, 0.5], [-0.3, 0.8], [0.2, -1.1], [0.7, 0.1]])
NOISE = 0.3
# Of the hierarchy: from z2 to x, from z2 to z1, and both ways together.
TOP = jnp.asarray([[0.4, 0.0], [0.0, -0.6], [0.3, 0.3], [-0.5, 0.2]])
BETWEEN = jnp.asarray([[0.9, -0.2], [0.4, 1.1]])
BOTH_LEVELS = LOADING @ BETWEEN + TOP


class Check(NamedTuple):
    """A claim and the measured number, which must lie in [low, high]; likelihoods are in nats."""

    claim: str
    measured: float
    low: float
    high: float

    @property
    def passed(self) -> bool:
        """Whether the number lies in the interval; one that is not finite does not."""
        return self.low <= self.measured <= self.high


def check_close(claim: str, measured: Any, expected: Any, tolerance: float) -> Check:
    """Returns a check that two numbers agree up to an absolute tolerance."""
    return Check(claim, float(measured), float(expected) - tolerance, float(expected) + tolerance)


def run_checks(key: PRNGKey) -> Iterator[Check]:
    """Runs all checks in turn; `key` seeds those that draw samples."""
    bounds_key, train_key, kl_key, gradient_key = jax.random.split(key, 4)
    yield from bounds(bounds_key)
    yield from hierarchy(jax.random.fold_in(key, 4))
    yield from maximum_likelihood(train_key)
    yield from kl_divergence(kl_key)
    yield from normalisation()
    yield from gradients(gradient_key)


def bounds(key: PRNGKey) -> Iterator[Check]:
    """Checks that ELBO ≤ IWAE-K ≤ exact log-likelihood on probabilistic PCA, and that the gap shrinks with K."""
    data_key, key = jax.random.split(key)
    x = _data(data_key, 64)
    exact = float(jnp.mean(log_likelihood(x, LOADING, jnp.asarray(NOISE))))
    right, shifted = exact_vae(LOADING, NOISE), exact_vae(LOADING, NOISE, shift=0.5)
    keys = jax.random.split(key, 5)
    tight = _mean_bound(right, keys[:1], x, 10)
    yield check_close("IWAE-10 with the exact posterior equals log p(x)", tight, exact, 1e-3)
    upper, previous = exact + 0.02, -jnp.inf
    for samples, samples_key in zip((1, 10, 100, 1000), keys[1:], strict=True):
        value = float(_mean_bound(shifted, jax.random.split(samples_key, 200), x, samples))
        claim = f"IWAE-{samples} with a wrong posterior: above the previous bound, below log p(x)"
        yield Check(claim, value, previous, upper)
        previous = value
    yield check_close("… and converges to log p(x)", previous, exact, 0.02)


def hierarchy(key: PRNGKey) -> Iterator[Check]:
    """Checks bounds and KL of a hierarchy of two levels on a linear model, whose log p(x) is known."""
    data_key, *keys = jax.random.split(key, 5)
    x = _data(data_key, 64)
    covariance = BOTH_LEVELS @ BOTH_LEVELS.T + LOADING @ LOADING.T
    exact = float(jnp.mean(log_likelihood(x, jnp.linalg.cholesky(covariance), jnp.asarray(NOISE))))
    images = x.reshape(-1, 1, 1, x.shape[1])
    params: Params = {"likelihood": {}, "prior": {}}
    # Both levels are shifted. By 0.5 the weights would vary so much that IWAE-1000 is up to 0.07 nats below log p(x).
    right, shifted = (exact_hierarchy(LOADING, TOP, BETWEEN, NOISE, shift) for shift in (0.0, 0.25))
    tight = jnp.mean(bound(_infer(right, params, keys[0], images, 10).log_weights))
    yield check_close("two levels: IWAE-10 with the exact posterior equals log p(x)", tight, exact, 1e-3)
    drawn = _infer(shifted, params, keys[1], images, 1000)
    yield Check("two levels, a wrong posterior: the ELBO is below log p(x)", float(_mean_elbo(drawn)), -jnp.inf, exact)
    converged = jnp.mean(bound(drawn.log_weights))
    yield check_close("… and IWAE-1000 converges to it", converged, exact, 0.02)
    sampled = jnp.mean(drawn.log_posterior - drawn.log_prior)
    yield check_close("… KL level by level in closed form and by Monte Carlo", jnp.mean(drawn.kl), sampled, 0.05)


def _mean_elbo(drawn: Inference) -> Array:
    return jnp.mean(jnp.mean(drawn.log_likelihood, axis=0) - drawn.kl)


def maximum_likelihood(key: PRNGKey) -> Iterator[Check]:
    """Checks that a linear VAE trained on the ELBO reaches the likelihood of the best probabilistic PCA."""
    data_key, init_key, key = jax.random.split(key, 3)
    x = _data(data_key, 512)
    x = x - jnp.mean(x, axis=0, keepdims=True)
    vae = learned_vae(4, 2)
    optimizer = optax.adam(optax.cosine_decay_schedule(0.02, 6000))

    def step(carry: tuple[Params, Any], key: PRNGKey) -> tuple[tuple[Params, Any], None]:
        params, state = carry
        gradient = jax.grad(lambda params: -jnp.mean(elbo(variational_terms(vae, params, key, x))))(params)
        updates, state = optimizer.update(gradient, state)
        return (optax.apply_updates(params, updates), state), None

    params = vae.init(init_key)
    (params, _), _ = jax.lax.scan(step, (params, optimizer.init(params)), jax.random.split(key, 6000))
    centered = x - params["center"][None]
    reached = jnp.mean(log_likelihood(centered, params["decoder"].T, jnp.exp(params["log_noise"])))
    yield check_close("a linear VAE trained on the ELBO reaches the best PCA's log p(x)", reached, _best(x), 5e-3)


def kl_divergence(key: PRNGKey) -> Iterator[Check]:
    """Checks the closed form of the KL against the mean of sampled log-ratios."""
    first = Normal(jnp.asarray([[0.7, -0.2]]), jnp.asarray([[-1.2, 0.3]]), 1)
    second = Normal(jnp.asarray([[-0.3, 0.1]]), jnp.asarray([[0.4, -0.5]]), 1)
    z = first.sample(key, (200_000,))
    for name, other in (("another Gaussian", second), ("N(0, I)", standard_normal((2,)))):
        ratios = first.log_prob(z) - other.log_prob(z)
        error = 5.0 * float(jnp.std(ratios)) / len(z) ** 0.5
        yield check_close(f"KL to {name}: closed form and Monte Carlo", jnp.mean(ratios), first.kl(other)[0], error)


def normalisation() -> Iterator[Check]:
    """Checks that the probabilities of the 256 values sum to 1 and that densities on [0, 1] integrate to 1."""
    values = jnp.arange(256.0) / 255.0
    for location, log_scale in ((0.3, -1.0), (0.0, -4.0), (1.2, -7.0)):
        logs = log_logistic_bin(values, jnp.full(256, location), jnp.full(256, log_scale), 256)
        claim = f"discretised logistic at {location}, scale e^{log_scale:g}, sums to 1"
        yield check_close(claim, jnp.sum(jnp.exp(logs)), 1.0, 1e-3)
    grid = (jnp.arange(100_000.0) + 0.5) / 100_000
    for logit in (-20.0, 0.001, 3.0):
        density = jnp.exp(ContinuousBernoulli(jnp.full(grid.shape, logit), 0).log_prob(grid))
        yield check_close(f"continuous Bernoulli of logit {logit:g} integrates to 1", jnp.mean(density), 1.0, 1e-3)


def gradients(key: PRNGKey) -> Iterator[Check]:
    """Checks gradient estimators against a known gradient: ELBO' is x - 2m for q = N(m, 1), p(x|z) = N(z, 1)."""
    x, m = jnp.full((1, 1), 2.0), jnp.asarray(0.4)
    vae = compose(
        lambda key: {},
        lambda params, x: Normal(jnp.broadcast_to(params["m"], (1, 1)), jnp.zeros((1, 1)), 1),
        lambda params, z: Normal(z, jnp.zeros_like(z), 1),
        lambda params: standard_normal((1,)),
    )
    elbo_key, usual_key, doubly_key = (jax.random.split(subkey, 20_000) for subkey in jax.random.split(key, 3))

    def per_key(value: Any, keys: Array) -> Array:
        derivatives: Array = jax.jit(jax.vmap(jax.grad(lambda m, key: value({"m": m}, key)), (None, 0)))(m, keys)
        return derivatives

    sampled = per_key(lambda params, key: elbo(variational_terms(vae, params, key, x))[0], elbo_key)
    yield check_close("reparameterised gradient of the ELBO", jnp.mean(sampled), 2.0 - 2 * 0.4, _error(sampled))
    usual, doubly = (
        per_key(lambda params, key, draw=draw: bound(draw(params, key, x, 5).log_weights)[0], keys)
        for draw, keys in ((vae.infer, usual_key), (partial(doubly_reparameterized, vae), doubly_key))
    )
    both = _error(usual) + _error(doubly)
    claim = "IWAE-5: doubly reparameterised and standard gradient agree"
    yield check_close(claim, jnp.mean(doubly), jnp.mean(usual), both)


def _error(values: Array) -> float:
    return 5.0 * float(jnp.std(values)) / len(values) ** 0.5


def _data(key: PRNGKey, count: int) -> Array:
    z_key, noise_key = jax.random.split(key)
    z = jax.random.normal(z_key, (count, LOADING.shape[1]))
    return z @ LOADING.T + NOISE**0.5 * jax.random.normal(noise_key, (count, LOADING.shape[0]))


def _best(x: Array) -> Array:
    return largest_log_likelihood(x, LOADING.shape[1])


# Compiled whole: one by one, the operations of all draws would take several times as long.
_infer = jax.jit(lambda vae, params, key, x, samples: vae.infer(params, key, x, samples), static_argnums=(0, 4))


@partial(jax.jit, static_argnums=(0, 3))
def _mean_bound(vae: VAE, keys: Array, x: Array, samples: int) -> Array:
    return jnp.mean(jax.vmap(lambda key: bound(vae.infer({}, key, x, samples).log_weights))(keys))
