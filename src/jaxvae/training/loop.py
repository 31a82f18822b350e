"""The loop around the train step: on the host, it does no device arithmetic and waits for nothing it does not need."""

import math
import time
from contextlib import nullcontext
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import Any

import jax

from jaxvae.codes import STATISTICS_TREE as STATISTICS
from jaxvae.config import Config, DevicesConfig
from jaxvae.data.prepared import Prepared
from jaxvae.errors import UserError
from jaxvae.evaluation.per_example import build_draw_codes, build_measure
from jaxvae.inference import code_statistics
from jaxvae.runs import checkpoint
from jaxvae.runs.run import about, write_config
from jaxvae.training.failures import disk_full_told, loss_of_others_told
from jaxvae.training.input_pipeline import feeding, fits_on_device
from jaxvae.training.interrupts import stop_requests
from jaxvae.training.lock import claimed
from jaxvae.training.metric_log import Pending, log, not_recording, recording, say, secure
from jaxvae.training.multihost import any_of_all, is_first, of_the_first, wait_for_all
from jaxvae.training.resume import start, trees
from jaxvae.training.sharding import everywhere, one_copy, place
from jaxvae.training.skipping import report
from jaxvae.training.snapshots import ends, fitted, show
from jaxvae.training.state import split_root
from jaxvae.training.step import build_train_step, layers
from jaxvae.training.validation import Best, objective, out_of_patience, validate
from jaxvae.vae import build


def train(config: Config, prepared: Prepared, run: Path, devices: DevicesConfig = DevicesConfig()) -> list[Path]:
    """Trains, or goes on where an interrupted run stopped; returns the paths of the final pictures.

    Raises:
        UserError: too many steps in a row are not finite, a picture that the config names does not exist, another
            process trains in the folder, one that trains with this has ended, or the disk is full.
        KeyboardInterrupt: on SIGINT or SIGTERM, after the step under way is saved.
    """
    with loss_of_others_told(run), disk_full_told(run), claimed(run) if is_first() else nullcontext():
        return _trained(config, prepared, run, devices)


def _trained(config: Config, prepared: Prepared, run: Path, devices: DevicesConfig) -> list[Path]:
    vae, settings = build(config.model, prepared.shape), config.train
    images, folder = prepared.split("train").images, run / "checkpoints"
    keys = split_root(config.seed)
    placement = place(config, devices)
    state = start(folder, keys, vae, config, prepared, placement)
    ends(prepared, config)  # A wish that cannot be met is told now rather than at the first picture.
    if is_first():
        write_config(run, config)
    wait_for_all("run begun")
    first = int(state.step)
    saved = first or -1
    value = checkpoint.read_about(folder, first)["objective"] if first else None
    best = Best(*(checkpoint.best(folder) or (first, -math.inf)))
    measure, draw_codes = build_measure(vae, config), build_draw_codes(vae, config)
    train_step = build_train_step(vae, config, len(images), devices, placement.mesh)
    with (
        checkpoint.open_checkpoints(folder) as checkpointer,
        recording(run, first_step=first, steps=settings.steps, batch_size=settings.batch_size)
        if is_first()
        else not_recording() as record,
        feeding(train_step, config, images, placement, resident=fits_on_device(images)) as advance,
        stop_requests() as stop,
    ):

        def save(step: int, named: dict[str, Any], **said: Any) -> None:
            secure(record)
            checkpoint.save(checkpointer, step, named, about=about(config, prepared), **said)

        if first:
            say(record, f"continuing {run} at step {first} of {settings.steps}")
        pending: Pending = []
        clock = time.monotonic()
        step = settings.steps if out_of_patience(config, best, first) else first
        while step < settings.steps:
            state, metrics = advance(state, step)
            step += len(metrics["loss"])
            pending.append((step, metrics))
            last, logs = step == settings.steps, step % settings.log_every == 0
            # Several processes stop together, and ask one another where they look up from the steps anyhow.
            stopping = any_of_all(bool(stop)) if logs or jax.process_count() == 1 else False
            validates = step % settings.validate_every == 0 or last
            draws = step % settings.picture_every == 0 and not last
            waits = validates or draws or stopping
            if logs or waits:
                # The newest step runs on; its numbers are fetched next time, unless the loop is about to wait anyhow.
                ready, pending = (pending, []) if waits else (pending[:-1], pending[-1:])
                fetched, before, clock = jax.device_get(ready), clock, time.monotonic()
                made = sum(len(metrics["loss"]) for _, metrics in fetched)
                rate = made * settings.batch_size / max(clock - before, 1e-9)
                if trouble := log(record, fetched, config, list(layers(state.params)), rate):
                    good = trouble.step - trouble.in_a_row
                    if good > saved:
                        save(good, trees(state.before_the_last(trouble.in_a_row)), objective=None)
                    where = report(run, trouble, config, len(images)) if is_first() else run
                    raise UserError(
                        f"{trouble.what}, at step {trouble.step}, the last of {trouble.in_a_row} in a row; their "
                        f"pictures are listed in {where}. The last good state, of step {good}, is kept in {run}; a "
                        "smaller --train.learning-rate often helps."
                    )
            if validates:
                params = one_copy(placement, state.evaluated)
                value = of_the_first(objective(validate(measure, params, keys, prepared, "validation", step, record)))
                best = max(best, Best(step, value), key=attrgetter("objective"))
                save(step, trees(state), objective=value)
                saved = step
                if out_of_patience(config, best, step):
                    say(record, f"stopping at step {step}: the best validation was that of step {best.step}")
                    break
            if draws:
                # A mixture alone, of a few codes: a flow would take longer than the steps between two pictures.
                params, some = one_copy(placement, state.evaluated), prepared.split("validation").images
                priors = fitted(draw_codes, params, keys, replace(settings, fitted_flow_steps=0), config, some)
                if is_first():
                    show(vae, params, priors, keys, prepared, config, run / "samples" / f"step-{step:06d}")
            if stopping and not last:
                if saved < step:
                    save(step, trees(state), objective=None)
                raise KeyboardInterrupt(f"stopped after step {step}; the same command goes on from there.")
            clock = time.monotonic() if waits else clock

        params, kept = one_copy(placement, state.evaluated), {}
        if settings.patience:
            checkpointer.wait()
            params = checkpoint.read_tree(folder, best.step, "params" if state.ema is None else "ema")
            kept = {"best": everywhere(placement, params)}
        validate(measure, params, keys, prepared, "test", saved, record)
        priors = fitted(draw_codes, params, keys, settings, config, images)
        statistics = code_statistics(vae, params, images)._asdict()
        extra = kept | everywhere(placement, priors.trees | {STATISTICS: statistics})
        # The pictures first: once a checkpoint says that the run is complete, nobody comes back to draw them.
        pictures = show(vae, params, priors, keys, prepared, config, run / "samples") if is_first() else []
        save(saved, trees(state) | extra, objective=value, complete=True)
        return pictures
