"""Two or more sides, each in a process of its own, take turns; medians, spreads and ratios go into results.json."""

import json
import multiprocessing
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jaxvae.system.files import write_json
from jaxvae.system.processes import cpu_count

RESULTS = Path(__file__).with_name("results.json")
PAUSE = 1.0  # Seconds between two turns: OpenMP's threads keep a core busy for a while after their last work.
# In a contest several processes share a GPU, of which JAX would take three quarters each.
os.environ.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", "0.15")
PACKAGES = ("jaxvae", "jax", "flax", "optax", "torch", "pythae", "pillow")


class Side(NamedTuple):
    """What a process has warmed up: `turn` makes one measurement, `loss` is that of the first step, to be compared.

    `held` is what must stay alive meanwhile.
    """

    turn: Callable[[], float]
    loss: float | None = None
    held: Any = None


class Contestant(NamedTuple):
    """`make` builds the side in a new process that starts with these additions to the environment."""

    make: Callable[[], Side]
    environment: Mapping[str, str] = {}


def take_turns(contestants: dict[str, Contestant], repeats: int = 7, tolerance: float = 1e-4) -> dict[str, list[float]]:
    """Measurements of each side, `repeats` of each in turn; ends the program where their losses are not the same."""
    with ExitStack() as stack:  # Closes all pipes, whatever happens, and so ends the processes.
        pipes, losses = {}, {}
        for name, contestant in contestants.items():
            pipes[name] = stack.enter_context(_started(contestant))
            # One after the other: while one side compiles, none is measured.
            losses[name] = pipes[name].recv()
        known = {name: loss for name, loss in losses.items() if loss is not None}
        print("losses of the first step:", known or "none to compare", flush=True)
        if known and max(known.values()) - min(known.values()) > tolerance * abs(max(known.values())):
            raise SystemExit("the sides do not compute the same thing")
        measured: dict[str, list[float]] = {name: [] for name in contestants}
        for _ in range(repeats):
            for name, pipe in pipes.items():
                time.sleep(PAUSE)
                pipe.send("turn")
                measured[name].append(pipe.recv())
    return measured


def _started(contestant: Contestant) -> Connection:
    context = multiprocessing.get_context("spawn")
    before = dict(os.environ)
    os.environ.update(contestant.environment)
    ours, its = context.Pipe()
    context.Process(target=_serve, args=(contestant.make, its)).start()
    its.close()  # So that a side that fails ends the contest rather than keeping it waiting.
    os.environ.clear()
    os.environ.update(before)
    return ours


def _serve(make: Callable[[], Side], pipe: Connection) -> None:
    side = make()
    pipe.send(side.loss)
    with suppress(EOFError):
        while pipe.recv():
            pipe.send(side.turn())


def record(name: str, ours: list[float], theirs: dict[str, list[float]], *, target: float, unit: str) -> None:
    """Writes a row: less is better, and the ratio is that of the best peer's median to ours.

    On an accelerator its name is part of the row's, so that rows of several machines stand beside one another.
    """
    accelerator = jax.devices()[0].device_kind if on_accelerator() else None
    name = f"{name}, {accelerator}" if accelerator else name
    medians = {peer: statistics.median(each) for peer, each in theirs.items()}
    row = {
        "ours": round(statistics.median(ours), 4),
        "theirs": {peer: round(each, 4) for peer, each in medians.items()},
        "ratio": round(min(medians.values()) / statistics.median(ours), 3),
        "target": target,
        "unit": unit,
        "repeats": len(ours),
        "spread": {peer: [round(min(each), 4), round(max(each), 4)] for peer, each in {"ours": ours, **theirs}.items()},
        "date": datetime.now(UTC).date().isoformat(),
        "versions": {package: found for package in PACKAGES if (found := _version(package))},
        "processor": _processor() if accelerator is None else f"{accelerator}; {_processor()}",
    }
    rows: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    write_json(RESULTS, rows | {name: row})
    print(line(name, row), flush=True)


def on_accelerator() -> bool:
    """Whether JAX, and then its peers too, computes on a GPU or TPU."""
    return jax.default_backend() != "cpu"


def line(name: str, row: dict[str, Any]) -> str:
    """A row of the table."""
    theirs = ", ".join(f"{peer} {each:g}" for peer, each in row["theirs"].items())
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
    return f"{next(each.split(':')[1].strip() for each in lines if each.startswith('model name'))}, {count}"
