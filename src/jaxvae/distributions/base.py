"""The interface of a distribution, and what the distributions share: alignment, noise, sums over events."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxvae.annotations import ArrayLike, Parameter, PRNGKey, PRNGKeys

LOG_2PI = 1.8378770664093453


@runtime_checkable
class Distribution(Protocol):
    """What all distributions have in common. Shapes: see `jaxvae.distributions`."""

    @property
    def mean(self) -> Float[Array, "..."]:
        """The expected value [*b, *event]."""

    def sample(self, key: PRNGKey, shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        """Draws samples [*shape, *b, *event]."""

    def log_prob(self, value: Float[ArrayLike, "..."]) -> Float[Array, "..."]:
        """Returns the log-density or log-probability [*k, *b] of values [*k, *b, *event], in nats."""


def align(parameter: Float[Parameter, "..."], value: Float[ArrayLike, "..."]) -> Float[Array, "..."]:
    """Adds leading axes so that parameters [b, ...] meet values [k, b, ...] without rank promotion."""
    return jnp.expand_dims(parameter, range(value.ndim - parameter.ndim))


def flatten_event(array: Float[ArrayLike, "..."], event_ndim: int) -> Float[Array, "... n"]:
    """Merges the axes of the event into one, for terms that are computed per pixel and then summed.

    XLA's CPU backend takes forty times as long to sum over rows, columns and a last axis of one or three channels.
    """
    return jnp.asarray(array).reshape(*array.shape[: array.ndim - event_ndim], -1)


def align_flat(
    value: Float[ArrayLike, "..."], *parameters: Float[Parameter, "..."], event_ndim: int
) -> tuple[Float[Array, "... n"], ...]:
    """Returns the value and the parameters aligned with it, the axes of the event merged."""
    return tuple(flatten_event(part, event_ndim) for part in (value, *(align(each, value) for each in parameters)))


def sum_event(terms: Float[Parameter, "..."], event_ndim: int) -> Float[Array, "..."]:
    """Sums the terms of each event."""
    return jnp.sum(terms, axis=tuple(range(terms.ndim - event_ndim, terms.ndim)))


def draw_noise(
    sampler: Callable[[PRNGKey, tuple[int, ...]], Array],
    key: PRNGKey | PRNGKeys,
    shape: tuple[int, ...],
    parameter_shape: tuple[int, ...],
) -> Float[Array, "..."]:
    """Draws noise [*shape, *parameter_shape].

    Args:
        sampler: Draws an array of a shape from one key, such as `jax.random.normal`.
        key: One key for a single draw; or one per example, so that the noise of an example does not depend on its
            batch. Then the first axis of `parameter_shape` is the batch.
        shape: Leading axes.
        parameter_shape: Shape of the distribution's parameters, [*b, *event].
    """
    if key.ndim == 0:
        return sampler(key, shape + parameter_shape)
    return jax.vmap(lambda one: sampler(one, shape + parameter_shape[1:]), out_axes=len(shape))(key)


def scale_noise(
    location: Float[Parameter, "*shape"], scale: Float[Parameter, "*shape"], noise: Float[Array, "..."]
) -> Float[Array, "..."]:
    """Returns location + scale * noise, the reparameterised draw of a location-scale family.

    References:
        Kingma & Welling 2014, "Auto-encoding variational Bayes", section 2.4.
    """
    return align(location, noise) + align(scale, noise) * noise


def safe_sqrt(variance: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Returns the square root, with a gradient of 0 instead of infinity where a variance has rounded to 0."""
    positive = variance > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, variance, 1.0)), 0.0)
