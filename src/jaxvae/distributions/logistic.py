"""Discretised logistics: probabilities of pixels with finitely many values v / (levels - 1) in [0, 1]."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxvae.annotations import ArrayLike, Parameter, PRNGKey, PRNGKeys
from jaxvae.distributions.base import (
    align,
    align_flat,
    draw_noise,
    register_distribution,
    safe_sqrt,
    scale_noise,
    sum_event,
)


def log_logistic_bin(
    value: Float[ArrayLike, "*#shape"],
    mean: Float[Parameter, "*#shape"],
    log_scale: Float[Parameter, "*#shape"],
    levels: int,
) -> Float[Array, "*#shape"]:
    """Returns the log of the mass that a logistic puts on the bin around `value`, in nats.

    The bins of 0 and 1 reach to ∓∞, so that the masses sum to 1. With a and b the bin's standardised upper and lower
    edge, σ(a) - σ(b) = (1 - e^(b - a)) σ(a) σ(-b): no cancellation at any scale.

    Args:
        value: One of the `levels` values v / (levels - 1).
        mean: Location of the logistic.
        log_scale: Logarithm of its scale.
        levels: Number of values, and of bins.

    References:
        Salimans et al. 2017, "PixelCNN++", section 2.1.
    """
    half = 0.5 / (levels - 1)
    inverse = jnp.exp(-log_scale)
    upper, lower = (value - mean + half) * inverse, (value - mean - half) * inverse
    above, below = jax.nn.log_sigmoid(upper), jax.nn.log_sigmoid(-lower)
    inside = above + below + jnp.log(-jnp.expm1(-2.0 * half * inverse))
    return jnp.where(value < half, above, jnp.where(value > 1.0 - half, below, inside))


def round_to_level(value: Float[Array, "*shape"], levels: int) -> Float[Array, "*shape"]:
    """Returns the nearest of the values v / (levels - 1)."""
    return jnp.clip(jnp.round(value * (levels - 1)), 0, levels - 1) / (levels - 1)


@register_distribution("event_ndim", "levels")
@dataclass(frozen=True)
class DiscretizedLogistic:
    """Probabilities of the `levels` values v / (levels - 1): a logistic, cut into bins.

    `location` and `log_scale` have the same shape [*b, *event].

    References:
        Kingma et al. 2016, "Improving variational inference with inverse autoregressive flow".
    """

    location: Float[Parameter, "*shape"]
    log_scale: Float[Parameter, "*shape"]
    event_ndim: int
    levels: int = 256

    @property
    def mean(self) -> Float[Array, "..."]:
        """The location, clipped to [0, 1]: the mean of the logistic before it is cut into bins.

        The mean of the values themselves differs where much mass lies beyond 0 or 1.
        """
        return jnp.clip(self.location, 0.0, 1.0)

    @property
    def variance(self) -> Float[Array, "..."]:
        """The variance of each value around its exact mean, a sum over all levels."""
        mean = self._expect(lambda value, log_probs: value)
        return self._expect(lambda value, log_probs: jnp.square(value - mean))

    @property
    def stddev(self) -> Float[Array, "..."]:
        """The standard deviation of each value."""
        return safe_sqrt(self.variance)

    @property
    def mode(self) -> Float[Array, "..."]:
        """The most probable value: the level nearest to the location, or a border that collects a longer tail."""
        last = self.levels - 1
        nearest_inside = jnp.clip(jnp.round(self.location * last), 1, last - 1) / last
        candidates = jnp.stack([nearest_inside, jnp.zeros_like(nearest_inside), jnp.ones_like(nearest_inside)])
        logs = log_logistic_bin(candidates, self.location[None], self.log_scale[None], self.levels)
        return jnp.take_along_axis(candidates, jnp.argmax(logs, axis=0, keepdims=True), axis=0)[0]

    def sample(self, key: PRNGKey | PRNGKeys, shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        """Draws values v / (levels - 1), [*shape, *b, *event], from one key or from one key per example."""
        logistic = partial(jax.random.logistic, dtype=self.location.dtype)
        noise = draw_noise(logistic, key, shape, self.location.shape)
        return round_to_level(scale_noise(self.location, jnp.exp(self.log_scale), noise), self.levels)

    def log_prob(self, value: Float[ArrayLike, "..."]) -> Float[Array, "..."]:
        """Returns the log-probability in nats per example, [*k, *b] for values [*k, *b, *event]."""
        x, location, log_scale = align_flat(value, self.location, self.log_scale, event_ndim=self.event_ndim)
        return jnp.sum(log_logistic_bin(x, location, log_scale, self.levels), axis=-1)

    def entropy(self) -> Float[Array, "..."]:
        """Returns the entropy in nats per example, a sum over all levels."""
        return sum_event(self._expect(lambda value, log_probs: -log_probs), self.event_ndim)

    def _expect(self, term: Callable[[Array, Array], Array]) -> Float[Array, "..."]:
        """Returns Σ p(v) term(v, log p(v)) over all levels, one after the other to save memory."""

        def add(total: Array, level: Array) -> tuple[Array, None]:
            value = jnp.full_like(self.location, level / (self.levels - 1))
            log_probs = log_logistic_bin(value, self.location, self.log_scale, self.levels)
            return total + jnp.exp(log_probs) * term(value, log_probs), None

        total, _ = jax.lax.scan(add, jnp.zeros_like(self.location), jnp.arange(self.levels, dtype=jnp.float32))
        return total


@register_distribution("levels")
@dataclass(frozen=True)
class DiscretizedLogisticMixture:
    """Probabilities of images whose values are v / (levels - 1); m logistics for each pixel, shared by its channels.

    `couplings`, p = c(c - 1)/2 per pixel and logistic, shift the location of a channel by the values of the channels
    before it: green by red, blue by red and green. The coupled and clipped channels have no variance, entropy or mode
    in closed form.

    References:
        Salimans et al. 2017, "PixelCNN++", sections 2.1 and 2.2.
    """

    logits: Float[Parameter, "*b h w m"]
    locations: Float[Parameter, "*b h w c m"]
    log_scales: Float[Parameter, "*b h w c m"]
    couplings: Float[Parameter, "*b h w p m"]
    levels: int = 256

    @property
    def mean(self) -> Float[Array, "*b h w c"]:
        """The mean over the logistics before they are cut into bins, clipped to [0, 1]."""
        weights = jax.nn.softmax(self.logits)
        channels: list[Array] = []  # Per logistic, since a channel's mean depends on those before it within each.
        for i in range(self.locations.shape[-2]):
            channels.append(self._location(i, channels))
        return jnp.clip(jnp.sum(jnp.stack(channels, axis=-2) * weights[..., None, :], axis=-1), 0.0, 1.0)

    def sample(self, key: PRNGKey, shape: tuple[int, ...] = ()) -> Float[Array, "*k_b h w c"]:
        """Draws images [*shape, *b, h, w, c]: the logistic of each pixel first, then channel after channel."""
        which_key, noise_key = jax.random.split(key)
        logits = jnp.broadcast_to(align(self.logits, jnp.zeros(shape + self.logits.shape)), shape + self.logits.shape)
        chosen = jax.nn.one_hot(jax.random.categorical(which_key, logits), logits.shape[-1])
        noise = jax.random.logistic(noise_key, shape + self.locations.shape[:-1])
        channels: list[Array] = []
        for i in range(self.locations.shape[-2]):
            values = [jnp.broadcast_to(channel[..., None], chosen.shape) for channel in channels]
            location = jnp.sum(align(self._location(i, values), chosen) * chosen, axis=-1)
            scale = jnp.exp(jnp.sum(align(self.log_scales[..., i, :], chosen) * chosen, axis=-1))
            channels.append(round_to_level(location + scale * noise[..., i], self.levels))
        return jnp.stack(channels, axis=-1)

    def log_prob(self, value: Float[ArrayLike, "*k_b h w c"]) -> Float[Array, "*k_b"]:
        """Returns the log-probability in nats per image, [*k, *b] for values [*k, *b, h, w, c]."""
        value = jnp.asarray(value)
        values = [value[..., i, None] for i in range(value.shape[-1])]
        log_weights = jax.nn.log_softmax(self.logits)
        total = jnp.broadcast_to(align(log_weights, values[0]), (*value.shape[:-1], log_weights.shape[-1]))
        for i, channel in enumerate(values):
            location = self._location(i, values[:i])
            log_scale = align(self.log_scales[..., i, :], channel)
            total = total + log_logistic_bin(channel, align(location, channel), log_scale, self.levels)
        return sum_event(jax.nn.logsumexp(total, axis=-1), 2)

    def _location(self, channel: int, before: list[Array]) -> Float[Parameter, "..."]:
        # The paper couples values in [-1, 1]; centring at one half makes the two the same.
        location = self.locations[..., channel, :]
        first = channel * (channel - 1) // 2
        for i, value in enumerate(before):
            coupling = self.couplings[..., first + i, :]
            location = align(location, value) + align(coupling, value) * (value - 0.5)
        return location
