"""Objectives that weight the KL other than by a factor. They look at a whole batch, and are for training alone."""

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxvae.vae import Inference


def free_value(terms: Inference, beta: Float[Array, ""], free_nats: float, groups: str) -> Float[Array, " b"]:
    """Returns log p(x|z) − β Σ max(λ, mean KL of the group): λ nats are free (Kingma et al. 2016, equation 15).

    Args:
        terms: of the batch.
        beta: the weight.
        free_nats: λ, in nats per group.
        groups: what a group is: each "unit", each "channel" of a spatial code, or the whole "code".
    """
    if groups == "code":
        means = jnp.mean(terms.kl)[None]
    else:
        if terms.kl_units is None:
            raise TypeError("free nats per unit need a KL in closed form, unit by unit; this model has none.")
        units = jnp.mean(terms.kl_units, axis=0)
        positions = tuple(range(units.ndim - 1)) if groups == "channel" else ()
        means = jnp.sum(units, axis=positions)
    return terms.log_likelihood - beta * jnp.sum(jnp.maximum(free_nats, means))


def capacity_value(terms: Inference, beta: Float[Array, ""], target: Float[Array, ""]) -> Float[Array, " b"]:
    """Returns log p(x|z) − β |mean KL − C| for a target C in nats (Burgess et al. 2018, equation 8)."""
    return terms.log_likelihood - beta * jnp.abs(jnp.mean(terms.kl) - target)
