"""Root keys: one for each purpose of a seed."""

import zlib

import jax

from jaxvae.annotations import PRNGKey


def key_for(purpose: str, seed: int) -> PRNGKey:
    """Returns the root key for a purpose such as `sample`.

    With the same seed for everything, draws of `sample` would otherwise repeat those of `evaluate` or of training.
    """
    return jax.random.fold_in(jax.random.key(seed), zlib.crc32(purpose.encode()))
