"""TODO."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jax.tree_util import register_dataclass
from jaxtyping import Float

from jaxvae.distributions.base import align, flat, sum_event


@partial(register_dataclass, data_fields=["logits"], meta_fields=["event_ndim"])
@dataclass(frozen=True)
class Bernoulli:
    """Independent coins with success probability sigmoid(logits)."""

    logits: Float[Array, "*b_event"]
    event_ndim: int

    @property
    def mean(self) -> Float[Array, "*b_event"]:
        return jax.nn.sigmoid(self.logits)

    def sample(self, key: Array, shape: tuple[int, ...] = ()) -> Float[Array, "*k_b_event"]:
        """Draws zeros and ones, `shape` times for each example."""
        uniform = jax.random.uniform(key, shape + self.logits.shape)
        return (uniform < align(self.mean, uniform)).astype(self.logits.dtype)

    def log_prob(self, value: Float[Array, "*k_b_event"]) -> Float[Array, "*k_b"]:
        """Σ x log p + (1 - x) log(1 - p) in nats; for grey values in [0, 1] the (negative) cross-entropy."""
        # x l - log(1 + e^l) with the larger part of the logarithm taken out: exact where sigmoid has long rounded to 0
        # or 1, with one exponential and one logarithm a pixel, where two log-sigmoids take four.
        x, logits = (flat(part, self.event_ndim) for part in (value, align(self.logits, value)))
        positive = jnp.maximum(logits, 0.0)
        size = 2.0 * positive - logits  # |l|, with a slope at 0 that fits the one of `positive`.
        return jnp.sum(x * logits - positive - jnp.log1p(jnp.exp(-size)), axis=-1)


NEAR_ZERO = 1e-2


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
