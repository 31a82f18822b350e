"""Batches to the compiled step: gathered on the device where the set fits, one batch ahead on the host where not."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxvae.data.batches import batch_indices
from jaxvae.training.state import TrainState
from jaxvae.training.step import Metrics, TrainStep

Advance = Callable[[TrainState, int], tuple[TrainState, Metrics]]
RESIDENT_SHARE = 0.25


def fits_on_device(images: np.ndarray) -> bool:
    """Whether the set takes at most a quarter of the accelerator's memory; never on a CPU, whose memory it is in."""
    statistics = jax.local_devices()[0].memory_stats() or {}
    return bool(images.nbytes <= RESIDENT_SHARE * statistics.get("bytes_limit", 0))


@contextmanager
def feeding(
    train_step: TrainStep, images: np.ndarray, *, seed: int, batch_size: int, resident: bool
) -> Iterator[Advance]:
    """The function (state, step) -> (state, metrics) that runs the train step, compiled, on batch `step`.

    The state is donated: the one handed in must not be used again.
    """
    order = partial(batch_indices, seed, batch_size=batch_size, count=len(images))
    if resident:
        on_device = jax.device_put(np.asarray(images))

        @partial(jax.jit, donate_argnums=0)
        def gathered(state: TrainState, pictures: Array, indices: Array) -> tuple[TrainState, Metrics]:
            return train_step(state, pictures[indices])

        yield lambda state, step: gathered(state, on_device, order(step))
        return

    compiled = jax.jit(train_step, donate_argnums=0)
    with ThreadPoolExecutor(1) as background:
        ahead: dict[int, Future[np.ndarray]] = {}

        def advance(state: TrainState, step: int) -> tuple[TrainState, Metrics]:
            batch = ahead.pop(step).result() if step in ahead else images[order(step)]
            ahead[step + 1] = background.submit(lambda: images[order(step + 1)])
            return compiled(state, jnp.asarray(batch))

        yield advance
