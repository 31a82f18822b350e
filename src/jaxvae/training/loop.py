"""The loop around the train step: on the host, it does no device arithmetic and waits for nothing it does not need."""

import math
import time
from dataclasses import replace
from functools import partial
from operator import attrgetter
from pathlib import Path

import jax

from jaxvae import checkpoint
from jaxvae.config import Config
from jaxvae.data.prepared import Prepared
from jaxvae.errors import UserError
from jaxvae.evaluation.split import build_draw_codes, build_measure
from jaxvae.run import about, write_config
from jaxvae.training.claim import claimed
from jaxvae.training.disk import disk_full_told
from jaxvae.training.feed import feeding, fits_on_device
from jaxvae.training.gallery import ends, show
from jaxvae.training.milestones import Best, Pending, fitted, log, objective, out_of_patience, validate
from jaxvae.training.record import recording, say
from jaxvae.training.saving import start, trees
from jaxvae.training.sharding import one_copy, place
from jaxvae.training.signals import stop_requests
from jaxvae.training.state import split_root
from jaxvae.training.step import build_train_step
from jaxvae.vae import build


def train(config: Config, prepared: Prepared, run: Path) -> list[Path]:
    """Trains, or goes on where an interrupted run stopped; returns the paths of the final pictures.

    Raises:
        UserError: a loss or gradient is not finite, a picture that the config names does not exist, another process
            trains in the folder, or the disk is full.
        KeyboardInterrupt: on SIGINT or SIGTERM, after the step under way is saved.
    """
    with disk_full_told(run), claimed(run):
        return _trained(config, prepared, run)


def _trained(config: Config, prepared: Prepared, run: Path) -> list[Path]:
    vae, settings = build(config.model, prepared.shape), config.train
    images, folder = prepared.split("train").images, run / "checkpoints"
    keys = split_root(config.seed)
    placement = place(config)
    state = jax.device_put(start(folder, keys, vae, config, prepared), placement.whole)
    ends(prepared, config)  # A wish that cannot be met is told now rather than at the first picture.
    write_config(run, config)
    first = int(state.step)
    saved = first or -1
    value = checkpoint.read_about(folder, first)["objective"] if first else None
    best = Best(*(checkpoint.best(folder) or (first, -math.inf)))
    measure, draw_codes = build_measure(vae, config), build_draw_codes(vae, config)
    train_step = build_train_step(vae, config, len(images))
    with (
        checkpoint.open_checkpoints(folder) as checkpointer,
        recording(run, first_step=first, steps=settings.steps, batch_size=settings.batch_size) as record,
        feeding(train_step, config, images, placement, resident=fits_on_device(images)) as advance,
        stop_requests() as stop,
    ):
        save = partial(checkpoint.save, checkpointer, about=about(config, prepared))
        if first:
            say(record, f"continuing {run} at step {first} of {settings.steps}")
        pending: Pending = []
        clock = time.monotonic()
        step = settings.steps if out_of_patience(config, best, first) else first
        while step < settings.steps:
            state, metrics = advance(state, step)
            step += len(metrics["loss"])
            pending.append((step, metrics))
            last, stopping = step == settings.steps, bool(stop)
            validates = step % settings.validate_every == 0 or last
            draws = step % settings.picture_every == 0 and not last
            waits = validates or draws or stopping
            if step % settings.log_every == 0 or waits:
                # The newest step runs on; its numbers are fetched next time, unless the loop is about to wait anyhow.
                ready, pending = (pending, []) if waits else (pending[:-1], pending[-1:])
                fetched, before, clock = jax.device_get(ready), clock, time.monotonic()
                made = sum(len(metrics["loss"]) for _, metrics in fetched)
                if bad := log(record, fetched, config, made * settings.batch_size / max(clock - before, 1e-9)):
                    good = int(state.step)
                    if good > saved:
                        save(good, trees(state), objective=None)
                    raise UserError(f"{bad} The last good state, of step {good}, is kept in {run}.")
            if validates:
                params = one_copy(state.evaluated)
                value = objective(validate(measure, params, keys, prepared, "validation", step, record))
                best = max(best, Best(step, value), key=attrgetter("objective"))
                save(step, trees(state), objective=value)
                saved = step
                if out_of_patience(config, best, step):
                    say(record, f"stopping at step {step}: the best validation was that of step {best.step}")
                    break
            if draws:
                # A mixture alone, of a few codes: a flow would take longer than the steps between two pictures.
                params, some = one_copy(state.evaluated), prepared.split("validation").images
                priors = fitted(draw_codes, params, keys, replace(settings, fitted_flow_steps=0), config, some)
                show(vae, params, priors, keys, prepared, config, run / "samples" / f"step-{step:06d}")
            if stopping and not last:
                if saved < step:
                    save(step, trees(state), objective=None)
                raise KeyboardInterrupt(f"stopped after step {step}; the same command goes on from there.")
            clock = time.monotonic() if waits else clock

        params, kept = one_copy(state.evaluated), {}
        if settings.patience:
            checkpointer.wait()
            params = checkpoint.read_tree(folder, best.step, "params" if state.ema is None else "ema")
            kept = {"best": params}
        validate(measure, params, keys, prepared, "test", saved, record)
        priors = fitted(draw_codes, params, keys, settings, config, images)
        save(saved, trees(state) | kept | priors.trees, objective=value, complete=True)
        return show(vae, params, priors, keys, prepared, config, run / "samples")
