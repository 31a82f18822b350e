"""Reads images and labels in HDF5 files."""

import math
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from jaxvae.data.config import DataConfig
from jaxvae.data.sources.containers.contents import MAX_IMAGES, Contents, check_memory
from jaxvae.data.sources.containers.named import named_contents, sort_names
from jaxvae.errors import UserError
from jaxvae.system.processes import free_memory

MAX_NAMES = 10_000
DEPTH = 2  # Groups within groups in which names are looked up.
SHAPES_3D = ("floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation")  # The factors of 3dshapes.h5.


def read(path: Path, config: DataConfig) -> Contents:
    """Returns the images of an HDF5 file; `train/images` is named like `train_images`.

    Images are loaded at once if they take less than half of the free memory: reading single images from compressed
    chunks is slow.

    Raises:
        UserError: h5py is missing; names, shapes or types are wrong; or the images are in other files.
    """
    with ExitStack() as stack:
        file = stack.enter_context(require_h5py().File(path, "r", locking=False))
        datasets = dict(find_datasets(path, file))
        names = sort_names(path, {name: each.shape or () for name, each in datasets.items()})
        arrays = {meaning: _load(path, meaning[0], datasets[name]) for meaning, name in names.items()}
        factors = SHAPES_3D if path.stem.lower() == "3dshapes" else ()
        contents = named_contents(path, arrays, config, factors)
        return contents._replace(close=stack.pop_all().close)


def find_datasets(path: Path, group: Any, prefix: str = "", depth: int = 0) -> list[tuple[str, Any]]:
    """Returns the arrays of a group and those in its groups, by name; links are not followed.

    Raises:
        UserError: there are too many.
    """
    h5py = require_h5py()
    found: list[tuple[str, Any]] = []
    for count, name in enumerate(group):
        if count > MAX_NAMES:
            raise UserError(f"{path} has more than {MAX_NAMES} arrays; expected images and labels.")
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            continue
        kind = group.get(name, getclass=True)
        if kind is h5py.Dataset:
            found.append((prefix + name, group[name]))
        elif kind is h5py.Group and depth < DEPTH:
            found += find_datasets(path, group[name], f"{prefix}{name}/", depth + 1)
    return found


def check_stored_inside(path: Path, dataset: Any) -> None:
    """Raises UserError if an array is kept in another file."""
    if dataset.external or dataset.is_virtual:
        raise UserError(f"{path} keeps {dataset.name} in other files, which are not opened; copy it into one file.")


def _load(path: Path, kind: str, dataset: Any) -> Any:
    check_stored_inside(path, dataset)
    if not dataset.shape or dataset.shape[0] > MAX_IMAGES:
        raise UserError(f"{path} has {dataset.name} of shape {dataset.shape}; expected up to {MAX_IMAGES} images.")
    size = math.prod(dataset.shape) * dataset.dtype.itemsize
    if kind == "labels":
        check_memory(path, size)
        if require_h5py().check_string_dtype(dataset.dtype) is not None:
            return np.asarray(dataset.asstr()[:], str)
    return np.asarray(dataset[:]) if kind == "images" and size < free_memory() // 2 else dataset


def require_h5py() -> Any:
    """Returns the module h5py.

    Raises:
        UserError: it cannot be imported.
    """
    try:
        import h5py
    except ImportError as error:
        raise UserError(
            f"reading HDF5 needs h5py, which cannot be imported ({error}); pip install 'jaxvae[hdf5]', "
            "or convert the file to .npz."
        ) from error
    return h5py
