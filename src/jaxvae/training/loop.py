"""The loop around the train step: on the host, it does no device arithmetic and waits for nothing it does not need."""

import math
import time
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxvae import checkpoint
from jaxvae.config import Config
from jaxvae.data.prepared import Prepared
from jaxvae.errors import UserError
from jaxvae.evaluation.split import Encode, build_encode, build_evaluation
from jaxvae.latents.fitted import Mixture, fit
from jaxvae.run import about, write_config
from jaxvae.training.feed import feeding, fits_on_device
from jaxvae.training.gallery import ends, show
from jaxvae.training.record import Record, progress, recording, say, write
from jaxvae.training.saving import start, trees
from jaxvae.training.signals import stop_requests
from jaxvae.training.state import Keys, TrainState, split_root
from jaxvae.training.step import Metrics, build_train_step
from jaxvae.vae import build

Pending = list[tuple[int, Metrics]]
# Where a number that is not finite is looked for, causes before effects.
BLAMED = ("log_likelihood_nats", "kl_nats", "loss", "gradient_norm")


def train(config: Config, prepared: Prepared, run: Path) -> list[Path]:
    """Trains, or goes on where an interrupted run stopped; returns the paths of the final pictures.

    Raises:
        UserError: a loss or gradient is not finite, or a picture that the config names does not exist.
        KeyboardInterrupt: on SIGINT or SIGTERM, after the step under way is saved.
    """
    vae, settings = build(config.model, prepared.shape), config.train
    images, folder = prepared.split("train").images, run / "checkpoints"
    keys = split_root(config.seed)
    state = start(folder, keys, vae, config, prepared)
    ends(prepared, config)  # A wish that cannot be met is told now rather than at the first picture.
    write_config(run, config)
    first = int(state.step)
    saved = first or -1
    evaluate, encode = build_evaluation(vae, config), build_encode(vae, settings.batch_size)
    train_step = build_train_step(vae, config)
    with (
        checkpoint.open_checkpoints(folder) as checkpointer,
        recording(run, first_step=first, steps=settings.steps, batch_size=settings.batch_size) as record,
        feeding(
            train_step, images, seed=config.seed, batch_size=settings.batch_size, resident=fits_on_device(images)
        ) as advance,
        stop_requests() as stop,
    ):
        save = partial(checkpoint.save, checkpointer, about=about(config, prepared))
        if first:
            say(record, f"continuing {run} at step {first} of {settings.steps}")
        pending: Pending = []
        clock = time.monotonic()
        for step in range(first + 1, settings.steps + 1):
            state, metrics = advance(state, step - 1)
            pending.append((step, metrics))
            last, stopping = step == settings.steps, bool(stop)
            validates = step % settings.validate_every == 0 and not last
            draws = step % settings.picture_every == 0 and not last
            waits = validates or draws or stopping or last
            if step % settings.log_every == 0 or waits:
                # The newest step runs on; its numbers are fetched next time, unless the loop is about to wait anyhow.
                ready, pending = (pending, []) if waits else (pending[:-1], pending[-1:])
                rate = len(ready) * settings.batch_size / (time.monotonic() - clock)
                clock = time.monotonic()
                if bad := log(record, ready, config, rate):
                    good = int(state.step)
                    if good > saved:
                        save(good, trees(state), objective=None)
                    raise UserError(f"{bad} The last good state, of step {good}, is kept in {run}.")
            if validates:
                measured = validate(evaluate, state, keys, prepared, "validation", record)
                save(step, trees(state), objective=objective(measured))
                saved = step
            if draws:
                # The same draws each time, so that the pictures of two steps can be compared.
                key = jax.random.clone(keys.pictures)
                mixture = fitted(encode, state, config, prepared.split("validation").images)
                show(vae, state.evaluated, mixture, key, prepared, config, run / "samples" / f"step-{step:06d}")
            if stopping and not last:
                if saved < step:
                    save(step, trees(state), objective=None)
                raise KeyboardInterrupt(f"stopped after step {step}; the same command goes on from there.")
            clock = time.monotonic() if waits else clock

        measured = validate(evaluate, state, keys, prepared, "validation", record)
        validate(evaluate, state, keys, prepared, "test", record)
        mixture = fitted(encode, state, config, images)
        extra = {} if mixture is None else {"fitted": mixture._asdict()}
        save(settings.steps, trees(state) | extra, objective=objective(measured))
        return show(vae, state.evaluated, mixture, keys.pictures, prepared, config, run / "samples")


def log(record: Record, ready: Pending, config: Config, images_per_second: float) -> str | None:
    """Writes the metrics of finished steps; returns a sentence that names the first term that is not finite."""
    for step, metrics in jax.device_get(ready):
        values = {name: float(value) for name, value in metrics.items()}
        for name in BLAMED:
            if not math.isfinite(values.get(name, 0.0)):
                return f"{name} is {values[name]} at step {step}; a smaller --train.learning-rate often helps."
        if step % config.train.log_every == 0 or step == config.train.steps:
            values["images_per_second"] = round(images_per_second, 1)
            write(record, step, "train", values)
            progress(record, step, config.train.steps, config.train.batch_size, values)
    return None


def validate(
    evaluate: Any, state: TrainState, keys: Keys, prepared: Prepared, split: str, record: Record
) -> dict[str, float]:
    """Measures a whole split and writes it down."""
    measured: dict[str, float] = evaluate(state.evaluated, keys.validation, prepared.split(split).images)
    write(record, int(state.step), split, measured)
    numbers = "  ".join(f"{name} {value:.2f}" for name, value in measured.items() if name != "n")
    say(record, f"step {int(state.step)}  {split}  {numbers}")
    return measured


def objective(measured: dict[str, float]) -> float:
    """What the best checkpoint is chosen by: the tightest bound, or log p(x|z) of an autoencoder, in nats."""
    names = ("iwae_nats", "elbo_nats", "log_likelihood_nats")
    return next(measured[name] for name in names if name in measured)


def fitted(encode: Encode, state: TrainState, config: Config, images: np.ndarray) -> Mixture | None:
    """The mixture fitted to the codes of the pictures, where the config asks for one and a code is not too large."""
    if not config.train.mixture_components:
        return None
    return fit(encode(state.evaluated, images), config.train.mixture_components, config.seed)
