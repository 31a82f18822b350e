"""Reads data sets that Hugging Face's library `datasets` has saved with `save_to_disk`; the library is not needed."""

import json
from pathlib import Path
from typing import Any

from jaxvae.data.config import DataConfig
from jaxvae.data.sources.containers.arrow import Part, arrow_contents
from jaxvae.data.sources.containers.contents import MAX_IMAGES, Contents, split_of
from jaxvae.data.sources.containers.parquet import require_pyarrow
from jaxvae.errors import UserError
from jaxvae.system.small_files import LARGEST_FILE, check_regular, read_text

SPLITS, STATE = "dataset_dict.json", "state.json"
MAX_JSON = 2**24  # Bytes.


def read(path: Path, config: DataConfig) -> Contents:
    """Returns the images of a data set with splits, or of a single split.

    Raises:
        UserError: pyarrow is missing, a file is missing or damaged, or no column has images.
    """
    pyarrow = require_pyarrow()
    splits = _list(path / SPLITS, "splits") if (path / SPLITS).is_file() else [None]
    parts: list[Part] = []
    for name in splits:
        folder = path if name is None else path / _plain(path / SPLITS, name)
        split = "train" if name is None else split_of(name)
        if split is None:
            raise UserError(
                f"{path} has the split {name!r}, which is none of train, validation and test; save the others alone."
            )
        for file in _list(folder / STATE, "_data_files"):
            where = folder / _plain(folder / STATE, file.get("filename") if isinstance(file, dict) else None)
            check_regular(where, LARGEST_FILE)
            with pyarrow.memory_map(str(where)) as mapped, pyarrow.ipc.open_stream(mapped) as stream:
                table = stream.read_all()
            table.validate(full=True)  # A damaged file must not crash the process when its rows are read.
            if table.num_rows > MAX_IMAGES:
                raise UserError(f"{where} has {table.num_rows} rows, more than {MAX_IMAGES}.")
            parts.append(Part(where, split, table.schema, table.select))
    if not parts:
        raise UserError(f"{path} is an empty data set.")
    return arrow_contents(path, parts, config)


def _list(path: Path, name: str) -> list[Any]:
    value = json.loads(read_text(path, MAX_JSON))
    found = value.get(name) if isinstance(value, dict) else None
    if not isinstance(found, list):
        raise UserError(f"{path} has no list {name!r}; the data set may be incomplete.")
    return found


def _plain(where: Path, name: Any) -> str:
    """Returns a name that stays within its folder."""
    if not isinstance(name, str) or Path(name).name != name or name in ("", ".", ".."):
        raise UserError(f"{where} names the file {name!r}, which is not in its folder.")
    return name
