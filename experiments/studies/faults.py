"""Fault injection: interrupts training repeatedly, in every way that machines fail, and checks that nothing is lost.

    make faults                                (python experiments/studies/faults.py --times 20)

A small run is first trained without interruption. Then, for each kind of fault, it is trained again with faults and
continued until it finishes. Nothing was lost if parameters, optimizer state, metrics and images are identical to those
of the uninterrupted run, bit for bit, and `metrics.jsonl` contains every step exactly once. The table is printed to
standard output.
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

from jaxvae.cli import told
from jaxvae.runs import checkpoint

Inject = Callable[[Path, str, float, random.Random], bool]  # Returns whether the fault hit before the run finished.
STEPS = 600
SETTINGS = {
    "model": "mlp", "model.hidden": "200", "model.latent": "8", "model.likelihood": "bernoulli",
    "data.pixels": "binarized", "train.steps": str(STEPS), "train.batch-size": "32", "train.validate-every": "60",
    "train.picture-every": "200", "train.log-every": "20", "train.fitted-flow-steps": "20",
    "train.mixture-components": "3",
}  # fmt: skip


def command(folder: Path, run: str) -> list[str]:
    """Returns the command that trains the small run in `folder`."""
    flags = [part for name, value in SETTINGS.items() for part in (f"--{name}", value)]
    return [sys.executable, "-m", "jaxvae.train", "--data.name", "discs.npy", *flags, "--run", str(folder / run)]


def start(folder: Path, run: str) -> subprocess.Popen[str]:
    """Starts the training command."""
    # Share the compilation cache between runs: the faults should hit training, not compilation.
    cache = {"JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    return subprocess.Popen(  # noqa: S603
        command(folder, run), cwd=folder, env=os.environ | cache,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def finish(folder: Path, run: str) -> str:
    """Trains to the end; returns the output."""
    process = start(folder, run)
    out, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"training failed with {process.returncode}:\n{out}")
    return out


def discs(path: Path) -> None:
    """Writes a dataset of discs, light on dark."""
    rows, columns = np.mgrid[:28, :28]
    x, y, radius = np.random.default_rng(0).uniform([[6], [6], [2]], [[22], [22], [6]], (3, 600))[..., None, None]
    np.save(path, (255 * ((rows - y) ** 2 + (columns - x) ** 2 < radius**2)).astype(np.uint8))


def find_differences(one: Path, other: Path) -> list[str]:
    """Returns which trees, metrics and images differ between two finished runs."""
    differing = []
    for name in ("params", "train", "fitted_mixture", "fitted_flow", "code_statistics"):
        trees = [checkpoint.read_tree(run / "checkpoints", STEPS, name) for run in (one, other)]
        leaves = [[np.asarray(_data(leaf)) for leaf in jax.tree.leaves(tree)] for tree in trees]
        if not all(np.array_equal(a, b) for a, b in zip(*leaves, strict=True)):
            differing.append(name)
    if lines(one) != lines(other):
        differing.append("metrics.jsonl")
    for image in sorted(path.relative_to(one) for path in (one / "samples").rglob("*.png")):
        if not (other / image).exists() or (one / image).read_bytes() != (other / image).read_bytes():
            differing.append(str(image))
    return differing


def _data(leaf: jax.Array) -> jax.Array:
    return jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf


def lines(run: Path) -> list[dict[str, object]]:
    """Reads the metrics of a run, without the speed."""
    parsed = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "images_per_second"} for line in parsed]


def send_signal(number: signal.Signals) -> Inject:
    """Returns a fault that starts the run and sends it the signal after a random share of its duration."""

    def inject(folder: Path, run: str, seconds: float, chance: random.Random) -> bool:
        process = start(folder, run)
        time.sleep(chance.uniform(0.2, 1.0) * seconds)
        process.send_signal(number)
        out, _ = process.communicate()
        # A signal while Python itself starts or exits kills the process directly.
        if process.returncode not in (0, 130, -number):
            raise SystemExit(f"{number.name} ended training with {process.returncode}:\n{out}")
        return process.returncode != 0

    return inject


def damage_checkpoint(change: Callable[[bytes], bytes]) -> Inject:
    """Returns a fault that stops the run and changes one file of its last checkpoint."""

    def inject(folder: Path, run: str, seconds: float, chance: random.Random) -> bool:
        send_signal(signal.SIGTERM)(folder, run, seconds, chance)
        checkpoints = folder / run / "checkpoints"
        if len(known := checkpoint.steps(checkpoints)) < 2:
            return False  # There is no earlier one to fall back to.
        files = [path for path in (checkpoints / str(known[-1])).rglob("*") if path.is_file()]
        path = chance.choice(sorted(path for path in files if path.stat().st_size > 1))
        path.write_bytes(change(path.read_bytes()))
        return True

    return inject


def flip_bit(data: bytes) -> bytes:
    """Flips one bit in the middle."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def cut_metrics(folder: Path, run: str, seconds: float, chance: random.Random) -> bool:
    """Kills the run and truncates the last line that it wrote, as a machine failure would.

    Lines from before the last checkpoint are flushed to disk by then and are not truncated.
    """
    killed, path = send_signal(signal.SIGKILL)(folder, run, seconds, chance), folder / run / "metrics.jsonl"
    written = path.read_text().splitlines() if killed and path.exists() else []
    if not written or json.loads(written[-1])["step"] <= max(checkpoint.steps(folder / run / "checkpoints"), default=0):
        return False
    os.truncate(path, path.stat().st_size - 10)
    return True


