"""A step of the training loop, including logging and data, against the bare compiled step on a fixed batch.

    make bench NAME=pipeline

The loop is `jaxvae.training.loop.train` on random images. Subtracting the time of a shorter run removes fixed costs.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import conv64
import jax
import mlp28
import numpy as np
from contest import QUICK, Contestant, Side, record, take_turns

from jaxvae import Config
from jaxvae.data.prepared import Prepared, write_prepared
from jaxvae.data.sources.base import SPLITS, Example, Source
from jaxvae.models import build
from jaxvae.system.compilation_cache import use_compilation_cache
from jaxvae.system.processes import TUNABLES
from jaxvae.training.input_pipeline import feeding, fits_on_device, stretch
from jaxvae.training.loop import train
from jaxvae.training.sharding import place, share_cores
from jaxvae.training.state import TrainState, init_state, split_root
from jaxvae.training.step import build_train_step


def noise(folder: Path, shape: tuple[int, ...], count: int) -> Prepared:
    """Prepares a dataset of random images."""
    random = np.random.default_rng(0)

    def examples(number: int) -> Iterator[Example]:
        return (Example(image, ()) for image in random.integers(0, 256, (number, *shape), dtype=np.uint8))

    splits: dict[str, Callable[[], Iterator[Example]]] = {
        split: partial(examples, count if split == "train" else 32) for split in SPLITS
    }
    return write_prepared(folder / "noise", "noise", {}, Source((), {}, splits, {}))


def loop(config: Config, shape: tuple[int, ...], count: int, steps: int) -> Side:
    """Measures the training loop: each turn is two runs, one of them longer by `steps`."""
    use_compilation_cache()
    share_cores(config)
    folder = Path(tempfile.mkdtemp())
    prepared, turns = noise(folder, shape, count), 0

    def time_run(length: int) -> float:
        nonlocal turns
        turns += 1
        settings = replace(
            config.train, steps=length, log_every=100 if not config.model.convolutional else 10,
            mixture_components=0, fitted_flow_steps=0,
        )  # fmt: skip
        begin = time.perf_counter()
        train(replace(config, train=settings), prepared, folder / f"run-{turns}")
        return time.perf_counter() - begin

    def turn() -> float:
        return time_run(2 * steps) - time_run(steps)

    time_run(steps)  # Compiles.
    return Side(turn)


def bare(config: Config, shape: tuple[int, ...], count: int, steps: int) -> Side:
    """Measures the compiled step, or scan of steps, alone."""
    use_compilation_cache()
    share_cores(config)
    images = np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)
    vae, placement = build(config.model, images.shape[1:]), place(config)
    state = jax.device_put(init_state(split_root(0), vae, config.train), placement.whole)
    train_step, at_once = build_train_step(vae, config, count), stretch(config, 0, resident=fits_on_device(images))
    batch = jax.device_put(images[: at_once * config.train.batch_size], placement.whole)
    batches = jax.device_put(batch.reshape(at_once, config.train.batch_size, *shape), placement.split)
    with feeding(train_step, config, images, placement, resident=False) as advance:
        state, _ = advance(state, 0)

    def run(state: TrainState, batches: jax.Array) -> TrainState:
        return jax.lax.scan(train_step, state, batches)[0] if at_once > 1 else train_step(state, batches[0])[0]

    compiled = jax.jit(run, donate_argnums=0, out_shardings=placement.whole)

    def turn() -> float:
        nonlocal state
        begin = time.perf_counter()
        for _ in range(steps // at_once):
            state = compiled(state, batches)
        jax.block_until_ready(state)
        return time.perf_counter() - begin

    turn()
    return Side(turn)


if __name__ == "__main__":
    # Each run ends with the codes of all images: with fewer of them it is shorter.
    for name, config, shape, count, steps, target in (
        ("conv64", conv64.CONFIG, (64, 64, 3), 2_560 if QUICK else 20_000, 10 if QUICK else 20, 1 / 1.05),
        ("mlp28", mlp28.config_of(100), (28, 28, 1), 10_000 if QUICK else 20_000, 500 if QUICK else 1000, 1 / 1.25),
    ):
        environment = {"GLIBC_TUNABLES": TUNABLES}
        measured = take_turns(
            {
                "loop": Contestant(partial(loop, config, shape, count, steps), environment),
                "bare": Contestant(partial(bare, config, shape, count, steps), environment),
            },
            repeats=2 if QUICK else 5,
        )
        per_step = {side: [1000.0 * turn / steps for turn in seconds] for side, seconds in measured.items()}
        record(
            f"pipeline, {name}",
            per_step["loop"],
            {"bare step": per_step["bare"]},
            target=round(target, 2),
            unit="ms a step",
        )
