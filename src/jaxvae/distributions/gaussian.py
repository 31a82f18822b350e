"""Distributions over pictures and codes: plain values with `mean`, `sample` and `log_prob`.

The last `event_ndim` axes of the parameters form one event; the axes before them are independent examples.
All log-probabilities are per example, in nats, summed over the event. Letters used throughout the project:
b batch, k importance samples, h w c picture, d latent units.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jax.tree_util import register_dataclass
from jaxtyping import Float

from jaxvae.distributions.base import LOG_2PI, align, flat, sum_event


@partial(register_dataclass, data_fields=["mean", "log_variance"], meta_fields=["event_ndim"])
@dataclass(frozen=True)
class Normal:
    """A Gaussian with diagonal covariance; `mean` and `log_variance` have the same shape."""

    mean: Float[Array, "*b_event"]
    log_variance: Float[Array, "*b_event"]
    event_ndim: int

    def sample(self, key: Array, shape: tuple[int, ...] = (), temperature: float = 1.0) -> Float[Array, "*k_b_event"]:
        """Draws mean + temperature * sigma * epsilon, `shape` times for each example: in one draw from one key, or each
        example from its own of the keys [b], whatever batch it is in."""
        noise = temperature * _noise(key, shape, self.mean)
        return align(self.mean, noise) + align(jnp.exp(0.5 * self.log_variance), noise) * noise

    def log_prob(self, value: Float[Array, "*k_b_event"]) -> Float[Array, "*k_b"]:
        """log N(value; mean, variance) in nats."""
        parts = (value, align(self.mean, value), align(self.log_variance, value))
        x, mean, log_variance = (flat(part, self.event_ndim) for part in parts)
        squares = jnp.square(x - mean) * jnp.exp(-log_variance)
        return -0.5 * jnp.sum(squares + log_variance + LOG_2PI, axis=-1)

    def kl_units(self, other: "Normal") -> Float[Array, "*b_event"]:
        """KL(self || other) of each unit, in nats (Kingma & Welling 2014, appendix B, for any second Gaussian)."""
        mean, log_variance = align(other.mean, self.mean), align(other.log_variance, self.mean)
        ratio = self.log_variance - log_variance
        # (variance ratio) - 1 - log(ratio); expm1 keeps the digits that exp(r) - 1 loses near r = 0.
        return 0.5 * (jnp.expm1(ratio) - ratio + jnp.square(self.mean - mean) * jnp.exp(-log_variance))

    def kl(self, other: "Normal") -> Float[Array, "*b"]:
        """KL(self || other) in nats, in closed form: the sum over the units."""
        return sum_event(self.kl_units(other), self.event_ndim)


def _noise(key: Array, shape: tuple[int, ...], like: Array) -> Array:
    if key.ndim == 0:
        return jax.random.normal(key, shape + like.shape, like.dtype)
    draw = partial(jax.random.normal, shape=shape + like.shape[1:], dtype=like.dtype)
    return jax.vmap(draw, out_axes=len(shape))(key)


def standard_normal(shape: tuple[int, ...]) -> Normal:
    """N(0, I) over events of this shape."""
    return Normal(jnp.zeros(shape), jnp.zeros(shape), len(shape))
