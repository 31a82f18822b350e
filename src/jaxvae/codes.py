"""Conversion between codes, which are pytrees, and rows of numbers."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

Code = Any  # A pytree of arrays [b, ...]; only the model may assume its structure.

STATISTICS_TREE = "code_statistics"  # Name of the pytree in a checkpoint.


def flatten(code: Any, batch_ndim: int = 1) -> Float[Array, "*b d"]:
    """Flattens codes, a pytree of [*b, ...] with `batch_ndim` batch axes, to rows [*b, d]."""
    rows = [leaf.reshape(*leaf.shape[:batch_ndim], -1) for leaf in jax.tree.leaves(code)]
    return jnp.concatenate(rows, axis=-1)


def unflatten(rows: Float[Array, "*b d"], like: Any) -> Any:
    """Restores codes from rows; `like` is a pytree with the shape of one code, without batch axes."""
    leaves, structure = jax.tree.flatten(like)
    ends = np.cumsum([math.prod(leaf.shape) for leaf in leaves])
    parts = jnp.split(rows, ends[:-1], axis=-1)
    shaped = [part.reshape(*rows.shape[:-1], *leaf.shape) for part, leaf in zip(parts, leaves, strict=True)]
    return jax.tree.unflatten(structure, shaped)


class CodeStatistics(NamedTuple):
    """Mean and standard deviation of the posterior means over a set of images; each has the shape of one code.

    `statistics._asdict()` is the tree stored in a checkpoint; `CodeStatistics(**tree)` restores it.
    """

    mean: Code
    standard_deviation: Code

    def standardize(self, code: Code) -> Code:
        """Scales codes [n, ...] to mean 0 and variance 1 over those images."""
        return jax.tree.map(lambda z, m, s: (z - m[None]) / _divisor(s)[None], code, *self)

    def restore(self, code: Code) -> Code:
        """Undoes `standardize`."""
        return jax.tree.map(lambda z, m, s: z * _divisor(s)[None] + m[None], code, *self)

    def rescale_deviations(self, standard_deviation: Code) -> Code:
        """Converts posterior standard deviations [n, ...] to the units of standardised codes."""
        return jax.tree.map(lambda sigma, s: sigma / _divisor(s)[None], standard_deviation, self.standard_deviation)


def _divisor(deviation: Any) -> Any:
    # A constant unit has no scale; dividing by 1 leaves it at 0.
    return np.where(np.asarray(deviation) > 0, deviation, 1.0).astype(np.float32)
