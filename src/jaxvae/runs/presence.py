"""Whether a folder can hold a run at all, found out before JAX and Orbax are imported, which takes seconds."""

import os
import re
from collections.abc import Callable, Collection
from pathlib import Path

from jaxvae.errors import UserError
from jaxvae.hub.client import require_hub
from jaxvae.hub.names import is_hub_name, parse_hub_name

RUNS = Path("runs")


def require_run(path: Path | None) -> None:
    """Refuses a path that evidently holds no checkpoint; None stands for the newest run in `runs/`.

    Whether a checkpoint is complete and can be read is found out when it is opened.

    Raises:
        UserError: there is no run, with what the path is instead.
    """
    if path is None:
        require_any()
    elif is_hub_name(path):
        require_hub_run(path)
    elif not is_run(path):
        raise UserError(no_run(path))


def require_any(root: Path = RUNS) -> list[Path]:
    """Returns the folders of runs in `root`, complete or not; raises UserError if there are none."""
    runs = [path.parent for path in root.glob("*/config.json")]
    if not runs:
        raise UserError(
            f"there is no run in {root.resolve()}; python -m jaxvae.train avatars (or make train) makes one."
        )
    return runs


def require_record(path: Path) -> None:
    """Refuses a path without a config or a checkpoint: a run that is still under way has at least the former."""
    if is_hub_name(path):
        require_hub_run(path)
    elif not is_run(path) and not os.path.lexists(path / "config.json"):
        raise UserError(no_record(path))


def require_hub_run(path: Path) -> None:
    """Refuses a malformed name of a run on the hub, and any where the libraries for it are not installed."""
    parse_hub_name(path)
    require_hub()


def no_record(path: Path) -> str:
    """Returns that a path has neither a config nor a checkpoint."""
    return f"{path} is not a run: it has no config.json; give the folders of runs."


def no_run(path: Path) -> str:
    """Returns why a path is not a run that can be opened, and what is."""
    if os.path.isfile(path):
        return f"{path} is a file, not a run; give the run's folder first, then the images."
    if os.path.isdir(path):
        return f"the run {path} holds no checkpoint yet; python -m jaxvae.train --run {path} makes one."
    if re.fullmatch(r"\w.*(:\d+|=.+)", path.name):
        return f"{path} names an image, not a run; give the run's folder first, then the images."
    return f"the run {path} does not exist; python -m jaxvae.train --run {path} makes one."


def numbered(folder: Path) -> list[Path]:
    """Returns what could be the checkpoints in a folder: everything that is called like a step."""
    # Not `Path.is_dir`, which raises an error for an overlong name.
    return [path for path in folder.glob("*") if path.name.isdecimal()] if os.path.isdir(folder) else []


def located(path: Path, steps: Callable[[Path], Collection[int]]) -> tuple[Path, int | None] | None:
    """Returns the run of a path, and the step of a single checkpoint; None if it is neither.

    Args:
        path: a run, its folder of checkpoints, or one of them.
        steps: the checkpoints in a folder.
    """
    if steps(path / "checkpoints"):  # A run may have any name.
        return path, None
    if path.name == "checkpoints" and steps(path):
        return path.parent, None
    if path.parent.name == "checkpoints" and path.name in map(str, steps(path.parent)):
        return path.parents[1], int(path.name)
    return None


def is_run(path: Path) -> bool:
    """Returns whether a path is a run, its folder of checkpoints, or one of them, by the names of its folders.

    A name on the hub stands for a run, too; whether it exists is found out when it is opened.
    """
    return is_hub_name(path) or located(path, lambda folder: [int(each.name) for each in numbered(folder)]) is not None
