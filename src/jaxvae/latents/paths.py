"""Paths between two codes, each a pytree of arrays without a batch axis; degree 0 is the first end, 1 the second."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

Path = Callable[[Any, Any, Float[Array, " b"]], Any]


def linear(first: Any, second: Any, degrees: Float[Array, " b"]) -> Any:
    """The straight line: (1 − t) a + t b, stacked along a new first axis [b, ...]."""

    def along(a: Array, b: Array) -> Array:
        t = degrees.reshape(-1, *(1,) * a.ndim)
        return (1.0 - t) * a[None] + t * b[None]

    return jax.tree.map(along, first, second)


def spherical(first: Any, second: Any, degrees: Float[Array, " b"]) -> Any:
    """The great circle between the directions of the two codes, with the norm interpolated (Shoemake 1985; White 2016).

    Codes of N(0, I) in many dimensions lie near a sphere, which a straight line cuts through. Ends that point the
    same way, in opposite ones, or nowhere have no great circle of their own; they are joined by the straight line.
    """

    def along(a: Array, b: Array) -> Array:
        norms = jnp.linalg.norm(a), jnp.linalg.norm(b)
        cosine = jnp.sum(a * b) / jnp.maximum(norms[0] * norms[1], 1e-12)
        angle = jnp.arccos(jnp.clip(cosine, -1.0, 1.0))
        t = degrees.reshape(-1, *(1,) * a.ndim)
        sine = jnp.sin(angle)
        turns = (sine > 1e-3) & (norms[0] * norms[1] > 1e-12)
        safe = jnp.where(turns, sine, 1.0)
        direction = (jnp.sin((1.0 - t) * angle) * (a / jnp.maximum(norms[0], 1e-12))[None]
                     + jnp.sin(t * angle) * (b / jnp.maximum(norms[1], 1e-12))[None]) / safe  # fmt: skip
        circle = ((1.0 - t) * norms[0] + t * norms[1]) * direction
        return jnp.where(turns, circle, linear(a, b, degrees))

    return jax.tree.map(along, first, second)


PATHS: dict[str, Path] = {"linear": linear, "spherical": spherical}
