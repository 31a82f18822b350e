"""Numbers derived from the per-example terms."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxvae.annotations import ArrayLike
from jaxvae.likelihoods import StoredBits

ACTIVE_VARIANCE = 0.01


def bits_per_dim(log_prob_nats: Float[ArrayLike, " b"], bits: StoredBits, dimensions: int) -> Float[Array, " b"]:
    """Bits per stored value from log p(x) in nats per example; smaller is better."""
    return bits.volume - jnp.asarray(log_prob_nats) / (dimensions * math.log(2.0))


def with_bits_per_dim(
    metrics: dict[str, Float[Array, " b"]], bits: StoredBits | None, dimensions: int
) -> dict[str, Float[Array, " b"]]:
    """Returns the metrics in nats with bits per dimension of the ELBO added, where the pixels allow them.

    Args:
        metrics: named numbers per example; training and evaluation both report their means.
        bits: what bits per dimension mean here; None adds nothing.
        dimensions: stored values per image.
    """
    if bits is None or "elbo_nats" not in metrics:
        return metrics
    return metrics | {"bits_per_dim": bits_per_dim(metrics["elbo_nats"], bits, dimensions)}


def active_units(mean: Any) -> Float[Array, ""]:
    """How many latent units vary with the picture: Var_x(E[z|x]) > 0.01 (Burda et al. 2016, section 5.2).

    `mean` holds the posterior means, a pytree of [b, ...]. Over one batch this is an estimate.
    """
    counts = [jnp.sum(jnp.var(leaf, axis=0) > ACTIVE_VARIANCE) for leaf in jax.tree.leaves(mean)]
    return jnp.sum(jnp.stack(counts)).astype(jnp.float32)
