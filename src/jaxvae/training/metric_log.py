"""Metrics of a run: metrics.jsonl, TensorBoard, and a progress bar or plain lines on the terminal."""

import itertools
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Protocol, runtime_checkable

from tqdm import tqdm

from jaxvae.errors import UserError, printable
from jaxvae.experiment import Config
from jaxvae.runs.run import LARGEST_LOG
from jaxvae.system.small_files import check_regular
from jaxvae.training.skipping import SkippedStep, find_cause
from jaxvae.training.step import Metrics

SECONDS_BETWEEN_LINES = 10.0
Callback = Callable[[int, str, dict[str, float]], object]  # (step, kind, metrics)

Pending = list[tuple[int, Metrics]]  # The last step of each dispatch, and the metrics [s] of its steps.


@runtime_checkable
class Output(Protocol):
    """Where lines are printed, such as `sys.stdout`."""

    def write(self, text: str, /) -> object:
        """Writes text."""

    def flush(self) -> object:
        """Shows what was written."""


@dataclass
class MetricLog:
    """The open files of a run, its progress bar, the output for lines, and the time of the last plain progress line."""

    lines: IO[str]
    board: Any
    bar: Any
    out: Output
    line_time: float
    callback: Callback | None = None


@contextmanager
def open_log(
    run: Path, *, first_step: int, steps: int, batch_size: int, callback: Callback | None = None
) -> Iterator[MetricLog]:
    """Opens the log of a run at `first_step`; lines of later steps, left by an interruption, are dropped."""
    from tensorboardX import SummaryWriter  # Imported here because only training needs it.

    path = run / "metrics.jsonl"
    _drop_later_lines(path, first_step)
    board = SummaryWriter(str(run / "tensorboard"), purge_step=first_step + 1, write_to_disk=True)
    bar = tqdm(
        total=steps * batch_size, initial=first_step * batch_size, unit=" images", unit_scale=True,
        disable=None, dynamic_ncols=True, smoothing=0.05,
    )  # fmt: skip
    try:
        with path.open("a") as lines:
            yield MetricLog(lines, board, bar, sys.stdout, time.monotonic(), callback)
    finally:
        bar.close()
        board.close()


@contextmanager
def discard_log() -> Iterator[MetricLog]:
    """Opens a log that discards everything, for processes other than process 0."""
    with Path(os.devnull).open("w") as devnull:
        yield MetricLog(devnull, None, tqdm(disable=True), devnull, time.monotonic())


def write(record: MetricLog, step: int, kind: str, metrics: dict[str, float]) -> None:
    """Appends a line to metrics.jsonl, with the time of the day, and the same numbers to TensorBoard.

    Args:
        record: the log of the run.
        step: number of updates made.
        kind: "train", "validation" or "test".
        metrics: numbers by name.
    """
    # JSON has no NaN and no infinity.
    plain = {name: value if math.isfinite(value) else str(value) for name, value in metrics.items()}
    now = datetime.now(UTC).isoformat(timespec="seconds")
    record.lines.write(json.dumps({"step": step, "kind": kind, "time": now, **plain}) + "\n")
    record.lines.flush()
    for name, value in metrics.items() if record.board else ():
        record.board.add_scalar(f"{kind}/{name}", value, step)
    if record.callback is not None:
        record.callback(step, kind, dict(metrics))


def write_change(record: MetricLog, step: int, changed: Mapping[str, Sequence[Any]]) -> None:
    """Appends a line of kind "change": the fields of the config that the steps after this one have other values of."""
    record.lines.write(json.dumps({"step": step, "kind": "change", "changed": dict(changed)}) + "\n")
    record.lines.flush()
    told = ", ".join(f"{name} {before!r} -> {after!r}" for name, (before, after) in changed.items())
    print_line(record, f"from now on: {told}")


def flush_to_disk(record: MetricLog) -> None:
    """Flushes all lines to disk: if the machine fails, a checkpoint must not survive without the lines before it."""
    if record.board is not None:
        os.fsync(record.lines.fileno())


def update_progress(record: MetricLog, step: int, steps: int, batch_size: int, metrics: dict[str, float]) -> None:
    """Advances the progress bar; if the output is not a terminal, prints a plain line every few seconds instead.

    Args:
        record: the log of the run.
        step: number of updates made.
        steps: total number of updates.
        batch_size: images per update.
        metrics: the step's metrics.
    """
    shown = {name: metrics[name] for name in ("elbo_nats", "log_likelihood_nats", "kl_nats") if name in metrics}
    record.bar.set_postfix({name: f"{value:.1f}" for name, value in shown.items()}, refresh=False)
    record.bar.update(step * batch_size - record.bar.n if not record.bar.disable else 0)
    if record.bar.disable and time.monotonic() - record.line_time > SECONDS_BETWEEN_LINES:
        record.line_time = time.monotonic()
        rate = metrics["images_per_second"]
        left = (steps - step) * batch_size / max(rate, 1e-9)
        numbers = "  ".join(f"{name} {value:.1f}" for name, value in shown.items())
        print_line(record, f"step {step}/{steps}  {numbers}  {rate:.0f} images/s  {left / 60:.1f} min left")


def print_line(record: MetricLog, text: str) -> None:
    """Prints a line above the progress bar."""
    record.bar.write(printable(text), file=record.out)
    record.out.flush()


def _drop_later_lines(path: Path, step: int) -> None:
    if not path.exists():
        return
    try:
        check_regular(path, LARGEST_LOG)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; move it away to go on without it.") from error
    partial = path.with_suffix(".jsonl.partial")
    with path.open(errors="replace") as lines, partial.open("w") as kept:
        kept.writelines(line for line in lines if _is_kept(line, step))
    os.replace(partial, path)


def _is_kept(line: str, step: int) -> bool:
    try:
        numbers = json.loads(line)
        # The test split is measured at the end of training: a run that continues measures it again. A change at this
        # very step is one that no checkpoint knows of yet; it is made again, or not made after all.
        last = step - 1 if numbers["kind"] == "change" else step
        return bool(numbers["step"] <= last and numbers["kind"] != "test")
    except (ValueError, LookupError, TypeError, RecursionError):
        return False  # A line truncated by a crash, or not written by us.


def log(
    record: MetricLog, fetched: Pending, config: Config, layers: Sequence[str], images_per_second: float
) -> SkippedStep | None:
    """Writes the metrics of finished steps and prints skipped ones.

    Args:
        record: the log of the run.
        fetched: the metrics of finished steps.
        config: config of the run.
        layers: names of the layers.
        images_per_second: current speed.

    Returns:
        The step that makes the run stop, or None if it can continue.
    """
    for last, stacked in fetched:
        metrics = {name: values for name, values in stacked.items() if name != "update"}
        rows = zip(itertools.count(last + 1 - len(metrics["loss"])), *stacked["update"], *metrics.values())
        for step, applied, in_a_row, layer_norms, *numbers in rows:
            values = dict(zip(metrics, map(float, numbers), strict=True))
            if not applied:
                skipped = SkippedStep(step, int(in_a_row), find_cause(values, layers, layer_norms))
                if in_a_row >= config.train.most_not_finite:
                    return skipped
                print_line(record, f"step {step} skipped: {skipped.what}")
            if step % config.train.log_every == 0 or step == config.train.steps:
                values["images_per_second"] = round(images_per_second, 1)
                write(record, step, "train", values)
                update_progress(record, step, config.train.steps, config.train.batch_size, values)
    return None
