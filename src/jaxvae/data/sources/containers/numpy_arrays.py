"""Reads images and labels in NumPy files: .npy and .npz."""

import logging
from pathlib import Path

import numpy as np

from jaxvae.data.config import DataConfig
from jaxvae.data.numpy_files import memory_map, read_npz
from jaxvae.data.sources.containers.contents import Contents
from jaxvae.data.sources.containers.named import named_contents, sort_names
from jaxvae.data.sources.dsprites import as_dsprites
from jaxvae.errors import UserError

logger = logging.getLogger("jaxvae")

LABEL_NAMES = "label_names"
ZIP_MAGIC = b"PK"  # First bytes of an .npz file, which is a zip archive.


def read(path: Path, config: DataConfig) -> Contents:
    """Returns the images of an .npy or .npz file.

    An .npy file is one array of images. An .npz file contains `images` and optionally `labels`, or `x_train` (or
    `train`) and optionally `x_validation`, `x_test`, `y_train`, `y_validation`, `y_test`, and names that mean the same
    (`jaxvae.data.sources.array_names`); and optionally `label_names`, an array of strings.

    Raises:
        UserError: the file contains Python objects; or names, shapes, types or ranges are wrong.
    """
    loaded, columns = as_dsprites(_load(path))
    label_names = loaded.pop(LABEL_NAMES, np.array([], str))
    if label_names.ndim != 1:
        raise UserError(f"{path} has {LABEL_NAMES} of shape {list(label_names.shape)}; expected one string per label.")
    names = sort_names(path, {name: array.shape for name, array in loaded.items()})
    arrays = {meaning: loaded[name] for meaning, name in names.items()}
    return named_contents(path, arrays, config, columns, tuple(map(str, label_names)))


def _load(path: Path) -> dict[str, np.ndarray]:
    with path.open("rb") as file:
        is_npz = file.read(2) == ZIP_MAGIC
    objects: list[str] = []
    try:
        found = read_npz(path, objects) if is_npz else {"images": memory_map(path)}
    except ValueError as error:
        if "Object arrays" in str(error) or "Python objects" in str(error):
            raise _refuse_objects(path) from error
        raise
    if objects and not any(array.ndim > 1 for array in found.values()):
        raise _refuse_objects(path)
    if objects:
        logger.warning("skipped in %s: arrays of Python objects (%s).", path, ", ".join(objects))
    return found


def _refuse_objects(path: Path) -> UserError:
    return UserError(f"{path} contains Python objects; save arrays of numbers, with all images of the same shape.")
