"""What jaxvae itself has written into a folder of the user's: runs and prepared data sets, which are not input."""

from collections.abc import Iterable
from pathlib import Path


def is_own_output(folder: Path) -> bool:
    """Returns whether a folder is a run or a prepared data set, or is about to become one."""
    if (folder / "dataset.json").is_file():
        return (folder / "train.npy").exists()
    run = (folder / "config.json").is_file() or (folder / ".lock").is_file()
    return run and (
        (folder / "metrics.jsonl").exists() or (folder / "checkpoints").exists() or (folder / ".lock").exists()
    )


def without_own_output(root: Path, paths: Iterable[Path]) -> list[Path]:
    """Returns the paths that do not lie in a run or a prepared data set below `root`."""
    known: dict[Path, bool] = {}

    def ours(folder: Path) -> bool:
        if folder == root or folder not in known:
            known[folder] = folder != root and (is_own_output(folder) or ours(folder.parent))
        return known[folder]

    return [path for path in paths if not ours(path.parent)]
