"""Reads MNIST's four files, idx or packed idx.gz, in one folder; or a single file of images."""

import os
import re
from pathlib import Path

import numpy as np

from jaxvae.data.config import DataConfig
from jaxvae.data.sources.containers.contents import Block, Contents, byte_block, label_column, no_columns, read_bytes
from jaxvae.data.sources.idx_format import parse_idx
from jaxvae.errors import UserError
from jaxvae.system.small_files import LARGEST_FILE, check_regular

IMAGES = re.compile(r"(?P<split>.*)images[-.]idx3[-.]ubyte(?P<packed>(\.gz)?)", re.IGNORECASE)
TEST = ("t10k", "test")


def read(path: Path, config: DataConfig) -> Contents:
    """Returns the images of the idx files in a folder, or of one file, and their labels where there are any.

    Raises:
        UserError: a file is damaged, or of another kind; or images and labels differ in number.
    """
    names = sorted(os.listdir(path)) if path.is_dir() else [path.name]
    folder = path if path.is_dir() else path.parent
    blocks: dict[str, Block] = {}
    for name in names:
        match = IMAGES.fullmatch(name)
        split = "test" if match and path.is_dir() and any(part in match["split"].lower() for part in TEST) else "train"
        if split in blocks or not (match or not path.is_dir()):
            continue  # The same file is often there both packed and unpacked.
        images, labels = _read(folder / name), _labels(folder, name) if match else None
        if images.ndim != 3:
            raise UserError(
                f"{folder / name} has {images.ndim} dimensions; expected images, which have 3 in idx files."
            )
        values = no_columns(len(images)) if labels is None else label_column(folder / name, labels)
        blocks[split] = byte_block(folder / name, images, values)
    with_labels = {block.values.shape[1] for block in blocks.values()}
    if len(with_labels) > 1:
        raise UserError(
            f"{path} has labels for some images only; add the missing labels-idx1-ubyte file, or remove all."
        )
    return Contents(blocks=blocks, columns=("label",) if with_labels == {1} else ())


def _labels(folder: Path, name: str) -> np.ndarray | None:
    """Returns the labels next to a file of images, packed or not; None if there are none."""
    plain = re.sub(r"\.gz$", "", re.sub("idx3", "idx1", re.sub("images", "labels", name)))
    found = [folder / each for each in (plain, f"{plain}.gz") if (folder / each).exists()]
    return _read(found[0]) if found else None


def _read(path: Path) -> np.ndarray:
    check_regular(path, LARGEST_FILE)
    return parse_idx(read_bytes(path), str(path))
