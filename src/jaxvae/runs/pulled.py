"""Runs from a hub: fetched, checked, and written as ordinary run folders, which every command opens."""

import os
import shutil
from pathlib import Path

from jaxvae.data.select import images_here
from jaxvae.errors import UserError
from jaxvae.hub.client import require_hub
from jaxvae.hub.download import Download, download
from jaxvae.hub.names import COMMIT, HubName
from jaxvae.runs import checkpoint
from jaxvae.runs.description import check_description
from jaxvae.runs.hub_files import FILES, METRICS, read_hub_files
from jaxvae.runs.presence import RUNS
from jaxvae.runs.run import assemble, write_config
from jaxvae.system.files import check_writable, temp_dir

FOLDER = "hub"  # Below the folder of runs, so that none of them is the newest run by accident.
COMMIT_DIGITS = 12


def fetch(name: HubName, root: Path = RUNS) -> Path:
    """Returns the run folder of a run on a hub, writing it where it is not there yet.

    Each commit has a folder of its own, `runs/hub/OWNER--NAME-COMMIT`, with whatever commands write into it later. A
    commit that is there is opened without the network if it is named in full.

    Raises:
        UserError: the run does not exist, needs a token, cannot be reached, is damaged, or is not one of jaxvae.
    """
    require_hub()
    if name.revision and COMMIT.fullmatch(name.revision) and os.path.isdir(there := _folder(name, name.revision, root)):
        return there
    found = download(name, FILES)
    run = _folder(name, found.commit, root)
    if not os.path.isdir(run):
        check_writable(run)
        _write_run(run, str(name), found)
    return run


def _folder(name: HubName, commit: str, root: Path) -> Path:
    return root / FOLDER / f"{name.repository.replace('/', '--')}-{commit[:COMMIT_DIGITS]}"


def _write_run(run: Path, name: str, found: Download) -> None:
    step, about, trees = read_hub_files(name, found.files)
    checkpoint.check_about(Path(name), about)
    check_description(Path(name), about)
    about["data"]["path"] = str(images_here(about["data"]["path"]))
    if not isinstance(about.setdefault("changes", []), list):
        raise checkpoint.DamagedError(f"{name} is damaged: its changes are {str(about['changes'])[:100]!r}.")
    # Nothing is written before the model has been built and found to have these parameters.
    config = assemble(Path(name), run, step, about, trees).info.config
    description = {key: value for key, value in about.items() if key not in ("format_version", "objective", "complete")}
    with temp_dir(run.with_name(f".{run.name}.partial")) as partial:
        write_config(partial, config)
        if METRICS in found.files:
            shutil.copyfile(found.files[METRICS], partial / METRICS)
        with checkpoint.open_checkpoints(partial / "checkpoints") as checkpointer:
            checkpoint.save(checkpointer, step, trees, about=description, objective=about["objective"], complete=True)
        try:
            partial.rename(run)
        except OSError as error:
            if not os.path.isdir(run):  # Otherwise another process wrote the same one first.
                raise UserError(f"{run} cannot be written: {error.strerror}.") from error
