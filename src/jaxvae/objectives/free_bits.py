"""Objectives that weigh the KL otherwise than by a factor. Each looks at a whole batch, and is for training alone."""

from typing import cast

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxvae.config import ObjectiveConfig
from jaxvae.objectives.schedules import capacity_at
from jaxvae.objectives.terms import Terms


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
