"""The Laplace distribution, a likelihood of images that tolerates outliers."""

import math
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxvae.annotations import ArrayLike, Parameter, PRNGKey, PRNGKeys
from jaxvae.distributions.base import align_flat, draw_noise, register_distribution, scale_noise, sum_event


@register_distribution("event_ndim")
@dataclass(frozen=True)
class Laplace:
    """The density exp(-|x - mean| / b) / 2b with b = exp(log_scale): robust to single pixels that are far off.

    `mean` and `log_scale` have the same shape [*b, *event].
    """

    mean: Float[Parameter, "*shape"]
    log_scale: Float[Parameter, "*shape"]
    event_ndim: int

    @property
    def variance(self) -> Float[Array, "..."]:
        """The variance 2b² of each pixel."""
        return 2.0 * jnp.exp(2.0 * self.log_scale)

    @property
    def stddev(self) -> Float[Array, "..."]:
        """The standard deviation √2 b of each pixel."""
        return math.sqrt(2.0) * jnp.exp(self.log_scale)

    @property
    def mode(self) -> Float[Parameter, "..."]:
        """The value of highest density, which is the mean."""
        return self.mean

    def sample(self, key: PRNGKey | PRNGKeys, shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        """Draws samples [*shape, *b, *event], from one key or from one key per example."""
        laplace = partial(jax.random.laplace, dtype=self.mean.dtype)
        return scale_noise(self.mean, jnp.exp(self.log_scale), draw_noise(laplace, key, shape, self.mean.shape))

    def log_prob(self, value: Float[ArrayLike, "..."]) -> Float[Array, "..."]:
        """Returns the log-density in nats per example, [*k, *b] for values [*k, *b, *event]."""
        x, mean, log_scale = align_flat(value, self.mean, self.log_scale, event_ndim=self.event_ndim)
        return -jnp.sum(jnp.abs(x - mean) * jnp.exp(-log_scale) + log_scale + jnp.log(2.0), axis=-1)

    def entropy(self) -> Float[Array, "..."]:
        """Returns the differential entropy Σ log(2be) in nats per example."""
        return sum_event(1.0 + math.log(2.0) + self.log_scale, self.event_ndim)
