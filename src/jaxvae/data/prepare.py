"""Prepares a data set, from any source, in one folder of one format."""

import glob
import hashlib
import json
import os
from contextlib import closing
from pathlib import Path
from typing import Any

from jaxvae.data.config import DataConfig
from jaxvae.data.own_output import without_own_output
from jaxvae.data.prepared import Prepared, open_prepared, write_prepared
from jaxvae.errors import UserError
from jaxvae.system.files import expand_user

LONGEST = 100  # Bytes of the readable part of a folder's name.


def prepare(config: DataConfig) -> Prepared:
    """Opens the prepared data set that the config describes, writing it first if it is missing.

    Raises `UserError` for an unknown name and for missing, unreadable or damaged files; nothing is then left behind.
    """
    if (there := already_prepared(config)) is not None:
        return there
    path = prepared_path(config)
    with closing(config.source.build(config)) as source:
        return write_prepared(path, config.source.dataset_name(), recipe(config), source)


def already_prepared(config: DataConfig) -> Prepared | None:
    """Returns the prepared data set that the config describes, or None if there is none yet."""
    path = _kept(config) or prepared_path(config)
    return open_prepared(path) if path.exists() else None


def refuse_missing_files(config: DataConfig) -> None:
    """Raises UserError if what the source names is not there and was not prepared before; needs no JAX."""
    try:
        config.source.refuse_missing(config)
    except UserError:
        if already_prepared(config) is None:
            raise


def recipe(config: DataConfig) -> dict[str, Any]:
    """Returns what the prepared pixels depend on, as JSON; `files` is a digest of the user's own files."""
    source = config.source.recipe()
    raw = str(_resolved(expand_user(source["raw"]))) if source["raw"] else None
    files = _digest(_own_files(config))
    # A table that lies elsewhere is not among the files of the folder.
    table = expand_user(source["attributes"]) if source.get("attributes") else None
    listed = {"attributes_file": _digest(table)} if table is not None and table.is_file() else {}
    return {**source, "raw": raw, "files": files,
            "crop": config.crop, "size": config.size, "color": config.color, **listed,
            # Only where it is set: the recipe names the folder, and folders keep their names.
            **({"value_range": list(config.value_range)} if config.value_range else {})}  # fmt: skip


def prepared_path(config: DataConfig) -> Path:
    """Returns where the data set is kept: a readable name and a hash of its recipe."""
    digest = hashlib.sha256(json.dumps(recipe(config), sort_keys=True).encode()).hexdigest()
    return Path(config.root) / f"{_readable(config)}-{digest[:8]}"


def _readable(config: DataConfig) -> str:
    name = config.source.title()
    # Cut where a file system would not take it; the rest of the name is in the hash.
    stem = Path(name).stem.encode(errors="ignore")[:LONGEST].decode(errors="ignore")
    return f"{stem}-{config.size or 'original'}"


def _own_files(config: DataConfig) -> Path | None:
    """Returns the user's file or folder that the images come from; None if it does not exist."""
    own = config.source.own_files()
    if own is None:
        return None
    path = expand_user(own)
    return path if os.path.exists(path) else None


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:  # Links in a circle, or a name that is too long.
        raise UserError(f"{path} cannot be found ({getattr(error, 'strerror', None) or error}).") from error


def _digest(path: Path | None) -> str | None:
    """Returns a digest of names, sizes and modification times, so that edited files are prepared again."""
    if path is None:
        return None
    try:
        files = (
            [path]
            if path.is_file()
            else sorted(each for each in without_own_output(path, path.rglob("*")) if each.is_file())
        )
        facts = [(str(each), each.stat().st_size, each.stat().st_mtime_ns) for each in files]
    except OSError as error:
        raise UserError(f"{error.filename or path} cannot be read ({error.strerror}).") from error
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def _kept(config: DataConfig) -> Path | None:
    """Returns the newest data set prepared by the same recipe from files that have since been deleted."""
    if _own_files(config) is not None:
        return None
    wanted = recipe(config)
    found = [
        path.parent
        for path in Path(config.root).glob(f"{glob.escape(_readable(config))}-*/dataset.json")
        if open_prepared(path.parent).info["recipe"] | {"files": None} == wanted
    ]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)
