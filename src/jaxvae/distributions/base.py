"""TODO."""

import jax.numpy as jnp
from jax import Array

LOG_2PI = 1.8378770664093453


def align(parameter: Array, value: Array) -> Array:
    """Adds leading axes so that parameters [b, ...] meet values [k, b, ...] without rank promotion."""
    return jnp.expand_dims(parameter, range(value.ndim - parameter.ndim))


def flat(array: Array, event_ndim: int) -> Array:
    """The event's axes as one, for what is computed pixel by pixel and then added up.

    XLA's CPU backend needs forty times as long for a sum over rows, columns and a last axis of one or three colours.
    """
    return array.reshape(*array.shape[: array.ndim - event_ndim], -1)


def sum_event(terms: Array, event_ndim: int) -> Array:
    """Adds up the terms of each event."""
    return jnp.sum(terms, axis=tuple(range(terms.ndim - event_ndim, terms.ndim)))
