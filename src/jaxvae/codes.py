"""Codes, which are pytrees, as rows of numbers and back."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float


def flatten(code: Any, batch_ndim: int = 1) -> Float[Array, "*b d"]:
    """Codes, a pytree of [*b, ...] with so many batch axes, as rows."""
    rows = [leaf.reshape(*leaf.shape[:batch_ndim], -1) for leaf in jax.tree.leaves(code)]
    return jnp.concatenate(rows, axis=-1)


def unflatten(rows: Float[Array, "*b d"], like: Any) -> Any:
    """Rows back to codes; `like` is a pytree of the shape of one code, without batch axes."""
    leaves, structure = jax.tree.flatten(like)
    ends = np.cumsum([math.prod(leaf.shape) for leaf in leaves])
    parts = jnp.split(rows, ends[:-1], axis=-1)
    shaped = [part.reshape(*rows.shape[:-1], *leaf.shape) for part, leaf in zip(parts, leaves, strict=True)]
    return jax.tree.unflatten(structure, shaped)
