"""What training makes large, from per-example terms in nats.

log p(x)  ≥  E_q(z|x) [log p(x|z)]  −  KL(q(z|x) ‖ p(z))  =  ELBO          (Kingma & Welling 2014, equation 3)
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, cast

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxvae.config import ObjectiveConfig
from jaxvae.distributions import Normal
from jaxvae.importance import bound, doubly_reparameterized, log_weights
from jaxvae.vae import VAE, Code, Params, Prior, sample


class Terms(NamedTuple):
    """The terms of the bound, per example [b], in nats.

    log p(x|z), log p(z) and log q(z|x) at the sampled code, and KL(q(z|x) ‖ p(z)) in closed form. The last three
    are None for the traditional autoencoder, which has no distribution over its codes; with several samples the first
    three are means over them. `bound` is the importance-weighted bound, where that is the objective.
    `mean` is the posterior mean, a pytree of [b, ...], kept for statistics of the codes.
    """

    log_likelihood: Float[Array, " b"]
    log_prior: Float[Array, " b"] | None
    log_posterior: Float[Array, " b"] | None
    kl: Float[Array, " b"] | None
    mean: Code
    bound: Float[Array, " b"] | None = None


class Objective(NamedTuple):
    """`terms: (vae, params, key, x) -> Terms`; `value: (terms, step) -> [b]`, the number to make large."""

    terms: Callable[[VAE, Params, Array, Array], Terms]
    value: Callable[[Terms, Array], Array]


def variational_terms(vae: VAE, params: Params, key: Array, x: Float[Array, "b h w c"]) -> Terms:
    """One reparameterised sample for the log-densities, and the KL in closed form."""
    posterior, prior = vae.encode(params, x), vae.prior(params)
    z = sample(key, posterior)
    likelihood = vae.decode(params, z)
    return Terms(
        log_likelihood=likelihood.log_prob(x),
        log_prior=prior.log_prob(z),
        log_posterior=posterior.log_prob(z),
        kl=kl(posterior, prior, z),
        mean=posterior.mean,
    )


def kl(posterior: Normal, prior: Prior, z: Code) -> Float[Array, " b"]:
    """KL(q(z|x) ‖ p(z)): in closed form between Gaussians, otherwise the unbiased log q(z|x) − log p(z) at the draw."""
    if isinstance(prior, Normal):
        return posterior.kl(prior)
    return posterior.log_prob(z) - prior.log_prob(z)


def autoencoder_terms(vae: VAE, params: Params, key: Array, x: Float[Array, "b h w c"]) -> Terms:
    """The traditional autoencoder: the mean code is decoded, nothing is drawn (`key` goes unused)."""
    code = vae.encode(params, x).mean
    return Terms(vae.decode(params, code).log_prob(x), None, None, None, code)


def importance_terms(
    vae: VAE, params: Params, key: Array, x: Float[Array, "b h w c"], *, samples: int, doubly: bool
) -> Terms:
    """The terms of `samples` weighted draws and their bound; `doubly` chooses the gradient of Tucker et al. 2019."""
    draw = doubly_reparameterized if doubly else log_weights
    weights = draw(vae, params, key, x, samples)
    posterior, prior = vae.encode(params, x), vae.prior(params)
    sampled_kl = jnp.mean(weights.log_posterior - weights.log_prior, axis=0)
    return Terms(
        log_likelihood=jnp.mean(weights.log_likelihood, axis=0),
        log_prior=jnp.mean(weights.log_prior, axis=0),
        log_posterior=jnp.mean(weights.log_posterior, axis=0),
        kl=posterior.kl(prior) if isinstance(prior, Normal) else sampled_kl,
        mean=posterior.mean,
        bound=bound(weights.total),
    )


def elbo(terms: Terms, beta: float | Array = 1.0) -> Float[Array, " b"]:
    """log p(x|z) − β KL per example (Higgins et al. 2017, equation 4; β = 1 is the evidence lower bound)."""
    if terms.kl is None:
        return terms.log_likelihood
    return terms.log_likelihood - beta * terms.kl


def beta_at(config: ObjectiveConfig, step: Array) -> Float[Array, ""]:
    """The KL's weight at an update: rising linearly over the warm-up, then beta (Bowman et al. 2016, section 3.1)."""
    done = jnp.minimum(1.0, (step + 1.0) / max(config.warmup_steps, 1))
    return config.beta * (done if config.warmup_steps else jnp.ones(()))


def build_objective(config: ObjectiveConfig) -> Objective:
    """The objective that the config names."""
    if config.name == "iwae":
        terms = partial(importance_terms, samples=config.samples, doubly=config.doubly_reparameterized)
        return Objective(terms, lambda each, step: cast("Array", each.bound))
    plain = autoencoder_terms if config.name == "autoencoder" else variational_terms
    return Objective(plain, lambda each, step: elbo(each, beta_at(config, step)))
