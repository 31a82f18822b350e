"""The config in a run's folder, read before JAX and Orbax are imported, which takes seconds."""

import json
from pathlib import Path

from jaxvae.errors import UserError
from jaxvae.experiment import Config, from_json
from jaxvae.models import ModelConfig
from jaxvae.runs.formats import upgraded
from jaxvae.runs.presence import located, no_run, numbered
from jaxvae.system.small_files import read_text


def written_config(run: Path) -> Config | None:
    """Returns what a run's config.json says, or None if there is none. The config of a checkpoint counts for more.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        return from_json(upgraded(json.loads(read_text(run / "config.json"))))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{run / 'config.json'} cannot be read: {error}") from error


def written_model(path: str) -> ModelConfig | None:
    """Returns the model of a run, or of one of its checkpoints, as its config.json says; None if there is no such file.

    Raises:
        UserError: the path is not a run, or the file cannot be read.
    """
    found = located(Path(path), lambda folder: [int(each.name) for each in numbered(folder)])
    if found is None:
        raise UserError(f"--model.from is {path!r}, but {no_run(Path(path))}")
    config = written_config(found[0])
    return None if config is None else config.model
