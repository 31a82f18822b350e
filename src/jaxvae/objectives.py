"""What training makes large, from per-example terms in nats.

log p(x)  ≥  E_q(z|x) [log p(x|z)]  −  KL(q(z|x) ‖ p(z))  =  ELBO          (Kingma & Welling 2014, equation 3)
"""

from collections.abc import Callable
from functools import partial
from typing import cast

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxvae.config import ObjectiveConfig
from jaxvae.distributions import Normal
from jaxvae.importance import bound, doubly_reparameterized, log_weights
from jaxvae.penalties import capacity_value, free_value, mmd_value, tcvae_value
from jaxvae.schedules import beta_at
from jaxvae.terms import Terms
from jaxvae.vae import VAE, Code, Params, Prior, sample

MakeTerms = Callable[[VAE, Params, Array, Array], Terms]
Value = Callable[[Terms, Array], Array]


def variational_terms(vae: VAE, params: Params, key: Array, x: Float[Array, "b h w c"]) -> Terms:
    """One reparameterised sample for the log-densities, and the KL in closed form where there is one."""
    posterior, prior = vae.encode(params, x), vae.prior(params)
    z = sample(key, posterior)
    likelihood = vae.decode(params, z)
    return Terms(
        log_likelihood=likelihood.log_prob(x),
        log_prior=prior.log_prob(z),
        log_posterior=posterior.log_prob(z),
        kl=kl(posterior, prior, z),
        posterior=posterior,
        z=z,
        kl_units=posterior.kl_units(prior) if isinstance(prior, Normal) else None,
    )


def kl(posterior: Normal, prior: Prior, z: Code) -> Float[Array, " b"]:
    """KL(q(z|x) ‖ p(z)): in closed form between Gaussians, otherwise the unbiased log q(z|x) − log p(z) at the draw."""
    if isinstance(prior, Normal):
        return posterior.kl(prior)
    return posterior.log_prob(z) - prior.log_prob(z)


def autoencoder_terms(vae: VAE, params: Params, key: Array, x: Float[Array, "b h w c"]) -> Terms:
    """The traditional autoencoder: the mean code is decoded, nothing is drawn (`key` goes unused)."""
    posterior = vae.encode(params, x)
    return Terms(vae.decode(params, posterior.mean).log_prob(x), None, None, None, posterior, posterior.mean)


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
        posterior=posterior,
        z=posterior.mean,
        bound=bound(weights.total),
    )


def with_prior_draw(vae: VAE, params: Params, key: Array, x: Float[Array, "b h w c"]) -> Terms:
    """The variational terms, and a draw from the prior for each picture."""
    key, prior_key = jax.random.split(key)
    drawn = vae.prior(params).sample(prior_key, (len(x),))
    return variational_terms(vae, params, key, x)._replace(prior_draw=drawn)


def elbo(terms: Terms, beta: float | Array = 1.0) -> Float[Array, " b"]:
    """log p(x|z) − β KL per example (Higgins et al. 2017, equation 4; β = 1 is the evidence lower bound)."""
    if terms.kl is None:
        return terms.log_likelihood
    return terms.log_likelihood - beta * terms.kl


def build_terms(config: ObjectiveConfig) -> MakeTerms:
    """The per-example terms of the objective that the config names, the same in training and in evaluation."""
    match config.name:
        case "iwae":
            return partial(importance_terms, samples=config.samples, doubly=config.doubly_reparameterized)
        case "autoencoder":
            return autoencoder_terms
        case "mmd":
            return with_prior_draw
        case _:
            return variational_terms


def of_each_example(config: ObjectiveConfig) -> bool:
    """Whether the objective of a batch is the mean of those of its examples, each computed by itself."""
    of_the_batch = config.free_nats > 0 or config.capacity_nats is not None
    return config.name in ("elbo", "iwae", "autoencoder") and not of_the_batch


def build_value(config: ObjectiveConfig, pictures: int) -> Value:
    """(terms, step) -> [b], the number to make large; `pictures` is how many there are to train on."""

    def value(terms: Terms, step: Array) -> Float[Array, " b"]:
        beta = beta_at(config, step)
        match config.name:
            case "iwae":
                return cast("Array", terms.bound)
            case "beta_tcvae":
                return tcvae_value(terms, beta, pictures)
            case "mmd":
                return mmd_value(terms, beta, config.mmd_weight)
            case _ if config.free_nats:
                return free_value(terms, beta, config)
            case _ if config.capacity_nats is not None:
                return capacity_value(terms, beta, config, step)
            case _:
                return elbo(terms, beta)

    return value
