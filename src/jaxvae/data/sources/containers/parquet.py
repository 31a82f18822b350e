"""Reads image files in a column of Parquet tables, such as data sets of the Hugging Face Hub."""

import json
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxvae.data.config import DataConfig
from jaxvae.data.sources.array_labels import LARGEST_LABEL
from jaxvae.data.sources.containers.contents import (
    MAX_IMAGES,
    Contents,
    check_memory,
    label_column,
    no_columns,
    split_of,
)
from jaxvae.data.sources.containers.encoded import Files, encoded_blocks
from jaxvae.errors import UserError, printable
from jaxvae.system.small_files import LARGEST_FILE, check_regular

IMAGES = ("image", "img", "picture", "images", "jpg", "png")
LABELS = re.compile(r"(.*_)?(label|labels|class|cls|target)", re.IGNORECASE)


class _Table(NamedTuple):
    """The images of one file, its columns of labels by name, and the names of their classes."""

    images: Any
    columns: dict[str, np.ndarray]
    classes: dict[str, tuple[str, ...]]


def read(path: Path, config: DataConfig) -> Contents:
    """Returns the images of a Parquet file, or of a folder of files whose names begin with `train`, `test` and so on.

    Columns of integers with names such as `label`, and columns of booleans, become attributes.

    Raises:
        UserError: pyarrow is missing, no column has images, or the images take more than half of the free memory.
    """
    paths = [path]
    if path.is_dir():
        paths = sorted(path / name for name in os.listdir(path) if name.endswith(".parquet") and split_of(name))
    splits = [(path.is_dir() and split_of(each.name)) or "train" for each in paths]
    files = [_open(each) for each in paths]
    check_memory(path, sum(_unpacked_size(file) for file in files))
    tables = [_load(each, file) for each, file in zip(paths, files, strict=True)]
    columns = tuple(tables[0].columns)
    for each, table in zip(paths, tables, strict=True):
        if tuple(table.columns) != columns:
            raise UserError(f"{each} has the labels {', '.join(table.columns) or '(none)'}, but {paths[0]} has others.")
    starts = np.cumsum([0, *(len(table.images) for table in tables)])
    total = int(starts[-1])

    def read_image(index: int) -> bytes:
        number = int(np.searchsorted(starts, index, side="right")) - 1
        return tables[number].images[index - int(starts[number])].as_py() or b""

    joined = [label_column(path, np.concatenate([table.columns[name] for table in tables])) for name in columns]
    values = np.concatenate(joined, axis=1) if joined else no_columns(total)
    known = {name: names for name, names in tables[0].classes.items() if name in columns}
    fits = {name: names for name, names in known.items() if values[:, columns.index(name)].max(initial=0) < len(names)}
    rows = [splits[number] for number, table in enumerate(tables) for _ in range(len(table.images))]
    blocks, color, facts = encoded_blocks(
        path, Files([f"row {i}" for i in range(total)], read_image), rows, values, config
    )
    return Contents(blocks, columns, fits, color, {"rows": total, **facts})


def _open(path: Path) -> Any:
    parquet = _require_parquet()
    check_regular(path, LARGEST_FILE)
    file = parquet.ParquetFile(path)
    if file.metadata.num_rows > MAX_IMAGES:
        raise UserError(f"{path} has {file.metadata.num_rows} rows, more than {MAX_IMAGES}.")
    return file


def _image_column(path: Path, file: Any) -> str:
    """Returns the name of the column of image files: bytes, or a structure with the field `bytes`."""
    schema = file.schema_arrow
    found = [name for name in schema.names if _is_image(schema.field(name).type)]
    found.sort(key=lambda name: IMAGES.index(name.lower()) if name.lower() in IMAGES else len(IMAGES))
    if not found or schema.names.count(found[0]) > 1:
        listed = printable(", ".join(f"{name} ({schema.field(i).type})" for i, name in enumerate(schema.names)))
        raise UserError(
            f"{path} has the columns {listed[:300] or '(none)'}, of which none has image files; expected a column "
            "`image` of bytes, or of {bytes, path}."
        )
    return found[0]


def _is_image(kind: Any) -> bool:
    import pyarrow

    if pyarrow.types.is_struct(kind):
        return any(kind.field(i).name == "bytes" and _is_binary(kind.field(i).type) for i in range(kind.num_fields))
    return _is_binary(kind)


def _is_binary(kind: Any) -> bool:
    import pyarrow

    return pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind)


def _unpacked_size(file: Any) -> int:
    """Returns the bytes of all columns by the file's description; those of single columns can crash pyarrow."""
    return sum(max(0, file.metadata.row_group(i).total_byte_size) for i in range(file.metadata.num_row_groups))


def _load(path: Path, file: Any) -> _Table:
    import pyarrow
    import pyarrow.compute

    schema, name = file.schema_arrow, _image_column(path, file)
    is_struct = pyarrow.types.is_struct(schema.field(name).type)
    labels = [
        each
        for each in dict.fromkeys(schema.names)
        if schema.names.count(each) == 1 and _is_label(each, schema.field(each).type)
    ]
    table = file.read(columns=[f"{name}.bytes" if is_struct else name, *labels])
    images = table.column(name)
    columns = {each: _integers(path, each, table.column(each)) for each in labels}
    return _Table(
        pyarrow.compute.struct_field(images, "bytes") if is_struct else images, columns, _classes(schema.metadata or {})
    )


def _is_label(name: str, kind: Any) -> bool:
    import pyarrow

    return pyarrow.types.is_boolean(kind) or (pyarrow.types.is_integer(kind) and LABELS.fullmatch(name) is not None)


def _integers(path: Path, name: str, column: Any) -> np.ndarray:
    if column.null_count:
        raise UserError(f"{path} lacks {column.null_count} values of {name}; fill or remove the column.")
    values = np.asarray(column.to_numpy())
    if values.size and not (values.min() >= 0 and values.max() <= LARGEST_LABEL):
        raise UserError(
            f"{path} has {name} from {values.min()} to {values.max()}; expected values between 0 and {LARGEST_LABEL}."
        )
    return values


def _classes(metadata: dict[bytes, bytes]) -> dict[str, tuple[str, ...]]:
    """Returns the names of classes that Hugging Face's `datasets` has written."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        return {
            name: tuple(feature["names"])
            for name, feature in features.items()
            if feature.get("_type") == "ClassLabel" and all(isinstance(each, str) for each in feature["names"])
        }
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}


def _require_parquet() -> Any:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise UserError(
            f"reading Parquet needs pyarrow, which cannot be imported ({error}); pip install 'jaxvae[parquet]', "
            "or convert the file to a folder of images."
        ) from error
    return pyarrow.parquet
