"""The order of the data: a pure function of (seed, step), so that resuming needs no iterator and hosts can share it."""

import mmap
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array


def example_keys(key: Array, indices: np.ndarray) -> Array:
    """A key for each picture, from its place in the split: its noise is the same in whatever batch it is measured."""
    return jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.asarray(indices))


MAX_RESIDENT_BYTES = 100_000_000  # Bytes of a mapped set that may stay in memory.


GATHER_CHUNK = 16  # Pictures that are read of a larger one at a time.


def batch_indices(seed: int, step: int, batch_size: int, count: int) -> np.ndarray:
    """Which of `count` examples make up batch `step`: int32 [batch_size].

    The epochs, each a permutation of its own, are laid end to end, and batch t is the t-th stretch of them: every
    example is seen once an epoch, and no batch is ragged.
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
    """Every example exactly once, in order, in batches of one size: (indices [batch_size], how many of them count).

    The last batch repeats the first example to keep its shape, so that nothing is compiled twice; the count says
    how many of its rows are real.
    """
    for start in range(0, count, batch_size):
        indices = np.arange(start, start + batch_size)
        real = min(batch_size, count - start)
        yield np.where(indices < count, indices, 0), real


def gather(images: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """The pictures [*indices, h, w, c]; of a large mapped set no more memory is held than they take.

    Without a word to the system, every page that was ever read of a mapped file counts as memory of this process: in
    an epoch, the whole set. A page of the system's file cache may hold 2 MB, hence the small pieces.
    """
    source: Any = images
    while isinstance(source, np.ndarray):
        source = source.base
    if images.nbytes <= MAX_RESIDENT_BYTES or not isinstance(source, mmap.mmap) or not hasattr(mmap, "MADV_DONTNEED"):
        rows: np.ndarray = images[indices]
        return rows
    batch = np.empty((indices.size, *images.shape[1:]), images.dtype)
    for start in range(0, indices.size, GATHER_CHUNK):
        piece = slice(start, start + GATHER_CHUNK)
        batch[piece] = images[indices.ravel()[piece]]
        source.madvise(mmap.MADV_DONTNEED)
    return batch.reshape(*indices.shape, *images.shape[1:])
