"""What a run writes down: metrics.jsonl always, TensorBoard beside it, a line or a bar for whoever watches."""

import itertools
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tqdm import tqdm

from jaxvae.errors import printable
from jaxvae.experiment import Config
from jaxvae.training.skipping import Trouble, blamed
from jaxvae.training.step import Metrics

LINE_SECONDS = 10.0
Callback = Callable[[int, str, dict[str, float]], object]  # (step, kind, metrics)


@dataclass
class Record:
    """The open files of a run, the watcher's progress bar, where lines are said, and when the last plain one was."""

    lines: IO[str]
    board: Any
    bar: Any
    out: IO[str]
    line_time: float
    callback: Callback | None = None


@contextmanager
def recording(
    run: Path, *, first_step: int, steps: int, batch_size: int, callback: Callback | None = None
) -> Iterator[Record]:
    """Opens the record of a run at `first_step`; lines of later steps, left by an interruption, are dropped."""
    from tensorboardX import SummaryWriter  # Here, since only training needs it.

    path = run / "metrics.jsonl"
    _drop_after(path, first_step)
    board = SummaryWriter(str(run / "tensorboard"), purge_step=first_step + 1, write_to_disk=True)
    bar = tqdm(
        total=steps * batch_size, initial=first_step * batch_size, unit=" images", unit_scale=True,
        disable=None, dynamic_ncols=True, smoothing=0.05,
    )  # fmt: skip
    try:
        with path.open("a") as lines:
            yield Record(lines, board, bar, sys.stdout, time.monotonic(), callback)
    finally:
        bar.close()
        board.close()


@contextmanager
def not_recording() -> Iterator[Record]:
    """A record that nobody sees: of several processes only the first writes."""
    with Path(os.devnull).open("w") as nowhere:
        yield Record(nowhere, None, tqdm(disable=True), nowhere, time.monotonic())


def write(record: Record, step: int, kind: str, metrics: dict[str, float]) -> None:
    """One line of metrics.jsonl and the same numbers in TensorBoard; `kind` is "train", "validation" or "test"."""
    # JSON has no NaN and no infinity.
    plain = {name: value if math.isfinite(value) else str(value) for name, value in metrics.items()}
    record.lines.write(json.dumps({"step": step, "kind": kind, **plain}) + "\n")
    record.lines.flush()
    for name, value in metrics.items() if record.board else ():
        record.board.add_scalar(f"{kind}/{name}", value, step)
    if record.callback is not None:
        record.callback(step, kind, dict(metrics))


def secure(record: Record) -> None:
    """Has the system put all lines on the disk: a checkpoint must not outlive what led to it when the machine fails."""
    if record.board is not None:
        os.fsync(record.lines.fileno())


def progress(record: Record, step: int, steps: int, batch_size: int, metrics: dict[str, float]) -> None:
    """Moves the bar; where the output is no terminal, prints a plain line now and then."""
    shown = {name: metrics[name] for name in ("elbo_nats", "log_likelihood_nats", "kl_nats") if name in metrics}
    record.bar.set_postfix({name: f"{value:.1f}" for name, value in shown.items()}, refresh=False)
    record.bar.update(step * batch_size - record.bar.n if not record.bar.disable else 0)
    if record.bar.disable and time.monotonic() - record.line_time > LINE_SECONDS:
        record.line_time = time.monotonic()
        rate = metrics["images_per_second"]
        left = (steps - step) * batch_size / max(rate, 1e-9)
        numbers = "  ".join(f"{name} {value:.1f}" for name, value in shown.items())
        say(record, f"step {step}/{steps}  {numbers}  {rate:.0f} images/s  {left / 60:.1f} min left")


def say(record: Record, text: str) -> None:
    """A line of its own above the bar."""
    record.bar.write(printable(text), file=record.out)
    record.out.flush()


def _drop_after(path: Path, step: int) -> None:
    if not path.exists():
        return
    kept = [line for line in path.read_text(errors="replace").splitlines(keepends=True) if _stays(line, step)]
    partial = path.with_suffix(".jsonl.partial")
    partial.write_text("".join(kept))
    os.replace(partial, path)


def _stays(line: str, step: int) -> bool:
    try:
        numbers = json.loads(line)
        # The test split is measured when training ends: a run that goes on measures it again.
        return bool(numbers["step"] <= step and numbers["kind"] != "test")
    except (ValueError, LookupError, TypeError, RecursionError):
        return False  # A line cut off by a crash, or not ours.


Pending = list[tuple[int, Metrics]]  # The last step of each stretch, and the metrics [s] of its steps.


def log(
    record: Record, fetched: Pending, config: Config, layers: Sequence[str], images_per_second: float
) -> Trouble | None:
    """Writes the metrics of finished steps and names those that were skipped; returns why the run must stop, if so."""
    for last, stacked in fetched:
        metrics = {name: values for name, values in stacked.items() if name != "update"}
        rows = zip(itertools.count(last + 1 - len(metrics["loss"])), *stacked["update"], *metrics.values())
        for step, made, in_a_row, layer_norms, *numbers in rows:
            values = dict(zip(metrics, map(float, numbers), strict=True))
            if not made:
                trouble = Trouble(step, int(in_a_row), blamed(values, layers, layer_norms))
                if in_a_row >= config.train.most_not_finite:
                    return trouble
                say(record, f"step {step} skipped: {trouble.what}")
            if step % config.train.log_every == 0 or step == config.train.steps:
                values["images_per_second"] = round(images_per_second, 1)
                write(record, step, "train", values)
                progress(record, step, config.train.steps, config.train.batch_size, values)
    return None
