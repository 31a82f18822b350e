"""One door in: the name of a data set to its prepared folder."""

import hashlib
import json
from contextlib import closing
from pathlib import Path
from typing import Any

from jaxvae.config import DataConfig
from jaxvae.data.prepared import Prepared, open_prepared, write_prepared
from jaxvae.data.source import Source


def prepare(config: DataConfig) -> Prepared:
    """Opens the prepared data set that the config describes, and writes it first where it is missing.

    Raises `UserError` for an unknown name and for missing, unreadable or damaged files; nothing is then left behind.
    """
    path = prepared_path(config)
    if path.exists():
        return open_prepared(path)
    with closing(_source(config)) as source:
        return write_prepared(path, config.name, recipe(config), source)


def recipe(config: DataConfig) -> dict[str, Any]:
    """Everything that the prepared pixels depend on, as JSON."""
    raw = str(Path(config.raw).expanduser().resolve()) if config.raw else None
    return {"name": config.name, "raw": raw, "crop": config.crop, "size": config.size, "color": config.color}


def prepared_path(config: DataConfig) -> Path:
    """Where the data set is kept: a readable name and a hash of its recipe."""
    digest = hashlib.sha256(json.dumps(recipe(config), sort_keys=True).encode()).hexdigest()
    readable = Path(config.raw if config.name == "folder" and config.raw else config.name).stem.replace("/", "-")
    return Path(config.root) / f"{readable}-{config.size or 'original'}-{digest[:8]}"


def _source(config: DataConfig) -> Source:
    # Each source is imported only when it is asked for: TFDS alone takes seconds.
    if config.name == "avatars":
        from jaxvae.data.avatars import avatars

        return avatars(config)
    path = Path(config.name).expanduser()
    if config.name == "folder" or path.is_dir():
        from jaxvae.data.folder import folder

        return folder(config)
    if path.suffix in (".npz", ".npy"):
        from jaxvae.data.arrays import arrays

        return arrays(config)
    from jaxvae.data.tfds import tfds_source

    return tfds_source(config)
