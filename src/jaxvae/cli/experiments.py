"""Experiments: files of a user's own, and the stock ones by name."""

import os
from pathlib import Path

from jaxvae.config.user_code import import_file
from jaxvae.errors import UserError, suggest
from jaxvae.experiment import Config

PACKAGE = Path(__file__).parents[1]
FOLDERS = (PACKAGE / "experiments", PACKAGE.parents[1] / "experiments")  # In a wheel, and in the repository.


def read_experiment(name: str | Path) -> Config:
    """Returns the `config` of a stock experiment, or of an experiment file: Python that the user asks to run.

    Raises:
        UserError: there is no such experiment, with the nearest one; or the file defines no config.
    """
    path = find_experiment(str(name))
    config = getattr(import_file(path, "experiment"), "config", None)
    if not isinstance(config, Config):
        raise UserError(f"{path} defines no config; an experiment file sets `config = Config(...)`.")
    return config


def find_experiment(name: str) -> Path:
    """Returns the file of an experiment: the path itself, or that of the stock experiment of this name.

    Raises:
        UserError: there is none, with the nearest one.
    """
    stock = stock_experiments()
    if name in stock:
        return stock[name]
    path = Path(name)
    if os.path.isfile(path):
        return path
    if os.path.isdir(path):
        raise UserError(f"{name} is a folder, not an experiment; to train on its images, --data.source {name}.")
    others = [str(other) for other in path.parent.glob("*.py")] if os.path.isdir(path.parent) else []
    nearest = suggest(path.stem if path.stem in stock else name, [*stock, *sorted(others)])
    raise UserError(f"there is no experiment {name}: {nearest}{_listed(stock) if nearest.endswith('?') else ''}")


def _listed(stock: dict[str, Path]) -> str:
    return f" The stock experiments are {', '.join(stock)}; a file of your own is named by its path."


def stock_experiments() -> dict[str, Path]:
    """Returns the files of the stock experiments by name: those in experiments/, which a wheel carries along."""
    found = next((folder for folder in FOLDERS if (folder / "avatars.py").is_file()), None)
    return {file.stem: file for file in sorted(found.glob("*.py"))} if found else {}
