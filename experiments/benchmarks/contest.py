"""Benchmark harness: contestants, each in its own process, take turns; medians, spreads and ratios go to results.json.

Interleaving the measurements exposes all contestants to the same background load.
"""

import json
import math
import multiprocessing
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jaxvae.system.files import write_json
from jaxvae.system.processes import cpu_count

RESULTS = Path(__file__).with_name("results.json")
QUICK = bool(os.environ.get("QUICK"))  # Fewer and shorter turns.
PAUSE = 0.25 if QUICK else 1.0  # Seconds between turns: OpenMP threads keep spinning for a while after their last work.
# Several processes share a GPU, and JAX would preallocate three quarters of it in each.
os.environ.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", "0.15")
PACKAGES = ("jaxvae", "jax", "flax", "optax", "torch", "pythae", "pillow")


class Side(NamedTuple):
    """A warmed-up contestant: `turn` takes one measurement; `loss` of the first step is compared between sides.

    `held` keeps resources alive in the meantime.
    """

    turn: Callable[[], float]
    loss: float | None = None
    held: Any = None


class Contestant(NamedTuple):
    """A contestant to be started: `make` builds its side in a new process.

    Attributes:
        make: builds the side.
        environment: environment variables of the process, besides those of this one.
        imports: modules that `make` will import.
    """

    make: Callable[[], Side]
    environment: Mapping[str, str] = {}
    imports: tuple[str, ...] = ()


def take_turns(contestants: dict[str, Contestant], repeats: int = 7, tolerance: float = 1e-4) -> dict[str, list[float]]:
    """Takes `repeats` measurements of each contestant, in turn.

    Args:
        contestants: the contestants by name.
        repeats: measurements of each.
        tolerance: maximum relative difference between their losses of the first step.

    Raises:
        SystemExit: if the losses differ, so that the contestants do not compute the same thing.
    """
    with ExitStack() as stack:
        pipes = _warmed_up(contestants, tolerance, stack)
        return _measure(pipes, repeats)


def take_turns_beside_a_busy_process(
    contestants: dict[str, Contestant], repeats: int = 7, tolerance: float = 1e-4
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Takes turns as `take_turns` does, and then as often beside a process that keeps one core busy."""
    with ExitStack() as stack:
        pipes = _warmed_up(contestants, tolerance, stack)
        alone = _measure(pipes, repeats)
        busy = multiprocessing.get_context("spawn").Process(target=_spin, daemon=True)
        busy.start()
        beside = _measure(pipes, repeats)
        busy.terminate()
    return alone, beside


def _warmed_up(contestants: dict[str, Contestant], tolerance: float, stack: ExitStack) -> dict[str, Connection]:
    """Starts the contestants, whose pipes the stack closes in any case, which ends the processes.

    One whose loss is not finite is left out, with a line that says so.
    """
    pipes = {name: stack.enter_context(_start(contestant)) for name, contestant in contestants.items()}
    losses = {}
    for name, pipe in pipes.items():  # They import at the same time, but are warmed up one by one.
        pipe.send("build")
        losses[name] = pipe.recv()
    for name in [name for name, loss in losses.items() if loss is not None and not math.isfinite(loss)]:
        print(f"{name} is left out: its loss of the first step is {losses.pop(name)}", flush=True)
        pipes.pop(name).close()
    known = {name: loss for name, loss in losses.items() if loss is not None}
    if known:
        print("losses of the first step:", known, flush=True)
    if known and max(known.values()) - min(known.values()) > tolerance * abs(max(known.values())):
        raise SystemExit("the losses of the first step differ: the contestants do not compute the same thing")
    return pipes


def _spin() -> None:
    while True:
        pass


def _measure(pipes: dict[str, Connection], repeats: int) -> dict[str, list[float]]:
    measured: dict[str, list[float]] = {name: [] for name in pipes}
    for _ in range(repeats):
        for name, pipe in pipes.items():
            time.sleep(PAUSE)
            pipe.send("turn")
            measured[name].append(pipe.recv())
    return measured


def _start(contestant: Contestant) -> Connection:
    context = multiprocessing.get_context("spawn")
    before = dict(os.environ)
    os.environ.update(contestant.environment)
    parent, child = context.Pipe()
    context.Process(target=_serve, args=(contestant, child)).start()
    child.close()  # Otherwise a contestant that crashes would block us instead of ending the contest.
    os.environ.clear()
    os.environ.update(before)
    return parent


def _serve(contestant: Contestant, pipe: Connection) -> None:
    for module in contestant.imports:
        import_module(module)
    with suppress(EOFError):  # The contest is over.
        pipe.recv()
        side = contestant.make()
        pipe.send(side.loss)
        while pipe.recv():
            pipe.send(side.turn())


def record(
    name: str,
    ours: list[float],
    theirs: dict[str, list[float]],
    *,
    target: float,
    unit: str,
    instructions: str = "",
) -> None:
    """Writes a row to results.json and prints it; the name ends in the accelerator or else the instruction set.

    Args:
        name: name of the row.
        ours: our measurements; lower is better.
        theirs: the measurements of each peer.
        target: required ratio of the best peer's median to ours.
        unit: unit of the measurements.
        instructions: the instruction set that all sides were limited to.
    """
    accelerator = jax.devices()[0].device_kind if on_accelerator() else None
    name = ", ".join(filter(None, (name, accelerator or instructions)))
    medians = {peer: statistics.median(values) for peer, values in theirs.items()}
    row = {
        "ours": round(statistics.median(ours), 4),
        "theirs": {peer: round(median, 4) for peer, median in medians.items()},
        "ratio": round(min(medians.values()) / statistics.median(ours), 3),
        "target": target,
        "unit": unit,
        "repeats": len(ours),
        "spread": {
            side: [round(min(values), 4), round(max(values), 4)] for side, values in {"ours": ours, **theirs}.items()
        },
        "date": datetime.now(UTC).date().isoformat(),
        "versions": {package: found for package in PACKAGES if (found := _version(package))},
        "processor": _processor() if accelerator is None else f"{accelerator}; {_processor()}",
    }
    rows: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    write_json(RESULTS, rows | {name: row})
    print(line(name, row), flush=True)


def on_accelerator() -> bool:
    """Whether JAX, and therefore its peers, computes on a GPU or TPU."""
    return jax.default_backend() != "cpu"


def line(name: str, row: dict[str, Any]) -> str:
    """Formats a row of results.json as a row of the Markdown table."""
    theirs = ", ".join(f"{peer} {median:g}" for peer, median in row["theirs"].items())
    low, high = row["spread"]["ours"]
    return (
        f"| {name} | {row['ours']:g} ({low:g} to {high:g}) | {theirs} | {row['unit']} | {row['ratio']:.2f} "
        f"| {row['target']:g} | {row['repeats']} |"
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    count = f"{cpu_count()} cores"
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return f"{platform.processor()}, {count}"
    return f"{next(line.split(':')[1].strip() for line in lines if line.startswith('model name'))}, {count}"
