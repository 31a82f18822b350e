"""Peak resident memory of training conv64 on a set ten times larger than what it may add.

    make bench NAME=memory

Both sides train the same steps: one on a set of 4 GB, the other on one that is a hundredth of it. Their difference must
stay below a tenth of the larger set, or the map of the file was pulled into memory.
"""

import resource
import tempfile
from functools import partial
from pathlib import Path

import conv64
import numpy as np
from contest import Contestant, Side, record, take_turns
from ours import side

LARGE, SMALL, STEPS = 330_000, 3_300, 20
LIMIT_MB = LARGE * 64 * 64 * 3 / 10 / 1e6


def peak(path: Path, count: int) -> Side:
    """Trains twice `STEPS` steps and says how many MB were resident at most."""
    images = np.lib.format.open_memmap(path, mode="r")[:count]
    side(conv64.CONFIG, images, STEPS)
    return Side(lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000.0)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        path, random = Path(folder, "train.npy"), np.random.default_rng(0)
        images = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(LARGE, 64, 64, 3))
        for start in range(0, LARGE, 10_000):
            images[start : start + 10_000] = random.integers(0, 256, (10_000, 64, 64, 3), dtype=np.uint8)
        images.flush()
        del images
        added = []
        for _ in range(5):
            sides = {
                name: Contestant(partial(peak, path, count)) for name, count in (("large", LARGE), ("small", SMALL))
            }
            measured = take_turns(sides, repeats=1)
            added.append(measured["large"][0] - measured["small"][0])
            print(measured, flush=True)
    record("memory added by a set of 4 GB", added, {"a tenth of the set": [LIMIT_MB]}, target=1.0, unit="MB")
