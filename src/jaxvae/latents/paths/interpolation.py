"""Paths between codes, each a pytree of arrays without a batch axis; degree 0 is the first end, 1 the last.

A `Path` joins two codes; `through` makes a way through several of it, and `across` a sheet between four.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from jaxvae.inference import decode_to_images, encode_means, unstack
from jaxvae.vae import VAE, Params

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


def codes_along(path: Path, ends: Sequence[Any], degrees: Float[np.ndarray, " b"]) -> Any:
    """The path from each code to the next, [b, ...]; every stretch has the same share of the degrees.

    Args:
        path: joins two codes.
        ends: two codes or more; a loop names its first once more as its last.
        degrees: from 0, the first code, to 1, the last: with n stretches code i is at i / n.
    """
    stretches = len(ends) - 1
    position = np.asarray(degrees, np.float64) * stretches
    joints = np.rint(position)
    position = np.where(np.abs(position - joints) < 1e-9, joints, position)
    stretch = np.clip(np.floor(position), 0, stretches - 1)
    members = [np.flatnonzero(stretch == index) for index in range(stretches)]
    parts = [
        path(ends[index], ends[index + 1], jnp.asarray(position[some] - index, jnp.float32))
        for index, some in enumerate(members)
        if len(some)
    ]
    in_order = np.argsort(np.concatenate(members))
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves)[in_order], *parts)


def sheet_codes(path: Path, corners: Sequence[Any], degrees: Float[np.ndarray, " b"]) -> Any:
    """A sheet of codes between four, row by row [b b, ...]: paths from the one along the top down to the bottom one.

    Args:
        path: joins two codes.
        corners: top left, top right, bottom left and bottom right.
        degrees: of the columns from left to right, and of the rows from top to bottom.
    """
    t = jnp.asarray(degrees, jnp.float32)
    top, bottom = path(corners[0], corners[1], t), path(corners[2], corners[3], t)

    def column(index: int) -> Any:
        above, below = (jax.tree.map(lambda leaf: leaf[index], side) for side in (top, bottom))
        return path(above, below, t)

    columns = [column(index) for index in range(len(t))]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves, axis=1).reshape(-1, *leaves[0].shape[1:]), *columns)


def interpolate(
    vae: VAE, params: Params, first: np.ndarray, second: np.ndarray, degrees: np.ndarray, path: Path = linear
) -> np.ndarray:
    """The decoded path between two pictures uint8 [h, w, c], at degrees from 0 (the first) to 1 (the second)."""
    ends = unstack(encode_means(vae, params, np.stack([first, second])))
    return decode_to_images(vae, params, codes_along(path, ends, degrees))
