"""Numbers derived from the per-example terms."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

ACTIVE_VARIANCE = 0.01


def bits_per_dim(log_prob_nats: Float[Array, " b"], bit_depth: int, dimensions: int) -> Float[Array, " b"]:
    """Bits per stored value from log p(x) in nats per example; smaller is better.

    A density over dequantised pixels (v + u) / 2^bits weighs a stored value by its volume, 2^-bits per dimension
    (Theis et al. 2016, section 3.1); a probability over binary pixels has no volume to count.
    """
    volume_bits = bit_depth if bit_depth > 1 else 0
    return volume_bits - log_prob_nats / (dimensions * math.log(2.0))


def active_units(mean: Any) -> Float[Array, ""]:
    """How many latent units vary with the picture: Var_x(E[z|x]) > 0.01 (Burda et al. 2016, section 5.2).

    `mean` holds the posterior means, a pytree of [b, ...]. Over one batch this is an estimate.
    """
    counts = [jnp.sum(jnp.var(leaf, axis=0) > ACTIVE_VARIANCE) for leaf in jax.tree.leaves(mean)]
    return jnp.sum(jnp.stack(counts)).astype(jnp.float32)
