"""TODO."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jax.tree_util import register_dataclass
from jaxtyping import Float

from jaxvae.distributions.base import align, flat


@partial(register_dataclass, data_fields=["mean", "log_scale"], meta_fields=["event_ndim"])
@dataclass(frozen=True)
class Laplace:
    """Density exp(-|x - mean| / b) / 2b with b = exp(log_scale): robust to single pixels that are far off."""

    mean: Float[Array, "*b_event"]
    log_scale: Float[Array, "*b_event"]
    event_ndim: int

    def sample(self, key: Array, shape: tuple[int, ...] = ()) -> Float[Array, "*k_b_event"]:
        """Draws, `shape` times for each example."""
        noise = jax.random.laplace(key, shape + self.mean.shape, self.mean.dtype)
        return align(self.mean, noise) + align(jnp.exp(self.log_scale), noise) * noise

    def log_prob(self, value: Float[Array, "*k_b_event"]) -> Float[Array, "*k_b"]:
        """The log-density in nats."""
        parts = (value, align(self.mean, value), align(self.log_scale, value))
        x, mean, log_scale = (flat(part, self.event_ndim) for part in parts)
        return -jnp.sum(jnp.abs(x - mean) * jnp.exp(-log_scale) + log_scale + jnp.log(2.0), axis=-1)