def second_process(folder: Path, run: str, seconds: float, chance: random.Random) -> bool:
    """Starts the run twice; the second process must be refused."""
    first = start(folder, run)
    while not (folder / run / ".owner").exists() and first.poll() is None:
        time.sleep(0.05)
    second = start(folder, run)
    out, _ = second.communicate()
    if second.returncode != 2 or f"process {first.pid}" not in out:
        raise SystemExit(f"a second process was not refused ({second.returncode}):\n{out}")
    first.communicate()
    return True


def full_disk(folder: Path, run: str, seconds: float, chance: random.Random) -> bool:
    """Trains on a disk with room for about two checkpoints, then moves the remains of the run to a larger one."""
    mount, kept = folder / run, folder / "kept"
    first = checkpoint.steps(folder / "in-one-go" / "checkpoints")[0]
    files = [path for path in (folder / "in-one-go" / "checkpoints" / str(first)).rglob("*") if path.is_file()]
    size = int(2.6 * sum(path.stat().st_size for path in files))
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", mount], check=True)  # noqa: S603, S607
    try:
        process = start(folder, run)
        out, _ = process.communicate()
        shutil.copytree(mount, kept)
    finally:
        subprocess.run(["umount", mount], check=True)  # noqa: S603, S607
    mount.rmdir()
    kept.rename(mount)
    if (
        process.returncode != 2
        or "is full" not in out
        or "Traceback" in out
        or not checkpoint.steps(mount / "checkpoints")
    ):
        raise SystemExit(f"the full disk was not reported, or no checkpoint was left ({process.returncode}):\n{out}")
    return True


ALONE = (second_process, full_disk)  # Faults that cannot be combined in one run.
FAULTS = {
    "SIGKILL at a random time": send_signal(signal.SIGKILL),
    "SIGTERM at a random time": send_signal(signal.SIGTERM),
    "SIGINT at a random time": send_signal(signal.SIGINT),
    "a file of the last checkpoint truncated to half": damage_checkpoint(lambda data: data[: len(data) // 2]),
    "a bit of the last checkpoint flipped": damage_checkpoint(flip_bit),
    "SIGKILL, and the last line of metrics.jsonl truncated": cut_metrics,
    "a second process in the run folder": second_process,
    "a full disk (tmpfs; requires root)": full_disk,
}


def faults(times: int = 20, seed: int = 0, only: tuple[int, ...] = ()) -> None:
    """Injects each kind of fault.

    Args:
        times: Number of faults of each kind.
        seed: Seed of the random times.
        only: Numbers of the kinds to inject, from 0; all if not set.
    """
    chance = random.Random(seed)  # noqa: S311
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        discs(folder / "discs.npy")
        finish(folder, "prepared")
        begin = time.monotonic()
        finish(folder, "in-one-go")
        seconds = time.monotonic() - begin
        print("| fault | times | nothing lost |\n| --- | --- | --- |", flush=True)
        for number, (fault, inject) in enumerate(FAULTS.items()):
            if only and number not in only:
                continue
            if inject is full_disk and os.geteuid() != 0:
                print(f"| {fault} | skipped: only root can mount | |", flush=True)
                continue
            tried = unharmed = 0
            while tried < times:
                shutil.rmtree(folder / "run", ignore_errors=True)
                # Several faults in a row in the same run.
                in_a_row = 1 if inject in ALONE else min(4, times - tried)
                happened = sum([inject(folder, "run", seconds, chance) for _ in range(in_a_row)])
                finish(folder, "run")
                tried += happened
                if differing := find_differences(folder / "in-one-go", folder / "run"):
                    print(f"different after {fault}: {', '.join(differing)}", file=sys.stderr)
                else:
                    unharmed += happened
            print(f"| {fault} | {tried} | {unharmed} |", flush=True)


if __name__ == "__main__":
    told(lambda: tyro.cli(faults))
