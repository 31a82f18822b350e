"""Objectives that weigh the KL otherwise than by a factor. Each looks at a whole batch, and is for training alone."""

from typing import cast

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxvae.aggregate import minibatch_weighted
from jaxvae.codes import flatten
from jaxvae.config import ObjectiveConfig
from jaxvae.discrepancy import squared_mmd
from jaxvae.schedules import capacity_at
from jaxvae.terms import Terms


def free_value(terms: Terms, beta: Array, config: ObjectiveConfig) -> Float[Array, " b"]:
    """log p(x|z) − β Σ max(λ, mean KL of the group): the first λ nats are free (Kingma et al. 2016, equation 15)."""
    if config.free_groups == "code":
        groups = jnp.mean(cast("Array", terms.kl))[None]
    else:
        units = jnp.mean(cast("Array", terms.kl_units), axis=0)
        positions = tuple(range(units.ndim - 1)) if config.free_groups == "channel" else ()
        groups = jnp.sum(units, axis=positions)
    return terms.log_likelihood - beta * jnp.sum(jnp.maximum(config.free_nats, groups))


def capacity_value(terms: Terms, beta: Array, config: ObjectiveConfig, step: Array) -> Float[Array, " b"]:
    """log p(x|z) − β |mean KL − C|, the aim C rising with the steps (Burgess et al. 2018, equation 8)."""
    aim = capacity_at(cast("float", config.capacity_nats), config.capacity_steps, step)
    return terms.log_likelihood - beta * jnp.abs(jnp.mean(cast("Array", terms.kl)) - aim)


def tcvae_value(terms: Terms, beta: Array, pictures: int) -> Float[Array, " b"]:
    """log p(x|z) − I(x; z) − β TC(z) − Σ_j KL(q(z_j) ‖ p(z_j)) (Chen et al. 2018, equation 4 with α = γ = 1).

    The three parts, estimated from the batch, add up to log q(z|x) − log p(z): with β = 1 this is the ELBO.
    """
    log_posterior, log_prior = cast("Array", terms.log_posterior), cast("Array", terms.log_prior)
    aggregate = minibatch_weighted(terms.z, terms.posterior, pictures)
    information = log_posterior - aggregate.joint
    total_correlation = aggregate.joint - aggregate.marginals
    unit_wise = aggregate.marginals - log_prior
    return terms.log_likelihood - information - beta * total_correlation - unit_wise


def mmd_value(terms: Terms, beta: Array, weight: float) -> Float[Array, " b"]:
    """log p(x|z) − β KL − λ MMD²(q(z), p(z)) (Zhao et al. 2019, equation 6; with β = 0 Tolstikhin et al. 2018)."""
    discrepancy = squared_mmd(flatten(terms.z), flatten(terms.prior_draw))
    return terms.log_likelihood - beta * cast("Array", terms.kl) - weight * discrepancy
