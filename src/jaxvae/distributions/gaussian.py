"""The Gaussian with diagonal covariance: posteriors, the standard normal prior, and a likelihood of images."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxvae.annotations import ArrayLike, Parameter, PRNGKey, PRNGKeys, Scalar
from jaxvae.distributions.base import (
    LOG_2PI,
    align,
    align_flat,
    draw_noise,
    register_distribution,
    scale_noise,
    sum_event,
)


@register_distribution("event_ndim")
@dataclass(frozen=True)
class Normal:
    """A Gaussian with diagonal covariance; `mean` and `log_variance` have the same shape [*b, *event]."""

    mean: Float[Parameter, "*shape"]
    log_variance: Float[Parameter, "*shape"]
    event_ndim: int

    @property
    def variance(self) -> Float[Array, "..."]:
        """The variance of each unit."""
        return jnp.exp(self.log_variance)

    @property
    def stddev(self) -> Float[Array, "..."]:
        """The standard deviation of each unit."""
        return jnp.exp(0.5 * self.log_variance)

    @property
    def mode(self) -> Float[Parameter, "..."]:
        """The value of highest density, which is the mean."""
        return self.mean

    def sample(
        self, key: PRNGKey | PRNGKeys, shape: tuple[int, ...] = (), temperature: Scalar = 1.0
    ) -> Float[Array, "..."]:
        """Draws mean + temperature * stddev * epsilon, epsilon ~ N(0, I).

        Args:
            key: One key for a single draw, or one key per example: then an example's draw does not depend on its batch.
            shape: Leading axes: `shape` draws for each example.
            temperature: Factor of the standard deviation; 0 returns the mean.

        Returns:
            Samples [*shape, *b, *event].
        """
        normal = partial(jax.random.normal, dtype=self.mean.dtype)
        noise = temperature * draw_noise(normal, key, shape, self.mean.shape)
        return scale_noise(self.mean, self.stddev, noise)

    def log_prob(self, value: Float[ArrayLike, "..."]) -> Float[Array, "..."]:
        """Returns log N(value; mean, variance) in nats per example, [*k, *b] for values [*k, *b, *event]."""
        x, mean, log_variance = align_flat(value, self.mean, self.log_variance, event_ndim=self.event_ndim)
        error = x - mean
        # As a dot product: to sum squares over pixels takes XLA's CPU backend twice as long.
        squares = jnp.einsum("...n,...n->...", error * jnp.exp(-log_variance), error, precision="highest")
        return -0.5 * (squares + jnp.sum(log_variance + LOG_2PI, axis=-1))

    def entropy(self) -> Float[Array, "..."]:
        """Returns the differential entropy Σ ½ log(2πe σ²) in nats per example."""
        return sum_event(0.5 * (1.0 + LOG_2PI + self.log_variance), self.event_ndim)

    def kl_units(self, other: "Normal") -> Float[Array, "..."]:
        """Returns KL(self || other) of each unit, in nats, [*b, *event].

        References:
            Kingma & Welling 2014, "Auto-encoding variational Bayes", appendix B, here for any second Gaussian.
        """
        mean, log_variance = align(other.mean, self.mean), align(other.log_variance, self.mean)
        ratio = self.log_variance - log_variance
        # (variance ratio) - 1 - log(ratio); expm1 keeps the digits that exp(r) - 1 loses near r = 0.
        return 0.5 * (jnp.expm1(ratio) - ratio + jnp.square(self.mean - mean) * jnp.exp(-log_variance))

    def kl(self, other: "Normal") -> Float[Array, "..."]:
        """Returns KL(self || other) in nats per example, in closed form: the sum of `kl_units`."""
        return sum_event(self.kl_units(other), self.event_ndim)


def standard_normal(shape: tuple[int, ...]) -> Normal:
    """Returns N(0, I) over events of this shape."""
    return Normal(jnp.zeros(shape), jnp.zeros(shape), len(shape))
