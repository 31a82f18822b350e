"""jaxvae's side of the training benchmarks: the steps as `train` runs them, including data."""

import time
from contextlib import ExitStack
from functools import partial
from typing import Any

import jax
import numpy as np
from contest import Contestant, Side

from jaxvae import Config
from jaxvae.data.batches import batch_indices
from jaxvae.data.pixels import to_float
from jaxvae.models import GaussianModel, build
from jaxvae.system.compilation_cache import use_compilation_cache
from jaxvae.system.processes import TUNABLES
from jaxvae.training.input_pipeline import feeding, fits_on_device
from jaxvae.training.sharding import place, share_cores
from jaxvae.training.state import init_state, split_root
from jaxvae.training.step import build_train_step

FOREVER = 10**9


def start_of(config: Config, images: np.ndarray) -> dict[str, Any]:
    """Returns the parameters, images and noise of the first step, as NumPy arrays."""
    keys, size = split_root(config.seed), config.train.batch_size
    pixel_key, _, noise_key = jax.random.split(jax.random.fold_in(keys.train, 0), 3)
    first = images[batch_indices(config.seed, 0, size, len(images))]
    if not isinstance(config.model, GaussianModel):
        raise TypeError(f"the benchmark needs a model with a Gaussian posterior, not {config.model.kind}")
    start = {
        "params": build(config.model, images.shape[1:]).init(keys.init),
        "x": to_float(pixel_key, first, config.data.pixels),
        "noise": jax.random.normal(noise_key, (size, config.model.latent)),
    }
    return jax.tree.map(np.asarray, start)


def contestant(config: Config, images: np.ndarray, steps: int) -> Contestant:
    """Returns a contestant of `steps` steps per turn, in the environment that `python -m jaxvae.train` sets up."""
    return Contestant(partial(side, config, images, steps), {"GLIBC_TUNABLES": TUNABLES})


def side(config: Config, images: np.ndarray, steps: int) -> Side:
    """Builds and warms up jaxvae in this process; a turn is `steps` steps, measured in seconds."""
    use_compilation_cache()
    share_cores(config)
    vae, placement = build(config.model, images.shape[1:]), place(config)
    state = jax.device_put(init_state(split_root(config.seed), vae, config.train), placement.whole)
    train_step = build_train_step(vae, config, len(images))
    held = ExitStack()
    advance = held.enter_context(feeding(train_step, config, images, placement, resident=fits_on_device(images)))
    step, loss = 0, None

    def turn() -> float:
        nonlocal state, step, loss
        begin, end = time.perf_counter(), step + steps
        while step < end:
            state, metrics = advance(state, step)
            step += len(metrics["loss"])
            if loss is None:
                loss = float(metrics["loss"][0])
        jax.block_until_ready(state)
        return time.perf_counter() - begin

    turn()
    turn()
    return Side(turn, loss, held)
