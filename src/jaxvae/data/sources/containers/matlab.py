"""Reads images and labels in MATLAB files, such as those of SVHN."""

import math
from pathlib import Path

import numpy as np

from jaxvae.data.config import DataConfig
from jaxvae.data.sources.array_names import Meaning
from jaxvae.data.sources.containers.contents import Contents, check_memory, read_bytes
from jaxvae.data.sources.containers.hdf5 import check_stored_inside, find_datasets, require_h5py
from jaxvae.data.sources.containers.mat_format import read_arrays
from jaxvae.data.sources.containers.named import named_contents, sort_names
from jaxvae.errors import UserError
from jaxvae.system.processes import free_memory
from jaxvae.system.small_files import LARGEST_FILE, check_regular

VERSION_7_3 = b"MATLAB 7.3"
SVHN = {"train": "train_32x32.mat", "test": "test_32x32.mat"}


def read(path: Path, config: DataConfig) -> Contents:
    """Returns the images of a .mat file, or of SVHN's two files in a folder.

    Images are [h, w, n], [h, w, c, n], or with n first. Labels from 1 to 10, where 10 stands for 0 as in SVHN, become
    0 to 9.

    Raises:
        UserError: names, shapes or types are wrong, or the file is of version 7.3 and h5py is missing.
    """
    if not path.is_dir():
        return named_contents(path, _load(path), config)
    arrays = {
        (kind, split): array
        for split, name in SVHN.items()
        if (path / name).exists()
        for (kind, _), array in _load(path / name).items()
    }
    return named_contents(path, arrays, config)


def _load(path: Path) -> dict[Meaning, np.ndarray]:
    check_regular(path, LARGEST_FILE)
    with path.open("rb") as file:
        version = file.read(len(VERSION_7_3))
    loaded = _read_hdf5(path) if version == VERSION_7_3 else read_arrays(read_bytes(path), free_memory() // 2)
    # Which axis counts the images is known later: nothing is taken for images by its shape.
    names = sort_names(path, {name: (0, *array.shape) for name, array in loaded.items()})
    arrays = {meaning: loaded[name] for meaning, name in names.items()}
    labels = {split: _labels(array) for (kind, split), array in arrays.items() if kind == "labels"}
    images = {split: array for (kind, split), array in arrays.items() if kind == "images"}
    return {
        **{("labels", split): array for split, array in labels.items()},
        **{("images", split): _images(path, array, labels.get(split)) for split, array in images.items()},
    }


def _read_hdf5(path: Path) -> dict[str, np.ndarray]:
    """Returns the arrays of a file of version 7.3, which is HDF5 with the axes in reverse."""
    with require_h5py().File(path, "r", locking=False) as file:
        found = {name: each for name, each in find_datasets(path, file) if not name.startswith("#")}
        for each in found.values():
            check_stored_inside(path, each)
        numbers = {name: each for name, each in found.items() if each.dtype.kind in "fbiu" and each.shape}
        check_memory(path, sum(math.prod(each.shape) * each.dtype.itemsize for each in numbers.values()))
        return {name: np.asarray(each[:]).T for name, each in numbers.items()}


def _labels(labels: np.ndarray) -> np.ndarray:
    if 1 in labels.shape:
        labels = labels.ravel()  # MATLAB's vectors are matrices.
    if labels.size and labels.ndim == 1 and labels.min() == 1 and labels.max() == 10:
        labels = labels % 10
    return labels


def _images(path: Path, images: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
    if images.ndim not in (3, 4):
        raise UserError(f"{path} has images of shape {list(images.shape)}; expected [h, w, n] or [h, w, c, n].")
    if _has_images_last(images.shape, None if labels is None else len(labels)):
        images = np.moveaxis(images, -1, 0)
    # MATLAB's numbers are doubles unless one says otherwise.
    if images.dtype.kind == "f" and images.max(initial=0) > 1 and images.min(initial=0) >= 0:
        whole = images.astype(np.uint8) if images.max(initial=0) <= 255 else images
        return whole if np.array_equal(whole, images) else images
    return images


def _has_images_last(shape: tuple[int, ...], count: int | None) -> bool:
    if count is not None and shape[0] != shape[-1] and count in (shape[0], shape[-1]):
        return count == shape[-1]
    if len(shape) == 4:
        return shape[2] in (1, 3)
    return shape[0] == shape[1] or shape[1] != shape[2]
