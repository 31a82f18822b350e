"""Root keys: one for each purpose of a seed."""

import zlib
from functools import cache
from typing import Any

import jax
import numpy as np

from jaxvae.annotations import PRNGKey


def key_for(purpose: str, seed: int) -> PRNGKey:
    """Returns the root key for a purpose such as `sample`.

    With the same seed for everything, draws of `sample` would otherwise repeat those of `evaluate` or of training.
    """
    return _fold(np.uint32(seed & 0xFFFFFFFF), np.uint32(zlib.crc32(purpose.encode())))


@jax.jit  # One program to compile instead of six.
def _fold(seed: Any, number: Any) -> PRNGKey:
    return jax.random.fold_in(jax.random.key(seed), number)


@cache
def key_shape() -> Any:
    """Returns the shape and type of a key, for `jax.eval_shape`, which then has no key to compute."""
    return jax.eval_shape(jax.random.key, 0)
