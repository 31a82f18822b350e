"""How long commands take from process start to the image, the help text or the reported mistake.

    make train && make bench NAME=startup     (--run RUN for a run other than the newest)

Cold: with an empty compilation cache. Warm: with the one that the run before has filled. `import jax` alone is measured
in turn with them, and what a command takes beyond it is ours to save.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import tyro
from contest import QUICK, record

from jaxvae.cli import told
from jaxvae.runs.run import newest_run
from jaxvae.system.compilation_cache import CHOSEN

# Seconds: of a command beyond `import jax`, of a mistake, of a help text.
ABOVE, MISTAKE, HELP = 1.5, 0.6, 0.5
REPEATS = 3 if QUICK else 5


def seconds(arguments: list[str], caches: str, code: int = 0, result: Path | None = None) -> float:
    """Measures one process, which must end with this code and write the result, in seconds."""
    if result is not None:
        result.unlink(missing_ok=True)
    environment = {name: value for name, value in os.environ.items() if name not in CHOSEN}
    begin = time.perf_counter()
    done = subprocess.run(  # noqa: S603
        [sys.executable, *arguments], capture_output=True, text=True, env=environment | {"XDG_CACHE_HOME": caches}
    )
    taken = time.perf_counter() - begin
    if done.returncode != code or (result is not None and not result.exists()):
        raise SystemExit(f"{' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
    return taken


def startup(run: Path | None = None, repeats: int = REPEATS) -> None:
    """Measures `import jax`, cold and warm commands, a mistake and a help text in turn.

    Args:
        run: A finished run; the newest one in runs/ if not set.
        repeats: Measurements of each.
    """
    run = run or newest_run()
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder, "image.png")
        interpolate = ["-m", "jaxvae.interpolate", str(run), "--out", str(image)]
        sample = ["-m", "jaxvae.sample", str(run), "--out", str(image)]
        warm = str(Path(folder, "warm"))
        for command in (interpolate, sample):  # Fill the compilation cache, and the system's cache of files.
            seconds(command, warm, result=image)
        taken: dict[str, list[float]] = {
            name: [] for name in ("import jax", "cold", "interpolate", "sample", "mistake", "help")
        }
        for number in range(repeats):
            taken["import jax"].append(seconds(["-c", "import jax"], warm))
            taken["cold"].append(seconds(interpolate, str(Path(folder, f"cold-{number}")), result=image))
            taken["interpolate"].append(seconds(interpolate, warm, result=image))
            taken["sample"].append(seconds(sample, warm, result=image))
            taken["mistake"].append(seconds([*sample, "--n", "0"], warm, code=2))
            taken["help"].append(seconds(["-m", "jaxvae.interpolate", "--help"], warm))
    # The median, since each difference of two measurements would have the spread of both.
    reference = statistics.median(taken["import jax"])
    above = {name: [each - reference for each in taken[name]] for name in ("cold", "interpolate", "sample")}
    print(f"import jax: {reference:.4f} s")
    record("startup, interpolate above import jax, cold", above["cold"], {"limit": [ABOVE]}, target=0.0, unit="s")
    record("startup, interpolate above import jax", above["interpolate"], {"limit": [ABOVE]}, target=1.0, unit="s")
    record("startup, sample above import jax", above["sample"], {"limit": [ABOVE]}, target=1.0, unit="s")
    record("startup, a mistake", taken["mistake"], {"limit": [MISTAKE]}, target=1.0, unit="s")
    record("startup, --help", taken["help"], {"limit": [HELP]}, target=1.0, unit="s")


if __name__ == "__main__":
    told(lambda: tyro.cli(startup))
