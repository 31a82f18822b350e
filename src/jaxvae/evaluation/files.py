"""Results on disk, each written beside its place and renamed when whole."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from jaxvae.errors import UserError


def new_file(path: Path | None, suffix: str, overwrite: bool) -> Path | None:
    """The file that a flag names, checked before the work is done; `UserError` if it may not be written."""
    if path is None:
        return None
    if path.suffix != suffix:
        raise UserError(f"the file is {path}, but must end in {suffix}.")
    if path.exists() and not overwrite:
        raise UserError(f"{path} exists; give another file, or --overwrite to replace it.")
    return path


def write_json(path: Path, value: Any) -> None:
    """Strict JSON; `UserError` for a number that is not finite, a word for which other readers would refuse."""
    try:
        text = json.dumps(value, indent=2, allow_nan=False)
    except ValueError as error:
        raise UserError(
            f"{path} is not written: a number in it is not finite ({error}); the model or its pictures are damaged."
        ) from error
    with _whole_or_nothing(path) as file:
        file.write((text + "\n").encode())


def write_arrays(path: Path, values: Mapping[str, np.ndarray]) -> None:
    """An .npz of arrays by name, with nothing pickled."""
    with _whole_or_nothing(path) as file:
        np.savez_compressed(file, allow_pickle=False, **values)


@contextmanager
def _whole_or_nothing(path: Path) -> Iterator[IO[bytes]]:
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as file:
                yield file
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}.") from error
