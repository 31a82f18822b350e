"""Reads images and labels in pickles of arrays, without running them."""

from pathlib import Path
from typing import Any

import numpy as np

from jaxvae.data.config import DataConfig
from jaxvae.data.sources.base import SPLITS
from jaxvae.data.sources.containers.contents import Contents, read_bytes
from jaxvae.data.sources.containers.named import named_contents, sort_names
from jaxvae.data.sources.containers.restricted_pickle import as_string, unpickle
from jaxvae.errors import UserError


def read(path: Path, config: DataConfig) -> Contents:
    """Returns the images of a pickle, perhaps packed with gzip.

    It holds a dictionary of arrays with names as in an .npz file; an array of images; or images and labels by split,
    ((images, labels), …) for train, validation and test, as in mnist.pkl.gz.

    Raises:
        UserError: it holds anything but arrays, numbers and strings; or names, shapes or types are wrong.
    """
    arrays = _arrays(unpickle(read_bytes(path), str(path)))
    if arrays is None:
        raise UserError(
            f"{path} is a pickle of something else; expected a dictionary of arrays, an array of images, or pairs of "
            "images and labels by split."
        )
    names = sort_names(path, {name: array.shape for name, array in arrays.items()})
    return named_contents(path, {meaning: arrays[name] for meaning, name in names.items()}, config)


def _arrays(value: Any) -> dict[str, np.ndarray] | None:
    if isinstance(value, np.ndarray):
        return {"images": value}
    if isinstance(value, dict):
        named = {
            as_string(name): np.asarray(each) for name, each in value.items() if isinstance(each, np.ndarray | list)
        }
        return {name: each for name, each in named.items() if each.ndim and each.dtype != object}
    if not isinstance(value, list | tuple) or not value:
        return None
    if all(isinstance(each, list | tuple) and len(each) == 2 for each in value) and len(value) in (2, 3):
        splits = SPLITS if len(value) == 3 else ("train", "test")
        pairs = {f"{kind}_{split}": part for split, pair in zip(splits, value, strict=True)
                 for kind, part in zip("xy", pair, strict=True)}  # fmt: skip
        return {name: np.asarray(each) for name, each in pairs.items()}
    if len(value) == 2 and all(isinstance(each, np.ndarray) for each in value):
        return {"images": value[0], "labels": value[1]}
    return None
