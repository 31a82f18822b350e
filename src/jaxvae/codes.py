"""Codes, which are pytrees, as rows of numbers and back."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

Code = Any  # A pytree of arrays [b, ...]: outside the model nobody may assume a vector.


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


STATISTICS_TREE = "code_statistics"  # Its name among the trees of a checkpoint.


class CodeStatistics(NamedTuple):
    """Mean and standard deviation of the posterior means over pictures; each a pytree of the shape of one code.

    `statistics._asdict()` is the tree that a checkpoint keeps, `CodeStatistics(**tree)` the way back.
    """

    mean: Code
    standard_deviation: Code

    def standardize(self, code: Code) -> Code:
        """Codes [n, ...] with mean 0 and variance 1 over those pictures."""
        return jax.tree.map(lambda z, m, s: (z - m[None]) / _divisor(s)[None], code, *self)

    def restore(self, code: Code) -> Code:
        """What `standardize` took away put back."""
        return jax.tree.map(lambda z, m, s: z * _divisor(s)[None] + m[None], code, *self)

    def rescale_deviations(self, standard_deviation: Code) -> Code:
        """Standard deviations [n, ...] of posteriors in the units of standardised codes."""
        return jax.tree.map(lambda sigma, s: sigma / _divisor(s)[None], standard_deviation, self.standard_deviation)


def _divisor(deviation: Any) -> Any:
    # A unit that never moved has nothing to be measured by, and stays 0.
    return np.where(np.asarray(deviation) > 0, deviation, 1.0).astype(np.float32)
