"""Paths between codes, each a pytree without a batch axis; degree 0 is the first end, 1 the last.

A `Path` joins two codes. `codes_along` follows one through several codes; `sheet_codes` spans a sheet between four.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from jaxvae.annotations import ArrayLike
from jaxvae.codes import Code

Path = Callable[[Code, Code, Float[ArrayLike, " b"]], Code]


def linear(first: Code, second: Code, degrees: Float[ArrayLike, " b"]) -> Code:
    """Interpolates linearly: (1 − t) a + t b, stacked along a new first axis [b, ...]."""

    def along(a: ArrayLike, b: ArrayLike) -> ArrayLike:
        # Arrays of NumPy stay such, for which nothing needs to be compiled.
        t = degrees.astype(a.dtype).reshape(-1, *(1,) * a.ndim)
        return (1.0 - t) * a[None] + t * b[None]

    return jax.tree.map(along, first, second)


def spherical(first: Code, second: Code, degrees: Float[ArrayLike, " b"]) -> Code:
    """Interpolates along the great circle between two directions, and linearly in norm (Shoemake 1985; White 2016).

    In high dimensions, samples of N(0, I) lie near a sphere, which a straight line cuts through. If the ends point in
    the same or opposite directions, or one is zero, the great circle is undefined and the straight line is used.
    """

    def along(a: ArrayLike, b: ArrayLike) -> Array:
        norms = jnp.linalg.norm(a), jnp.linalg.norm(b)
        cosine = jnp.sum(a * b) / jnp.maximum(norms[0] * norms[1], 1e-12)
        angle = jnp.arccos(jnp.clip(cosine, -1.0, 1.0))
        t = jnp.asarray(degrees).reshape(-1, *(1,) * a.ndim)
        sine = jnp.sin(angle)
        turns = (sine > 1e-3) & (norms[0] * norms[1] > 1e-12)
        safe = jnp.where(turns, sine, 1.0)
        direction = (jnp.sin((1.0 - t) * angle) * (a / jnp.maximum(norms[0], 1e-12))[None]
                     + jnp.sin(t * angle) * (b / jnp.maximum(norms[1], 1e-12))[None]) / safe  # fmt: skip
        circle = ((1.0 - t) * norms[0] + t * norms[1]) * direction
        return jnp.where(turns, circle, linear(a, b, degrees))

    return jax.tree.map(along, first, second)


def codes_along(path: Path, ends: Sequence[Code], degrees: Float[ArrayLike, " b"]) -> Code:
    """Returns codes [b, ...] on the path through several codes; each segment takes an equal share of the degrees.

    Args:
        path: Joins two codes.
        ends: Two or more codes; for a loop, repeat the first at the end.
        degrees: From 0, the first code, to 1, the last; with n segments, code i is at i / n.
    """
    segments = len(ends) - 1
    position = np.asarray(degrees, np.float64) * segments
    joints = np.rint(position)
    position = np.where(np.abs(position - joints) < 1e-9, joints, position)
    segment = np.clip(np.floor(position), 0, segments - 1)
    members = [np.flatnonzero(segment == index) for index in range(segments)]
    parts = [
        path(ends[index], ends[index + 1], np.asarray(position[member] - index, np.float32))
        for index, member in enumerate(members)
        if len(member)
    ]
    in_order = np.argsort(np.concatenate(members))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves)[in_order], *jax.device_get(parts))


def sheet_codes(path: Path, corners: Sequence[Code], degrees: Float[ArrayLike, " b"]) -> Code:
    """Returns a sheet of codes between four corners, row by row [b b, ...]: paths from the top edge to the bottom edge.

    Args:
        path: Joins two codes.
        corners: Top left, top right, bottom left and bottom right.
        degrees: Of the columns from left to right, and of the rows from top to bottom.
    """
    t = np.asarray(degrees, np.float32)
    top, bottom = jax.device_get((path(corners[0], corners[1], t), path(corners[2], corners[3], t)))

    def column(index: int) -> Code:
        above, below = (jax.tree.map(lambda leaf: leaf[index], side) for side in (top, bottom))
        return path(above, below, t)

    columns = jax.device_get([column(index) for index in range(len(t))])
    return jax.tree.map(lambda *leaves: np.stack(leaves, axis=1).reshape(-1, *leaves[0].shape[1:]), *columns)
