"""The interface of a distribution, and what the distributions share: alignment, noise, sums over events."""

import math
from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Any, Protocol, TypeVar, runtime_checkable

import jax
import jax.numpy as jnp
from jax import Array
from jax.tree_util import GetAttrKey, register_pytree_with_keys
from jaxtyping import Float

from jaxvae.annotations import ArrayLike, Parameter, PRNGKey, PRNGKeys
from jaxvae.errors import UserError

LOG_2PI = 1.8378770664093453

Class = TypeVar("Class", bound=type[Any])


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


def register_distribution(*static: str) -> Callable[[Class], Class]:
    """Makes a dataclass a pytree: its fields are the children, except those named, which are part of the structure.

    Put it above `@dataclass(frozen=True)`, as in `@register_distribution("event_ndim")`.
    """

    def register(kind: Class) -> Class:
        dynamic = [field.name for field in fields(kind) if field.name not in static]

        def flatten(instance: Any) -> tuple[list[Any], tuple[Any, ...]]:
            return [getattr(instance, name) for name in dynamic], tuple(getattr(instance, name) for name in static)

        def flatten_with_keys(instance: Any) -> tuple[list[tuple[GetAttrKey, Any]], tuple[Any, ...]]:
            children, structure = flatten(instance)
            return [(GetAttrKey(name), child) for name, child in zip(dynamic, children, strict=True)], structure

        def unflatten(structure: tuple[Any, ...], children: Iterable[Any]) -> Any:
            # JAX also rebuilds a pytree around placeholders: axes of vmap, shapes, None. A constructor that checks its
            # arguments, as ours do in the tests, would refuse them, so it is not called.
            instance = object.__new__(kind)
            for name, value in zip((*dynamic, *static), (*children, *structure), strict=True):
                object.__setattr__(instance, name, value)
            return instance

        register_pytree_with_keys(kind, flatten_with_keys, unflatten, flatten)
        return kind

    return register


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


def draw_in_rows(
    sampler: Callable[[PRNGKey, tuple[int, ...]], Array], key: PRNGKey, shape: tuple[int, ...]
) -> Float[Array, "..."]:
    """Returns `sampler(key, shape)`, drawn as rows of numbers that depend on their place alone.

    XLA's CPU backend vectorises along the last axis, and takes four times as long where that has three channels.
    """
    return sampler(key, (shape[0], math.prod(shape[1:]))).reshape(shape) if len(shape) > 2 else sampler(key, shape)


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
        return draw_in_rows(sampler, key, shape + parameter_shape)
    return jax.vmap(lambda one: draw_in_rows(sampler, one, shape + parameter_shape[1:]), out_axes=len(shape))(key)


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


def log_variances(distribution: Any) -> Any | None:
    """Returns the log-variance of each unit, shaped like its mean; None where the distribution has no variance."""
    if hasattr(distribution, "log_variance"):
        return distribution.log_variance
    variance = getattr(distribution, "variance", None)
    return None if variance is None else jax.tree.map(jnp.log, variance)


def require_log_variances(posterior: Any) -> Any:
    """Returns the log-variance of each unit of q(z|x); raises UserError where it has no variance."""
    if (found := log_variances(posterior)) is None:
        raise UserError(f"the posterior, {type(posterior).__name__}, has no `variance`; add one, shaped like its mean.")
    return found
