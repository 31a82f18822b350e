"""`python -m jaxvae.interpolate`, from process start to the image on disk.

    make train && make bench NAME=startup     (--run RUN for a run other than the newest)

Cold: with an empty compilation cache. Warm: with the cache of the previous run.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import tyro
from contest import record

from jaxvae.runs.run import newest_run

LIMIT, REPEATS = 4.0, 5


def seconds(run: Path, folder: str, cache: str) -> float:
    """Measures one interpolation, in seconds."""
    image = Path(folder, "walk.png")
    image.unlink(missing_ok=True)
    command = [sys.executable, "-m", "jaxvae.interpolate", str(run), "--out", str(image)]
    begin = time.perf_counter()
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": cache}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)  # noqa: S603
    taken = time.perf_counter() - begin
    if not image.exists():
        raise SystemExit(f"{image} was not written")
    return taken


def startup(run: Path | None = None) -> None:
    """Measures cold and warm starts in turn.

    Args:
        run: A finished run; the newest one in runs/ if not set.
    """
    run = run or newest_run()
    cold, warm = [], []
    with tempfile.TemporaryDirectory() as folder:
        seconds(run, folder, folder)  # Warms up the system's file cache.
        for number in range(REPEATS):
            cache = str(Path(folder, f"cache-{number}"))
            cold.append(seconds(run, folder, cache))
            warm.append(seconds(run, folder, cache))
    record("startup, cold", cold, {"limit": [LIMIT]}, target=0.0, unit="s")
    record("startup, warm", warm, {"limit": [LIMIT]}, target=1.0, unit="s")


if __name__ == "__main__":
    tyro.cli(startup)
