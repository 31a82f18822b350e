"""The host-side training loop: it dispatches steps, and blocks only when it needs their results.

`train` reads like the story of a run: set up, step, look up at intervals, finish.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import jax

from jaxvae.codes import STATISTICS_TREE as STATISTICS
from jaxvae.config import DevicesConfig
from jaxvae.data.prepared import Prepared
from jaxvae.errors import UserError
from jaxvae.evaluation.per_example import OBJECTIVE, build_draw_codes, build_measure
from jaxvae.experiment import Config
from jaxvae.inference import code_statistics
from jaxvae.models import build
from jaxvae.runs import checkpoint
from jaxvae.runs.changes import all_changes, changes_objective
from jaxvae.runs.run import write_config
from jaxvae.system.progress import under_way
from jaxvae.training.failures import report_disk_full, report_lost_process
from jaxvae.training.freezing import split
from jaxvae.training.input_pipeline import feeding, fits_on_device
from jaxvae.training.interrupts import catch_interrupts
from jaxvae.training.labels import training_labels
from jaxvae.training.lock import lock_run
from jaxvae.training.metric_log import (
    Callback,
    discard_log,
    log,
    open_log,
    print_line,
    write_change,
)
from jaxvae.training.multihost import any_process, broadcast_from_first, is_first, wait_for_all
from jaxvae.training.params_check import check_params
from jaxvae.training.prior_fitting import Fits, fit_priors, fits_of, require_small_top
from jaxvae.training.prior_refit import is_due, refit_prior
from jaxvae.training.resume import start, trees
from jaxvae.training.session import Session, Trainer
from jaxvae.training.sharding import everywhere, one_copy, place
from jaxvae.training.skipping import SkippedStep, write_report
from jaxvae.training.snapshots import ends, show
from jaxvae.training.state import TrainState, split_root
from jaxvae.training.step import build_train_step, layers
from jaxvae.training.validation import Best, build_batch_objective, out_of_patience, validate
from jaxvae.vae import Params

REFIT_IMAGES = 5000  # Whose codes are drawn for a refit of the prior before the last step.


def train(
    config: Config,
    prepared: Prepared,
    run: Path,
    devices: DevicesConfig = DevicesConfig(),
    callback: Callback | None = None,
) -> list[Path]:
    """Trains a model, or continues an interrupted run; returns the paths of the final images.

    Args:
        config: the experiment.
        prepared: its images.
        run: folder of the run; a run that it holds is continued.
        devices: which devices, and how the work is laid out on them.
        callback: called with (step, kind, metrics) for each line of metrics.jsonl; kind is "train", "validation" or
            "test".

    Raises:
        UserError: too many steps in a row are not finite, an image that the config names does not exist, another
            process trains in the folder, a process that trains with this one has ended, or the disk is full.
        KeyboardInterrupt: on SIGINT or SIGTERM, after the current step is saved.
    """
    with report_lost_process(run), report_disk_full(run), lock_run(run) if is_first() else nullcontext():
        trainer, state = set_up(config, prepared, run, devices)
        with open_run(trainer, int(state.step), callback) as session:
            state = run_steps(session, state)
            return finish(session, state)


def set_up(config: Config, prepared: Prepared, run: Path, devices: DevicesConfig) -> tuple[Trainer, TrainState]:
    """Builds the model, lays it out on the devices, and returns the state to go on from."""
    config.model.check_training(config.train)
    config.objective.check_files()
    config.objective.check_images(prepared.shape)
    vae, keys, placement = build(config.model, prepared.shape), split_root(config.seed), place(config, devices)
    require_small_top(vae, config)
    labels = training_labels(vae, prepared)
    check_params(vae, config.train)
    state = start(run / "checkpoints", keys, vae, config, prepared, placement)
    ends(prepared, config)  # An attribute query without a match is reported now rather than at the first snapshot.
    if is_first():
        write_config(run, config)
    wait_for_all("run begun")
    examples = prepared.info["splits"]["train"]["n"]
    measure = build_measure(vae, config, devices=placement.here, examples=examples)
    draw_codes = build_draw_codes(vae, config, placement.here)
    batch_objective = build_batch_objective(vae, config, examples)
    trainer = Trainer(
        config, prepared, run, devices, vae, keys, placement, measure, batch_objective, draw_codes, labels
    )
    return trainer, state


@contextmanager
def open_run(trainer: Trainer, first: int, callback: Callback | None) -> Iterator[Session]:
    """Opens the run's files, compiles the train step when it is first called, and listens for interrupts."""
    config, run, folder = trainer.config, trainer.run, trainer.checkpoints
    settings, placement, images = config.train, trainer.placement, trainer.images
    score = checkpoint.read_about(folder, first)["objective"] if first else None
    changes = all_changes(run, first, config)
    # Under another objective the validations so far were of something else.
    since = max((change["step"] for change in changes if changes_objective(change)), default=0)
    best = Best(*(checkpoint.best(folder, since) or (first, -math.inf)))
    train_step = build_train_step(trainer.vae, config, len(images), trainer.devices, placement.mesh)
    with (
        checkpoint.open_checkpoints(folder) as checkpointer,
        open_log(run, first_step=first, steps=settings.steps, batch_size=settings.batch_size, callback=callback)
        if is_first()
        else discard_log() as record,
        feeding(
            train_step, config, images, placement, resident=fits_on_device(images), labels=trainer.labels
        ) as advance,
        catch_interrupts() as stop,
    ):
        if first < settings.steps:
            print_line(record, "compiling the train step")
        if first:
            print_line(record, f"continuing {run} at step {first} of {settings.steps}")
        if changes and changes[-1]["step"] == first:
            write_change(record, first, changes[-1]["changed"])
        yield Session(trainer, checkpointer, record, advance, stop, first, first or -1, score, best, changes)


