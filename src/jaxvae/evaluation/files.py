"""Results on disk, each whole or not at all."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxvae.errors import UserError
from jaxvae.whole_file import check_place, whole_file


def new_file(path: Path | None, suffix: str, overwrite: bool) -> Path | None:
    """The file that a flag names, checked before the work is done; `UserError` if it may not be written."""
    if path is None:
        return None
    if path.suffix != suffix:
        raise UserError(f"the file is {path}, but must end in {suffix}.")
    if os.path.lexists(path) and not overwrite:
        raise UserError(f"{path} exists; give another file, or --overwrite to replace it.")
    check_place(path)
    return path


def write_json(path: Path, value: Any) -> None:
    """Strict JSON; `UserError` for a number that is not finite, a word for which other readers would refuse."""
    try:
        text = json.dumps(value, indent=2, allow_nan=False)
    except ValueError as error:
        raise UserError(
            f"{path} is not written: a number in it is not finite ({error}); the model or its pictures are damaged."
        ) from error
    with whole_file(path) as file:
        file.write((text + "\n").encode())


def write_arrays(path: Path, values: Mapping[str, np.ndarray]) -> None:
    """An .npz of arrays by name, with nothing pickled."""
    with whole_file(path) as file:
        np.savez_compressed(file, allow_pickle=False, **values)
