"""Feeds batches to the compiled step: gathered on the device if the set fits, otherwise on the host, ahead of time."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import jax
import numpy as np
from jax import Array

from jaxvae.config import TrainConfig
from jaxvae.data.batches import batch_indices, gather
from jaxvae.experiment import Config
from jaxvae.training.sharding import Placement, rows_here, spread
from jaxvae.training.state import TrainState
from jaxvae.training.step import Metrics, TrainStep, compile_step

Advance = Callable[[TrainState, int], tuple[TrainState, Metrics]]


RESIDENT_SHARE = 0.25


LONGEST_STRETCH = 100


def fits_on_device(images: np.ndarray) -> bool:
    """Returns whether the set fits in a quarter of the accelerator's memory; never on a CPU, where it is already."""
    statistics = jax.local_devices()[0].memory_stats() or {}
    return bool(images.nbytes <= RESIDENT_SHARE * statistics.get("bytes_limit", 0))


def stretch(config: Config, step: int, *, resident: bool) -> int:
    """Returns how many steps to run in one dispatch: one, or all up to the next that is logged, validated or drawn.

    A step of a dense network takes a CPU as long as its dispatch does, and is scanned over, and so is any step on an
    accelerator that holds the set (`resident`). A convolutional one on a CPU does not notice its dispatch, and inside a
    scan XLA's CPU backend would run its convolutions several times slower.
    """
    if config.model.convolutional and not resident:
        return 1
    return min(LONGEST_STRETCH, next_event(config.train, step) - step)


def next_event(settings: TrainConfig, step: int) -> int:
    """Returns the first step after `step` that is logged, validated or drawn."""
    every = (settings.log_every, settings.validate_every, settings.picture_every)
    return min(settings.steps, *(each * (step // each + 1) for each in every))


@contextmanager
def feeding(
    train_step: TrainStep,
    config: Config,
    images: np.ndarray,
    place: Placement,
    *,
    resident: bool,
    labels: np.ndarray | None = None,
) -> Iterator[Advance]:
    """Yields the compiled function (state, step) -> (state, metrics [s]) that runs the next `stretch` of s steps.

    The state is donated: the one handed in must not be used again. Of each batch this process gathers what its own
    devices hold. `labels` [n, a] are those of the images, for a conditional model.
    """
    size = config.train.batch_size
    rows = rows_here(place, size)

    def order(step: int) -> np.ndarray:
        steps = range(step, step + stretch(config, step, resident=resident))
        return np.stack([batch_indices(config.seed, each, size, len(images))[rows] for each in steps])

    def shared(here: np.ndarray) -> Array:
        return spread(place.split, here, (len(here), size, *here.shape[2:]))

    def labels_of(step: int) -> Array | None:
        return None if labels is None else shared(labels[order(step)])

    advanced = compile_step(train_step, place)
    if resident:
        on_device = spread(place.whole, np.asarray(images), images.shape)
        yield lambda state, step: advanced(state, shared(order(step)), labels_of(step), on_device)
        return

    with ThreadPoolExecutor(1) as background:
        ahead: dict[int, Future[np.ndarray]] = {}

        def advance(state: TrainState, step: int) -> tuple[TrainState, Metrics]:
            batches = ahead.pop(step).result() if step in ahead else gather(images, order(step))
            following = step + len(batches)
            if following < config.train.steps:
                ahead[following] = background.submit(lambda: gather(images, order(following)))
            return advanced(state, shared(batches), labels_of(step))

        yield advance
