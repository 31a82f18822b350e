"""Ends training in every way that machines do, many times, and checks that nothing was lost.

    make faults                                (python experiments/studies/faults.py --times 20)

A small run is trained once in one go. Then, for each kind of fault, it is trained again and disturbed until it has
ended all the same. Nothing was lost when its parameters, optimizer state, metrics and pictures are then those of the
run in one go, bit for bit, and `metrics.jsonl` has every step once. The table goes to the standard output.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from jaxvae.runs import checkpoint

Disturb = Callable[[Path, str, float, random.Random], bool]  # Whether the fault came before the run's end.
STEPS = 600
SETTINGS = {
    "model.network": "mlp", "model.hidden": "200", "model.latent": "8", "model.likelihood": "bernoulli",
    "data.pixels": "binarized", "train.steps": str(STEPS), "train.batch-size": "32", "train.validate-every": "60",
    "train.picture-every": "200", "train.log-every": "20", "train.fitted-flow-steps": "20",
    "train.mixture-components": "3",
}  # fmt: skip


def command(folder: Path, run: str) -> list[str]:
    """Trains the small run in `folder`."""
    flags = [part for name, value in SETTINGS.items() for part in (f"--{name}", value)]
    return [sys.executable, "-m", "jaxvae.train", "--data.name", "discs.npy", *flags, "--run", str(folder / run)]


def started(folder: Path, run: str) -> subprocess.Popen[str]:
    """The command above, under way."""
    # What one run has compiled serves the next: the faults are to meet the training, not the compiler.
    cache = {"JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    return subprocess.Popen(  # noqa: S603
        command(folder, run), cwd=folder, env=os.environ | cache,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def finish(folder: Path, run: str) -> str:
    """Trains to the end; what was printed."""
    process = started(folder, run)
    out, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"training failed with {process.returncode}:\n{out}")
    return out


def discs(path: Path) -> None:
    """A set of discs, light on dark."""
    rows, columns = np.mgrid[:28, :28]
    x, y, radius = np.random.default_rng(0).uniform([[6], [6], [2]], [[22], [22], [6]], (3, 600))[..., None, None]
    np.save(path, (255 * ((rows - y) ** 2 + (columns - x) ** 2 < radius**2)).astype(np.uint8))


def same(one: Path, other: Path) -> list[str]:
    """What differs between two ended runs: trees, metrics, pictures."""
    differing = []
    for name in ("params", "train", "fitted_mixture", "fitted_flow", "code_statistics"):
        trees = [checkpoint.read_tree(run / "checkpoints", STEPS, name) for run in (one, other)]
        leaves = [[np.asarray(_data(leaf)) for leaf in jax.tree.leaves(tree)] for tree in trees]
        if not all(np.array_equal(a, b) for a, b in zip(*leaves, strict=True)):
            differing.append(name)
    if lines(one) != lines(other):
        differing.append("metrics.jsonl")
    for picture in sorted(path.relative_to(one) for path in (one / "samples").rglob("*.png")):
        if not (other / picture).exists() or (one / picture).read_bytes() != (other / picture).read_bytes():
            differing.append(str(picture))
    return differing


def _data(leaf: jax.Array) -> jax.Array:
    return jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf


def lines(run: Path) -> list[dict[str, object]]:
    """The metrics without the speed."""
    parsed = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "images_per_second"} for line in parsed]


def stopped_by(number: signal.Signals) -> Disturb:
    """Starts the run and sends it the signal after a part of the time that it takes."""

    def disturb(folder: Path, run: str, seconds: float, chance: random.Random) -> bool:
        process = started(folder, run)
        time.sleep(chance.uniform(0.2, 1.0) * seconds)
        process.send_signal(number)
        out, _ = process.communicate()
        # A signal that comes when Python itself is starting or leaving ends it as signals do.
        if process.returncode not in (0, 130, -number):
            raise SystemExit(f"{number.name} ended training with {process.returncode}:\n{out}")
        return process.returncode != 0

    return disturb


def damaged(change: Callable[[bytes], bytes]) -> Disturb:
    """Stops the run and changes one file of its last checkpoint."""

    def disturb(folder: Path, run: str, seconds: float, chance: random.Random) -> bool:
        stopped_by(signal.SIGTERM)(folder, run, seconds, chance)
        checkpoints = folder / run / "checkpoints"
        if len(known := checkpoint.steps(checkpoints)) < 2:
            return False  # There is none before it.
        files = [path for path in (checkpoints / str(known[-1])).rglob("*") if path.is_file()]
        path = chance.choice(sorted(path for path in files if path.stat().st_size > 1))
        path.write_bytes(change(path.read_bytes()))
        return True

    return disturb


def flipped(data: bytes) -> bytes:
    """One bit in the middle the other way round."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def cut_metrics(folder: Path, run: str, seconds: float, chance: random.Random) -> bool:
    """Kills the run and cuts off the last line that it wrote, as a machine that fails does.

    What a checkpoint was saved after is on the disk by then, and is not cut.
    """
    killed, path = stopped_by(signal.SIGKILL)(folder, run, seconds, chance), folder / run / "metrics.jsonl"
    written = path.read_text().splitlines() if killed and path.exists() else []
    if not written or json.loads(written[-1])["step"] <= max(checkpoint.steps(folder / run / "checkpoints"), default=0):
        return False
    os.truncate(path, path.stat().st_size - 10)
    return True


