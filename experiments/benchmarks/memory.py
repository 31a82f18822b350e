"""Peak resident memory of training conv64 on a 1 GB dataset, which may add at most a tenth of the dataset's size.

    make bench NAME=memory

Both sides train the same steps, one on a dataset of 1 GB, the other on a hundredth of it. If the first exceeds the
second by more than a tenth of the larger dataset, the memory-mapped file was pulled into memory. Linux only.
"""

import re
import tempfile
from functools import partial
from pathlib import Path

import conv64
import numpy as np
from contest import QUICK, Contestant, Side, record, take_turns
from ours import side

LARGE, SMALL, STEPS = 82_000, 820, 10 if QUICK else 25
LIMIT_MB = LARGE * 64 * 64 * 3 / 10 / 1e6


def train_and_measure(path: Path, count: int) -> Side:
    """Trains for two turns of `STEPS` steps; the measurement is the peak resident memory in MB."""
    images = np.lib.format.open_memmap(path, mode="r")[:count]
    side(conv64.CONFIG, images, STEPS)
    return Side(peak_of_this_process)


def peak_of_this_process() -> float:
    """Returns the peak resident memory in MB, from /proc: getrusage returns that of the parent if it is higher."""
    (kilobytes,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(kilobytes) / 1000.0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        path, random = Path(folder, "train.npy"), np.random.default_rng(0)
        images = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(LARGE, 64, 64, 3))
        for start in range(0, LARGE, 1_000):
            images[start : start + 1_000] = random.integers(0, 256, (1_000, 64, 64, 3), dtype=np.uint8)
        images.flush()
        del images
        peaks: dict[str, list[float]] = {"large": [], "small": []}
        for _ in range(1 if QUICK else 5):
            sides = {
                name: Contestant(partial(train_and_measure, path, count))
                for name, count in (("large", LARGE), ("small", SMALL))
            }
            for name, measured in take_turns(sides, repeats=1).items():
                peaks[name] += measured
    allowed = {"a hundredth of it, plus a tenth of the set": [peak + LIMIT_MB for peak in peaks["small"]]}
    record("memory, conv64 on a set of 1 GB", peaks["large"], allowed, target=1.0, unit="MB at the peak")
