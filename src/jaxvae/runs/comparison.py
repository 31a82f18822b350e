"""Runs side by side: their metrics, the fields that differ, and the runs that differ in their seed alone."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxvae.errors import UserError
from jaxvae.experiment import Config, flatten, to_json
from jaxvae.runs.presence import no_record
from jaxvae.runs.run import LARGEST_LOG, read_config, run_of
from jaxvae.system.small_files import check_regular

SEED = "seed"
OTHER = ("step", "kind", "time", "n")  # Fields of a line that are no metrics.
UNIMPORTANT = ("name", "data.root", "data.walk_from", "data.walk_to")  # Fields that change no number.


class Recorded(NamedTuple):
    """A run, what it was trained with, and the lines of its metrics.jsonl."""

    path: Path
    config: Config
    lines: list[dict[str, Any]]

    def curve(self, kind: str, metric: str) -> tuple[np.ndarray, np.ndarray]:
        """Returns the steps and the values of a metric in lines of this kind; a value that was not finite is NaN."""
        points = [(line["step"], _number(line[metric])) for line in self.lines if _is(line, kind) and metric in line]
        steps, values = zip(*points, strict=True) if points else ((), ())
        return np.asarray(steps, np.int64), np.asarray(values, np.float64)

    def last(self, kind: str) -> dict[str, float]:
        """Returns the numbers of the last line of this kind; empty if there is none."""
        return {name: _number(value) for name, value in self._last_line(kind).items() if name not in OTHER}

    def last_step(self, kind: str) -> int | None:
        """Returns the step of the last line of this kind; None if there is none."""
        return self._last_line(kind).get("step")

    def _last_line(self, kind: str) -> dict[str, Any]:
        return next((line for line in reversed(self.lines) if _is(line, kind)), {})


def read_run(path: Path) -> Recorded:
    """Reads what a run has recorded, which need not be complete.

    Raises:
        UserError: there is no run, or its metrics cannot be read.
    """
    path, _ = run_of(path)
    config = read_config(path)
    if config is None:
        raise UserError(no_record(path))
    log = path / "metrics.jsonl"
    try:
        check_regular(log, LARGEST_LOG)
        lines = [json.loads(line) for line in log.read_text().splitlines() if line.endswith("}")]
    except FileNotFoundError:
        lines = []
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{log} cannot be read: {error}.") from error
    return Recorded(path, config, [line for line in lines if isinstance(line, dict) and type(line.get("step")) is int])


def differing_fields(runs: Sequence[Recorded]) -> dict[str, list[Any]]:
    """Returns the values of each run for the fields in which not all agree, by dotted name."""
    flat = [flatten(to_json(run.config)) for run in runs]
    names = [name for name in dict.fromkeys(name for each in flat for name in each) if name not in UNIMPORTANT]
    values = {name: [each.get(name) for each in flat] for name in names}
    return {name: found for name, found in values.items() if any(value != found[0] for value in found)}


def same_but_for_seed(runs: Sequence[Recorded]) -> list[list[int]]:
    """Returns the runs, by number, in groups of two or more that differ in their seed alone."""
    groups: dict[str, list[int]] = {}
    for number, run in enumerate(runs):
        fields = flatten(to_json(run.config))
        key = {name: value for name, value in fields.items() if name != SEED and name not in UNIMPORTANT}
        groups.setdefault(json.dumps(key, sort_keys=True), []).append(number)
    return [group for group in groups.values() if len({runs[number].config.seed for number in group}) > 1]


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    """Returns the mean and the standard deviation of a sample, NaN for a single value."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def _is(line: dict[str, Any], kind: str) -> bool:
    return line.get("kind") == kind


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan
