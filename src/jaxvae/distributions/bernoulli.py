"""The Bernoulli distribution of bits, and its continuous relative on [0, 1]."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

from jaxvae.annotations import ArrayLike, Parameter, PRNGKey, PRNGKeys
from jaxvae.distributions.base import align, align_flat, draw_noise, register_distribution, safe_sqrt, sum_event

# |logits| of the continuous Bernoulli below which a series replaces the closed form, which divides 0 by 0 at 0. The
# mean (in its gradient), the variance and the entropy cancel more digits than the normaliser; their series are longer.
NEAR_ZERO, MEAN_NEAR_ZERO, VARIANCE_NEAR_ZERO, ENTROPY_NEAR_ZERO = 1e-2, 1.0, 1.0, 0.5


@register_distribution("event_ndim")
@dataclass(frozen=True)
class Bernoulli:
    """Independent bits, each 1 with probability sigmoid(logits); `logits` are [*b, *event]."""

    logits: Float[Parameter, "..."]
    event_ndim: int

    @property
    def mean(self) -> Float[Array, "..."]:
        """The probability of a 1."""
        return jax.nn.sigmoid(self.logits)

    @property
    def variance(self) -> Float[Array, "..."]:
        """The variance p (1 - p) of each bit."""
        return jax.nn.sigmoid(self.logits) * jax.nn.sigmoid(-self.logits)

    @property
    def stddev(self) -> Float[Array, "..."]:
        """The standard deviation √(p (1 - p)) of each bit."""
        # Through logarithms, since the square root has no finite gradient where the variance rounds to 0.
        return jnp.exp(0.5 * (jax.nn.log_sigmoid(self.logits) + jax.nn.log_sigmoid(-self.logits)))

    @property
    def mode(self) -> Float[Array, "..."]:
        """The more probable value of each bit; 0 where both are equally probable."""
        return (self.logits > 0).astype(self.logits.dtype)

    def sample(self, key: PRNGKey | PRNGKeys, shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        """Draws zeros and ones [*shape, *b, *event], from one key or from one key per example."""
        uniform = draw_noise(jax.random.uniform, key, shape, self.logits.shape)
        return (uniform < align(self.mean, uniform)).astype(self.logits.dtype)

    def log_prob(self, value: Float[ArrayLike, "..."]) -> Float[Array, "..."]:
        """Returns Σ x log p + (1 - x) log(1 - p) in nats per example, [*k, *b] for values [*k, *b, *event].

        For grey values in [0, 1] this is the negative cross-entropy, and not the logarithm of a density.
        """
        # x l - log(1 + e^l) with the larger part of the logarithm taken out: exact where sigmoid has long rounded to 0
        # or 1, with one exponential and one logarithm per pixel, where two log-sigmoids take four.
        x, logits = align_flat(value, self.logits, event_ndim=self.event_ndim)
        positive = jnp.maximum(logits, 0.0)
        size = 2.0 * positive - logits  # |l|, with a slope at 0 that fits the one of `positive`.
        return jnp.sum(x * logits - positive - jnp.log1p(jnp.exp(-size)), axis=-1)

    def entropy(self) -> Float[Array, "..."]:
        """Returns the entropy Σ -p log p - (1 - p) log(1 - p) in nats per example."""
        # log(1 + e^-|l|) + |l| sigmoid(-|l|): all terms are positive, so that none cancels another at any logit.
        size = jnp.abs(self.logits)
        return sum_event(jnp.log1p(jnp.exp(-size)) + size * jax.nn.sigmoid(-size), self.event_ndim)


@register_distribution("event_ndim")
@dataclass(frozen=True)
class ContinuousBernoulli:
    """The density proportional to λ^x (1 - λ)^(1 - x) on [0, 1], λ = sigmoid(logits), normalised.

    With η = logits it is the exponential family e^(ηx) η / (e^η - 1). `logits` are [*b, *event].

    References:
        Loaiza-Ganem & Cunningham 2019, "The continuous Bernoulli: fixing a pervasive error in variational
        autoencoders", section 3.
    """

    logits: Float[Parameter, "..."]
    event_ndim: int

    @property
    def mean(self) -> Float[Array, "..."]:
        """1 / (1 - e^(-η)) - 1 / η, which is not λ."""
        # At -|η|, and 1 less that for positive η: nothing overflows, and small means keep their digits.
        size = jnp.abs(self.logits)
        small = size < MEAN_NEAR_ZERO
        near, far = jnp.where(small, self.logits, 0.0), jnp.where(small, 1.0, size)
        series = 0.5 + near / 12.0 - near**3 / 720.0 + near**5 / 30240.0 - near**7 / 1209600.0
        closed = 1.0 / far + jnp.exp(-far) / jnp.expm1(-far)
        return jnp.where(small, series, jnp.where(self.logits > 0.0, 1.0 - closed, closed))

    @property
    def variance(self) -> Float[Array, "..."]:
        """1 / η² - 1 / (4 sinh²(η / 2)) of each pixel."""
        size = jnp.abs(self.logits)
        small = size < VARIANCE_NEAR_ZERO
        near, far = jnp.square(jnp.where(small, size, 0.0)), jnp.where(small, 1.0, size)
        series = 1.0 / 12.0 - near / 240.0 + near**2 / 6048.0 - near**3 / 172800.0
        return jnp.where(small, series, jnp.square(1.0 / far) - jnp.exp(-far) / jnp.square(jnp.expm1(-far)))

    @property
    def stddev(self) -> Float[Array, "..."]:
        """The standard deviation of each pixel."""
        return safe_sqrt(self.variance)

    @property
    def mode(self) -> Float[Array, "..."]:
        """The value of highest density: 0 or 1 by the sign of the logit, and 0.5 where the density is uniform."""
        return 0.5 + 0.5 * jnp.sign(self.logits)

    def sample(self, key: PRNGKey | PRNGKeys, shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        """Draws samples [*shape, *b, *event] by inverting the distribution function: log((1 - u) + u e^η) / η."""
        uniform = partial(jax.random.uniform, minval=1e-7, maxval=1.0)
        u = draw_noise(uniform, key, shape, self.logits.shape)
        eta, small = (jnp.expand_dims(each, range(len(shape))) for each in self._safe())
        drawn = jnp.logaddexp(jnp.log1p(-u), jnp.log(u) + eta) / eta
        return jnp.clip(jnp.where(small, u, drawn), 0.0, 1.0)

    def log_prob(self, value: Float[ArrayLike, "..."]) -> Float[Array, "..."]:
        """Returns the log-density in nats per example, [*k, *b] for values [*k, *b, *event]."""
        eta, small = self._safe()
        size = jnp.abs(eta)
        # log(η / (e^η - 1)) without overflow; its series near 0, where the quotient is 0 / 0.
        far = jnp.log(size) - jnp.log(-jnp.expm1(-size)) - jnp.maximum(eta, 0.0)
        log_normalizer = jnp.where(small, -self.logits / 2.0 - jnp.square(self.logits) / 24.0, far)
        return sum_event(align(self.logits, value) * value + align(log_normalizer, value), self.event_ndim)

    def entropy(self) -> Float[Array, "..."]:
        """Returns the differential entropy in nats per example: at most 0, that of the uniform density."""
        # -η mean - log(η / (e^η - 1)) at -|η|, which has the same entropy and no large terms that cancel.
        size = jnp.abs(self.logits)
        small = size < ENTROPY_NEAR_ZERO
        near, far = jnp.square(jnp.where(small, size, 0.0)), jnp.where(small, 1.0, size)
        series = -near / 24.0 + near**2 / 960.0 - near**3 / 36288.0
        below_one = -jnp.expm1(-far)
        closed = 1.0 - far * jnp.exp(-far) / below_one - jnp.log(far) + jnp.log(below_one)
        return sum_event(jnp.where(small, series, closed), self.event_ndim)

    def _safe(self) -> tuple[Float[Array, "*shape"], Bool[Array, "*shape"]]:
        # The branch that `where` does not take must be finite too, or its gradient is not.
        small = jnp.abs(self.logits) < NEAR_ZERO
        return jnp.where(small, 1.0, self.logits), small