def second_process(folder: Path, run: str, seconds: float, chance: random.Random) -> bool:
    """Starts the run twice; the one that came second must be refused."""
    first = started(folder, run)
    while not (folder / run / ".owner").exists() and first.poll() is None:
        time.sleep(0.05)
    second = started(folder, run)
    out, _ = second.communicate()
    if second.returncode != 2 or f"process {first.pid}" not in out:
        raise SystemExit(f"a second process was not refused ({second.returncode}):\n{out}")
    first.communicate()
    return True


def full_disk(folder: Path, run: str, seconds: float, chance: random.Random) -> bool:
    """Trains on a disk that holds about two checkpoints, and takes what is left of the run to one with room."""
    place, kept = folder / run, folder / "kept"
    first = checkpoint.steps(folder / "in-one-go" / "checkpoints")[0]
    files = [path for path in (folder / "in-one-go" / "checkpoints" / str(first)).rglob("*") if path.is_file()]
    size = int(2.6 * sum(path.stat().st_size for path in files))
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], check=True)  # noqa: S603, S607
    try:
        process = started(folder, run)
        out, _ = process.communicate()
        shutil.copytree(place, kept)
    finally:
        subprocess.run(["umount", place], check=True)  # noqa: S603, S607
    place.rmdir()
    kept.rename(place)
    if (
        process.returncode != 2
        or "is full" not in out
        or "Traceback" in out
        or not checkpoint.steps(place / "checkpoints")
    ):
        raise SystemExit(f"a full disk was not told, or left no checkpoint ({process.returncode}):\n{out}")
    return True


ALONE = (second_process, full_disk)  # Those that leave nothing to be disturbed again.
FAULTS = {
    "SIGKILL at a random moment": stopped_by(signal.SIGKILL),
    "SIGTERM at a random moment": stopped_by(signal.SIGTERM),
    "SIGINT at a random moment": stopped_by(signal.SIGINT),
    "a file of the last checkpoint cut in half": damaged(lambda data: data[: len(data) // 2]),
    "a bit of the last checkpoint flipped": damaged(flipped),
    "SIGKILL, and the last line of metrics.jsonl cut off": cut_metrics,
    "a second process in the run's folder": second_process,
    "a full disk (tmpfs; needs root)": full_disk,
}


def faults(times: int = 20, seed: int = 0, only: tuple[int, ...] = ()) -> None:
    """Tries each kind of fault.

    Args:
        times: how often each.
        seed: of the moments.
        only: the kinds with these numbers, from 0; all of them when left out.
    """
    chance = random.Random(seed)  # noqa: S311
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        discs(folder / "discs.npy")
        finish(folder, "prepared")
        begin = time.monotonic()
        finish(folder, "in-one-go")
        seconds = time.monotonic() - begin
        print("| fault | times | nothing was lost |\n| --- | --- | --- |", flush=True)
        for number, (fault, disturb) in enumerate(FAULTS.items()):
            if only and number not in only:
                continue
            if disturb is full_disk and os.geteuid() != 0:
                print(f"| {fault} | not tried: only root may mount | |", flush=True)
                continue
            tried = unharmed = 0
            while tried < times:
                shutil.rmtree(folder / "run", ignore_errors=True)
                # Several in one run, one upon the other.
                at_once = 1 if disturb in ALONE else min(4, times - tried)
                happened = sum([disturb(folder, "run", seconds, chance) for _ in range(at_once)])
                finish(folder, "run")
                tried += happened
                if differing := same(folder / "in-one-go", folder / "run"):
                    print(f"differing after {fault}: {', '.join(differing)}", file=sys.stderr)
                else:
                    unharmed += happened
            print(f"| {fault} | {tried} | {unharmed} |", flush=True)


if __name__ == "__main__":
    tyro.cli(faults)
