"""The attributes of a split's pictures, by name, and a draw of some of the pictures."""

import numpy as np
from jaxtyping import Int

from jaxvae.data.prepared import Prepared
from jaxvae.errors import UserError, nearest


def attribute_values(prepared: Prepared, split: str, name: str) -> tuple[Int[np.ndarray, " n"], list[str]]:
    """The value of each picture of the split, and what values are called, by position, if they are.

    Raises `UserError` for an attribute that the data set has not.
    """
    if name not in prepared.attributes:
        raise UserError(f"{prepared.info['name']} has no attribute {name!r}: {nearest(name, prepared.attributes)}")
    column = prepared.split(split).attributes[:, prepared.attributes.index(name)]
    return np.asarray(column), list(prepared.info["classes"].get(name, []))


def some(count: int, most: int, seed: int) -> Int[np.ndarray, " n"]:
    """Numbers of at most so many of `count` pictures, ascending: all of them, or as many drawn at random."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, most, replace=False))
