"""What the tests of files share: reading a whole source, numbered images, and paths that every source refuses."""

import os
from contextlib import closing

import numpy as np
import pytest

from jaxvae import DataConfig
from jaxvae.data.sources.base import SPLITS
from jaxvae.errors import UserError


def read(path, **fields):
    """The source of a file, and the examples of each split."""
    config = DataConfig(**{"name": str(path), "size": None} | fields)
    with closing(config.source.build(config)) as source:
        return source, {split: list(source.splits[split]()) for split in SPLITS}


def numbered(count, *shape, dtype=np.uint8):
    """Images of which each holds its number everywhere."""
    return np.broadcast_to(np.arange(count, dtype=dtype).reshape(-1, *[1] * len(shape)), (count, *shape)).copy()


def refuses_what_is_no_file(path):
    """A missing file, and then a pipe in its place, are refused in a sentence."""
    path.unlink(missing_ok=True)
    with pytest.raises(UserError, match="does not exist"):
        read(path)
    os.mkfifo(path)
    with pytest.raises(UserError, match="regular file"):
        read(path)
    path.unlink()
