"""Image files in a column of Arrow tables, such as data sets of the Hugging Face Hub."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxvae.data.config import DataConfig
from jaxvae.data.sources.array_labels import LARGEST_LABEL
from jaxvae.data.sources.containers.contents import Contents, label_column, no_columns
from jaxvae.data.sources.containers.encoded import Files, encoded_blocks
from jaxvae.errors import UserError, printable

IMAGES = ("image", "img", "picture", "images", "jpg", "png")
LABELS = re.compile(r"(.*_)?(label|labels|class|cls|target)", re.IGNORECASE)


class Part(NamedTuple):
    """A part of the images.

    Attributes:
        where: the file, for messages.
        split: the split that its images are in.
        schema: of its table.
        read: returns the table's columns of these names.
    """

    where: Path
    split: str
    schema: Any
    read: Any


class _Table(NamedTuple):
    """The images of one part, its columns of labels by name, and the names of their classes."""

    images: Any
    columns: dict[str, np.ndarray]
    classes: dict[str, tuple[str, ...]]


def arrow_contents(path: Path, parts: Sequence[Part], config: DataConfig, follow_paths: bool = False) -> Contents:
    """Returns the images of tables.

    Columns of integers with names such as `label`, and columns of booleans, become attributes.

    Args:
        path: the data set, for messages.
        parts: its tables.
        config: what to prepare.
        follow_paths: whether an image without bytes is read from the path beside them: only if a library that is
            trusted put it there.

    Raises:
        UserError: no column has images, or the parts have different labels.
    """
    tables = [_load(part) for part in parts]
    columns = tuple(tables[0].columns)
    for part, table in zip(parts, tables, strict=True):
        if tuple(table.columns) != columns:
            raise UserError(
                f"{part.where} has the labels {', '.join(table.columns) or '(none)'}, but {parts[0].where} has others."
            )
    starts = np.cumsum([0, *(len(table.images) for table in tables)])
    total = int(starts[-1])

    def read_image(index: int) -> bytes:
        number = int(np.searchsorted(starts, index, side="right")) - 1
        value = tables[number].images[index - int(starts[number])].as_py()
        if not isinstance(value, dict):
            return value or b""
        if value["bytes"] is None and follow_paths and value.get("path"):
            return Path(value["path"]).read_bytes()
        return value["bytes"] or b""

    joined = [label_column(path, np.concatenate([table.columns[name] for table in tables])) for name in columns]
    values = np.concatenate(joined, axis=1) if joined else no_columns(total)
    known = {name: names for name, names in tables[0].classes.items() if name in columns}
    fits = {name: names for name, names in known.items() if values[:, columns.index(name)].max(initial=0) < len(names)}
    rows = [part.split for part, table in zip(parts, tables, strict=True) for _ in range(len(table.images))]
    blocks, color, facts = encoded_blocks(
        path, Files([f"row {i}" for i in range(total)], read_image), rows, values, config
    )
    return Contents(blocks, columns, fits, color, {"rows": total, **facts})


def _image_column(path: Path, schema: Any) -> str:
    """Returns the name of the column of image files: bytes, or a structure with the field `bytes`."""
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


def _load(part: Part) -> _Table:
    schema = part.schema
    name = _image_column(part.where, schema)
    labels = [
        each
        for each in dict.fromkeys(schema.names)
        if schema.names.count(each) == 1 and _is_label(each, schema.field(each).type)
    ]
    table = part.read([name, *labels])
    # A column without any value says nothing: `datasets` makes one of a folder without classes.
    labels = [each for each in labels if table.column(each).null_count < max(1, table.num_rows)]
    columns = {each: _integers(part.where, each, table.column(each)) for each in labels}
    return _Table(table.column(name), columns, _classes(schema.metadata or {}))


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
