"""What training makes large, from per-example terms in nats.

log p(x)  ≥  E_q(z|x) [log p(x|z)]  −  KL(q(z|x) ‖ p(z))  =  ELBO          (Kingma & Welling 2014, equation 3)
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxvae.config import ObjectiveConfig
from jaxvae.vae import VAE, Code, Params, sample


class Terms(NamedTuple):
    """The terms of the bound, per example [b], in nats.

    log p(x|z), log p(z) and log q(z|x) at the sampled code, and KL(q(z|x) ‖ p(z)) in closed form. The last three
    are None for the traditional autoencoder, which has no distribution over its codes.
    `mean` is the posterior mean, a pytree of [b, ...], kept for statistics of the codes.
    """

    log_likelihood: Float[Array, " b"]
    log_prior: Float[Array, " b"] | None
    log_posterior: Float[Array, " b"] | None
    kl: Float[Array, " b"] | None
    mean: Code


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
        kl=posterior.kl(prior),
        mean=posterior.mean,
    )


def autoencoder_terms(vae: VAE, params: Params, key: Array, x: Float[Array, "b h w c"]) -> Terms:
    """The traditional autoencoder: the mean code is decoded, nothing is drawn (`key` goes unused)."""
    code = vae.encode(params, x).mean
    return Terms(vae.decode(params, code).log_prob(x), None, None, None, code)


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
    terms = autoencoder_terms if config.name == "autoencoder" else variational_terms
    return Objective(terms, lambda each, step: elbo(each, beta_at(config, step)))
