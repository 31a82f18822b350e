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

from jaxvae.distributions import align, flat, sum_event

NEAR_ZERO = 1e-2


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


@partial(register_dataclass, data_fields=["logits"], meta_fields=["event_ndim"])
@dataclass(frozen=True)
class ContinuousBernoulli:
    """Density proportional to λ^x (1 - λ)^(1 - x) on [0, 1], λ = sigmoid(logits), normalised.

    References:
        Loaiza-Ganem & Cunningham 2019, "The continuous Bernoulli: fixing a pervasive error in variational
        autoencoders". With η = logits it is the exponential family e^(ηx) η / (e^η - 1).
    """

    logits: Float[Array, "*b_event"]
    event_ndim: int

    @property
    def mean(self) -> Float[Array, "*b_event"]:
        """1 / (1 - e^(-η)) - 1 / η, which is not λ."""
        eta, small = self._safe()
        return jnp.where(small, 0.5 + self.logits / 12.0, 1.0 / -jnp.expm1(-eta) - 1.0 / eta)

    def sample(self, key: Array, shape: tuple[int, ...] = ()) -> Float[Array, "*k_b_event"]:
        """Draws by the inverse of the distribution function, log((1 - u) + u e^η) / η."""
        u = jax.random.uniform(key, shape + self.logits.shape, minval=1e-7, maxval=1.0)
        eta, small = (align(each, u) for each in self._safe())
        drawn = jnp.logaddexp(jnp.log1p(-u), jnp.log(u) + eta) / eta
        return jnp.clip(jnp.where(small, u, drawn), 0.0, 1.0)

    def log_prob(self, value: Float[Array, "*k_b_event"]) -> Float[Array, "*k_b"]:
        """The log-density in nats."""
        eta, small = self._safe()
        size = jnp.abs(eta)
        # log(η / (e^η - 1)) without overflow; its series near 0, where the quotient is 0 / 0.
        far = jnp.log(size) - jnp.log(-jnp.expm1(-size)) - jnp.maximum(eta, 0.0)
        log_normalizer = jnp.where(small, -self.logits / 2.0 - jnp.square(self.logits) / 24.0, far)
        return sum_event(align(self.logits, value) * value + align(log_normalizer, value), self.event_ndim)

    def _safe(self) -> tuple[Array, Array]:
        # The branch that `where` does not take must be finite too, or its gradient is not.
        small = jnp.abs(self.logits) < NEAR_ZERO
        return jnp.where(small, 1.0, self.logits), small


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
