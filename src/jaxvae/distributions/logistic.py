"""Distributions over pixel values in [0, 1] beyond the Gaussian and the coin.

As in `distributions`: the last `event_ndim` axes are one event, log-probabilities are per example, in nats. The last
axis of a picture holds its colours.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jax.tree_util import register_dataclass
from jaxtyping import Float

from jaxvae.distributions.base import align, flat, sum_event


def log_logistic_bin(
    value: Float[Array, "..."], mean: Float[Array, "..."], log_scale: Float[Array, "..."], levels: int
) -> Float[Array, "..."]:
    """log of the mass that a logistic puts on the bin around `value`, one of `levels` values v / (levels - 1).

    The bins of 0 and 1 reach to ∓∞, so that the masses sum to 1 (Salimans et al. 2017, section 2.1). With a and b the
    bin's standardised upper and lower edge, σ(a) - σ(b) = (1 - e^(b - a)) σ(a) σ(-b): no cancellation at any scale.
    """
    half = 0.5 / (levels - 1)
    inverse = jnp.exp(-log_scale)
    upper, lower = (value - mean + half) * inverse, (value - mean - half) * inverse
    above, below = jax.nn.log_sigmoid(upper), jax.nn.log_sigmoid(-lower)
    inside = above + below + jnp.log(-jnp.expm1(-2.0 * half * inverse))
    return jnp.where(value < half, above, jnp.where(value > 1.0 - half, below, inside))


@partial(register_dataclass, data_fields=["location", "log_scale"], meta_fields=["event_ndim", "levels"])
@dataclass(frozen=True)
class DiscretizedLogistic:
    """Probabilities of the `levels` values v / (levels - 1): a logistic, cut into bins (Kingma et al. 2016)."""

    location: Float[Array, "*b_event"]
    log_scale: Float[Array, "*b_event"]
    event_ndim: int
    levels: int = 256

    @property
    def mean(self) -> Float[Array, "*b_event"]:
        """The location, cut off at 0 and 1: the mean of the logistic before it is cut into bins."""
        return jnp.clip(self.location, 0.0, 1.0)

    def sample(self, key: Array, shape: tuple[int, ...] = ()) -> Float[Array, "*k_b_event"]:
        """Draws values v / (levels - 1), `shape` times for each example."""
        noise = jax.random.logistic(key, shape + self.location.shape, self.location.dtype)
        drawn = align(self.location, noise) + align(jnp.exp(self.log_scale), noise) * noise
        return to_level(drawn, self.levels)

    def log_prob(self, value: Float[Array, "*k_b_event"]) -> Float[Array, "*k_b"]:
        """The log-probability in nats."""
        parts = (value, align(self.location, value), align(self.log_scale, value))
        x, location, log_scale = (flat(part, self.event_ndim) for part in parts)
        return jnp.sum(log_logistic_bin(x, location, log_scale, self.levels), axis=-1)


def to_level(value: Float[Array, "..."], levels: int) -> Float[Array, "..."]:
    """The nearest of the values v / (levels - 1)."""
    return jnp.clip(jnp.round(value * (levels - 1)), 0, levels - 1) / (levels - 1)


@partial(register_dataclass, data_fields=["logits", "locations", "log_scales", "couplings"], meta_fields=["levels"])
@dataclass(frozen=True)
class DiscretizedLogisticMixture:
    """Probabilities of pictures whose values are v / (levels - 1); m logistics for each pixel, shared by its colours.

    `locations` and `log_scales` are [..., h, w, c, m]; `logits` of the m logistics [..., h, w, m]. `couplings`
    [..., h, w, c(c - 1)/2, m] shift the location of a colour by the values of the colours before it: green by
    red, blue by red and green.
    """

    logits: Float[Array, "*b h w m"]
    locations: Float[Array, "*b h w c m"]
    log_scales: Float[Array, "*b h w c m"]
    couplings: Float[Array, "*b h w p m"]
    levels: int = 256

    @property
    def mean(self) -> Float[Array, "*b h w c"]:
        """The mean over the logistics, before they are cut into bins, cut off at 0 and 1."""
        weights = jax.nn.softmax(self.logits)
        colors: list[Array] = []  # Per logistic, since a colour's mean hangs on those before it within each.
        for i in range(self.locations.shape[-2]):
            colors.append(self._location(i, colors))
        return jnp.clip(jnp.sum(jnp.stack(colors, axis=-2) * weights[..., None, :], axis=-1), 0.0, 1.0)

    def sample(self, key: Array, shape: tuple[int, ...] = ()) -> Float[Array, "*k_b h w c"]:
        """Draws pictures: the logistic of each pixel first, then colour after colour."""
        which_key, noise_key = jax.random.split(key)
        logits = jnp.broadcast_to(align(self.logits, jnp.zeros(shape + self.logits.shape)), shape + self.logits.shape)
        chosen = jax.nn.one_hot(jax.random.categorical(which_key, logits), logits.shape[-1])
        noise = jax.random.logistic(noise_key, shape + self.locations.shape[:-1])
        colors: list[Array] = []
        for i in range(self.locations.shape[-2]):
            values = [jnp.broadcast_to(color[..., None], chosen.shape) for color in colors]
            location = jnp.sum(align(self._location(i, values), chosen) * chosen, axis=-1)
            scale = jnp.exp(jnp.sum(align(self.log_scales[..., i, :], chosen) * chosen, axis=-1))
            colors.append(to_level(location + scale * noise[..., i], self.levels))
        return jnp.stack(colors, axis=-1)

    def log_prob(self, value: Float[Array, "*k_b h w c"]) -> Float[Array, "*k_b"]:
        """The log-probability in nats."""
        values = [value[..., i, None] for i in range(value.shape[-1])]
        log_weights = jax.nn.log_softmax(self.logits)
        total = jnp.broadcast_to(align(log_weights, values[0]), (*value.shape[:-1], log_weights.shape[-1]))
        for i, each in enumerate(values):
            location = self._location(i, values[:i])
            log_scale = align(self.log_scales[..., i, :], each)
            total = total + log_logistic_bin(each, align(location, each), log_scale, self.levels)
        return sum_event(jax.nn.logsumexp(total, axis=-1), 2)

    def _location(self, color: int, before: list[Array]) -> Array:
        # The paper couples values in [-1, 1]; centring at one half makes the two the same.
        location = self.locations[..., color, :]
        first = color * (color - 1) // 2
        for i, value in enumerate(before):
            coupling = self.couplings[..., first + i, :]
            location = align(location, value) + align(coupling, value) * (value - 0.5)
        return location
