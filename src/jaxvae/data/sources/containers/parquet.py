"""Reads image files in a column of Parquet tables."""

import os
from pathlib import Path
from typing import Any

from jaxvae.data.config import DataConfig
from jaxvae.data.sources.containers.arrow import Part, arrow_contents
from jaxvae.data.sources.containers.contents import MAX_IMAGES, Contents, check_memory, split_of
from jaxvae.errors import UserError
from jaxvae.system.small_files import LARGEST_FILE, check_regular


def read(path: Path, config: DataConfig) -> Contents:
    """Returns the images of a Parquet file, or of a folder of files whose names begin with `train`, `test` and so on.

    Raises:
        UserError: pyarrow is missing, no column has images, or the images take more than half of the free memory.
    """
    paths = [path]
    if path.is_dir():
        paths = sorted(path / name for name in os.listdir(path) if name.endswith(".parquet") and split_of(name))
    splits = [(path.is_dir() and split_of(each.name)) or "train" for each in paths]
    files = [_open(each) for each in paths]
    check_memory(path, sum(_unpacked_size(file) for file in files))
    parts = [
        Part(each, split, file.schema_arrow, file.read) for each, split, file in zip(paths, splits, files, strict=True)
    ]
    return arrow_contents(path, parts, config)


def _open(path: Path) -> Any:
    pyarrow = require_pyarrow()
    check_regular(path, LARGEST_FILE)
    file = pyarrow.parquet.ParquetFile(path)
    if file.metadata.num_rows > MAX_IMAGES:
        raise UserError(f"{path} has {file.metadata.num_rows} rows, more than {MAX_IMAGES}.")
    return file


def _unpacked_size(file: Any) -> int:
    """Returns the bytes of all columns by the file's description; those of single columns can crash pyarrow."""
    return sum(max(0, file.metadata.row_group(i).total_byte_size) for i in range(file.metadata.num_row_groups))


def require_pyarrow() -> Any:
    """Returns the module pyarrow, with its readers of Parquet and of Arrow's own files.

    Raises:
        UserError: it cannot be imported.
    """
    try:
        import pyarrow.ipc
        import pyarrow.parquet
    except ImportError as error:
        raise UserError(
            f"reading Parquet and Arrow files needs pyarrow, which cannot be imported ({error}); "
            "pip install 'jaxvae[parquet]', or convert the file to a folder of images."
        ) from error
    return pyarrow
