"""Data order as a pure function of (seed, step): resuming needs no iterator state, and hosts need no coordination."""

import mmap
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxvae.annotations import PRNGKey

MAX_RESIDENT_BYTES = 100_000_000  # Memory-mapped arrays up to this size may stay in memory.
GATHER_CHUNK = 16  # Images read at a time from a larger array.


def example_keys(key: PRNGKey, indices: np.ndarray) -> Array:
    """Returns one key per image, derived from its index in the split: its noise does not depend on the batching."""
    return jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.asarray(indices))


def batch_indices(seed: int, step: int, batch_size: int, count: int) -> np.ndarray:
    """Returns the indices of the examples in batch `step`: int32 [batch_size].

    Epochs, each with its own permutation, are concatenated, and batch t is the t-th slice of the result: every example
    is seen once per epoch, and no batch is ragged.

    Args:
        seed: seed of the run.
        step: number of the batch, from 0.
        batch_size: examples per batch.
        count: number of examples in the split.
    """
    positions = np.arange(step * batch_size, (step + 1) * batch_size)
    epochs = positions // count
    parts = [_permutation(seed, int(epoch), count)[positions[epochs == epoch] % count] for epoch in np.unique(epochs)]
    return np.concatenate(parts)


@lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, count: int) -> np.ndarray:
    random = np.random.Generator(np.random.Philox(key=[seed, epoch]))
    return random.permutation(count).astype(np.int32)


def epoch_batches(count: int, batch_size: int) -> Iterator[tuple[np.ndarray, int]]:
    """Yields every example exactly once, in order, in batches of equal size: (indices [batch_size], number valid).

    The last batch is padded with the first example so that nothing is recompiled; only its first `number valid` rows
    count.
    """
    for start in range(0, count, batch_size):
        indices = np.arange(start, start + batch_size)
        valid = min(batch_size, count - start)
        yield np.where(indices < count, indices, 0), valid


def gather(images: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Returns the images [*indices, h, w, c]; for a large memory-mapped array, memory use is bounded by the result.

    By default every page ever read from a memory-mapped file counts as memory of this process: after an epoch, the
    whole dataset. A page of the system's file cache can be 2 MB, hence the small chunks.
    """
    source: Any = images
    while isinstance(source, np.ndarray):
        source = source.base
    if images.nbytes <= MAX_RESIDENT_BYTES or not isinstance(source, mmap.mmap) or not hasattr(mmap, "MADV_DONTNEED"):
        rows: np.ndarray = images[indices]
        return rows
    batch = np.empty((indices.size, *images.shape[1:]), images.dtype)
    for start in range(0, indices.size, GATHER_CHUNK):
        chunk = slice(start, start + GATHER_CHUNK)
        batch[chunk] = images[indices.ravel()[chunk]]
        source.madvise(mmap.MADV_DONTNEED)
    return batch.reshape(*indices.shape, *images.shape[1:])
