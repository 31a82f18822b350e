"""Statistics of many codes, a chunk at a time: memory does not grow with images times latents."""

import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from jaxvae.codes import Code, flatten

CHUNK_ROWS = 1024
MAX_BYTES_IN_MEMORY = 16_000_000  # A larger array lies in a temporary file, of which the system keeps what it can.


def allocate(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Returns an array to be filled: in memory if it is small, otherwise mapped from a temporary file."""
    if int(np.prod(shape)) * np.dtype(dtype).itemsize <= MAX_BYTES_IN_MEMORY:
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, dtype, "w+", shape=shape)


def row_chunks(code: Code, size: int = CHUNK_ROWS) -> Iterator[Float[np.ndarray, "b d"]]:
    """Yields codes, a pytree of [n, ...], as float64 rows, `size` at a time."""
    count = len(jax.tree.leaves(code)[0])
    for start in range(0, count, size):
        part = jax.tree.map(lambda leaf, start=start: np.asarray(leaf[start : start + size]), code)
        yield np.asarray(flatten(part), np.float64)


def unit_means(code: Code, function: Callable[[np.ndarray], np.ndarray] = np.asarray) -> Float[np.ndarray, " d"]:
    """Returns the mean over codes of a function of each unit."""
    total: Any = 0.0
    count = 0
    for rows in row_chunks(code):
        total = total + function(rows).sum(axis=0)
        count += len(rows)
    return np.asarray(total / count)


def unit_variances(code: Code) -> Float[np.ndarray, " d"]:
    """Returns the variance of each unit over codes, a pytree of [n, ...]; it divides by n."""
    center = unit_means(code)
    return unit_means(code, lambda rows: np.square(rows - center[None]))