def run_steps(session: Session, state: TrainState) -> TrainState:
    """Makes the remaining steps, and looks up from them to log, validate, draw, save or stop."""
    config, record = session.trainer.config, session.record
    settings = config.train
    session.clock = time.monotonic()
    step = settings.steps if out_of_patience(config, session.best, session.first) else session.first
    while step < settings.steps:
        state, metrics = session.advance(state, step)
        before, step = step, step + len(metrics["loss"])
        session.pending.append((step, metrics))
        last, logs = step == settings.steps, step % settings.log_every == 0
        # Several processes stop together, and agree on it where they look up from the steps anyhow.
        stopping = any_process(bool(session.stop)) if logs or jax.process_count() == 1 else False
        validates = step % settings.validate_every == 0 or last
        draws = step % settings.picture_every == 0 and not last
        refits = is_due(session.trainer.vae, config, before, step)
        waits = validates or draws or stopping or refits
        if logs or waits:
            fetch_metrics(session, state, waits=waits)
        if refits:
            state = refit(session, state, last=last)
        if validates:
            validate_and_save(session, state, step)
            if out_of_patience(config, session.best, step):
                best = f"the best validation by {OBJECTIVE} was that of step {session.best.step}"
                print_line(record, f"stopping at step {step}: {best}")
                break
        if draws:
            draw_snapshot(session, state, step)
        if stopping and not last:
            if session.saved < step:
                session.save(step, trees(state), objective=None)
            raise KeyboardInterrupt(f"stopped after step {step}; the same command continues from there.")
        session.clock = time.monotonic() if waits else session.clock
    return state


def fetch_metrics(session: Session, state: TrainState, *, waits: bool) -> None:
    """Logs the metrics of finished steps.

    The newest step keeps running; its metrics are fetched next time, unless the loop is about to wait anyhow.

    Raises:
        UserError: too many steps in a row were not finite.
    """
    ready, session.pending = (session.pending, []) if waits else (session.pending[:-1], session.pending[-1:])
    fetched, before, session.clock = jax.device_get(ready), session.clock, time.monotonic()
    made = sum(len(metrics["loss"]) for _, metrics in fetched)
    config = session.trainer.config
    rate = made * config.train.batch_size / max(session.clock - before, 1e-9)
    if trouble := log(session.record, fetched, config, list(layers(split(state.params, config.train)[0])), rate):
        give_up(session, state, trouble)


def give_up(session: Session, state: TrainState, trouble: SkippedStep) -> None:
    """Saves the last good state and ends the run.

    Raises:
        UserError: always; it says which term was not finite and which images the steps were of.
    """
    trainer, good = session.trainer, trouble.step - trouble.in_a_row
    if good > session.saved:
        session.save(good, trees(state.before_the_last(trouble.in_a_row)), objective=None)
    where = write_report(trainer.run, trouble, trainer.config, len(trainer.images)) if is_first() else trainer.run
    raise UserError(
        f"{trouble.what}, at step {trouble.step}, the last of {trouble.in_a_row} in a row; their images are listed in "
        f"{where}. The last good state, of step {good}, is kept in {trainer.run}; a smaller --train.learning-rate "
        "often helps."
    )


