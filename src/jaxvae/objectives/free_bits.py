"""Objectives that weight the KL other than by a factor. They look at a whole batch, and are for training alone."""

import jax
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
        groups: what a group is: each "unit", each "channel" of a map (in each block of a hierarchy), each "level" of a
            hierarchy, or the whole "code".
    """
    if groups == "code":
        means = jnp.mean(terms.kl)[None]
    elif groups == "level":
        if terms.kl_levels is None:
            raise TypeError("free nats per level need a hierarchy; the codes of this model have a single level.")
        means = jnp.stack([jnp.mean(kl) for kl in terms.kl_levels.values()])
    else:
        if None in jax.tree.leaves(terms.kl_units, is_leaf=lambda leaf: leaf is None):
            raise TypeError("free nats per unit need a KL in closed form, unit by unit; this model has none.")
        parts = []
        for leaf in jax.tree.leaves(terms.kl_units):
            units = jnp.mean(leaf, axis=0)
            # Of a map [h, w, c] its places; those of a hierarchy have an axis of blocks before them.
            positions = (units.ndim - 3, units.ndim - 2) if groups == "channel" and units.ndim > 2 else ()
            parts.append(jnp.sum(units, axis=positions).reshape(-1))
        means = jnp.concatenate(parts)
    return terms.log_likelihood - beta * jnp.sum(jnp.maximum(free_nats, means))


def capacity_value(terms: Inference, beta: Float[Array, ""], target: Float[Array, ""]) -> Float[Array, " b"]:
    """Returns log p(x|z) − β |mean KL − C| for a target C in nats (Burgess et al. 2018, equation 8)."""
    return terms.log_likelihood - beta * jnp.abs(jnp.mean(terms.kl) - target)