def refit(session: Session, state: TrainState, *, last: bool) -> TrainState:
    """Refits the model's own prior to codes of training images; to those of all of them after the last step."""
    trainer = session.trainer
    count = len(trainer.images) if last else REFIT_IMAGES
    images, labels = trainer.images[:count], None if trainer.labels is None else trainer.labels[:count]
    tell = partial(print_line, session.record)
    with under_way(tell, f"fitting the prior to the codes of {len(images):,} training images"):
        return refit_prior(trainer.vae, state, trainer.draw_codes, trainer.keys, images, labels, trainer.placement)


def measure_split(session: Session, params: Params, split: str, step: int) -> dict[str, float]:
    """Measures a split and logs the means."""
    trainer = session.trainer
    return validate(
        trainer.measure, trainer.batch_objective, params, trainer.keys, trainer.prepared, split, step, session.record
    )


def validate_and_save(session: Session, state: TrainState, step: int) -> None:
    """Measures the validation split and saves a checkpoint with its score."""
    trainer = session.trainer
    params = one_copy(trainer.placement, state.evaluated)
    measured = measure_split(session, params, "validation", step)
    session.score = broadcast_from_first(measured[OBJECTIVE])
    session.best = session.best.or_better(step, session.score)
    session.save(step, trees(state), objective=session.score)
    session.saved = step


def draw_snapshot(session: Session, state: TrainState, step: int) -> None:
    """Draws the images of a run that is still under way."""
    trainer = session.trainer
    params = one_copy(trainer.placement, state.evaluated)
    # Only a mixture, of a few codes: a flow would take longer than the steps between two snapshots.
    some, config = trainer.prepared.split("validation").images, trainer.config
    fits = Fits(mixture_components=config.mixture_components)
    priors = fit_priors(trainer.draw_codes, params, trainer.keys, some, fits, config.seed)
    if is_first():
        folder = trainer.run / "samples" / f"step-{step:06d}"
        show(trainer.vae, params, priors, trainer.keys, trainer.prepared, config, folder)


def finish(session: Session, state: TrainState) -> list[Path]:
    """Measures the test split, fits the priors, draws the final images and saves the complete run."""
    trainer = session.trainer
    vae, config, placement, keys, prepared = (
        trainer.vae, trainer.config, trainer.placement, trainer.keys, trainer.prepared,
    )  # fmt: skip
    tell = partial(print_line, session.record)
    params, kept = best_params(session, state)
    with under_way(tell, "measuring the test split"):
        measure_split(session, params, "test", session.saved)
    fits = fits_of(config, vae, params, prepared)
    priors = fit_priors(trainer.draw_codes, params, keys, trainer.images, fits, config.seed, tell)
    with under_way(tell, "measuring mean and standard deviation of the training codes"):
        statistics = code_statistics(vae, params, trainer.images, placement.here)._asdict()
    extra = kept | everywhere(placement, priors.trees | {STATISTICS: statistics})
    # Images first: once a checkpoint says that the run is complete, nobody comes back to draw them.
    with under_way(tell, "drawing reconstructions, samples and an interpolation"):
        images = show(vae, params, priors, keys, prepared, config, trainer.run / "samples") if is_first() else []
    session.save(session.saved, trees(state) | extra, objective=session.score, complete=True)
    return images


def best_params(session: Session, state: TrainState) -> tuple[Params, dict[str, Any]]:
    """Returns the parameters to evaluate, and with `train.patience` the best ones as a tree to keep.

    Raises:
        UserError: there is no best validation, because none was a number.
    """
    trainer = session.trainer
    if not trainer.config.train.patience:
        return one_copy(trainer.placement, state.evaluated), {}
    if session.best.objective == -math.inf:
        raise UserError(
            f"{trainer.run} has no best validation to keep: {OBJECTIVE} was not a number in any. "
            "A smaller --train.learning-rate often helps; without --train.patience the last parameters are kept."
        )
    session.checkpointer.wait()
    name = "params" if state.ema is None else "ema"
    params = checkpoint.read_tree(trainer.checkpoints, session.best.step, name)
    return params, {"best": everywhere(trainer.placement, params)}
