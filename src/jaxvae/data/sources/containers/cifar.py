"""Reads the Python batches of CIFAR-10 and CIFAR-100, which are pickles, without running them."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jaxvae.data.config import DataConfig
from jaxvae.data.sources.containers.contents import Block, Contents, byte_block, check_memory, label_column
from jaxvae.data.sources.containers.restricted_pickle import as_string, unpickle
from jaxvae.errors import UserError
from jaxvae.system.small_files import check_regular

LARGEST = 2**30  # Bytes of one batch; CIFAR-100's largest has 160 MB.
SIDE = 32
TEN = ([f"data_batch_{i}" for i in range(1, 6)], ["test_batch"], "batches.meta")
HUNDRED = (["train"], ["test"], "meta")
BATCHES = frozenset({*TEN[0], *TEN[1], TEN[2], *HUNDRED[0], *HUNDRED[1], HUNDRED[2]})
# Columns by the name of their values in a batch, and the name of their classes in the description.
COLUMNS = {"labels": ("label", "label_names"), "fine_labels": ("label", "fine_label_names"),
           "coarse_labels": ("coarse_label", "coarse_label_names")}  # fmt: skip


def read(path: Path, config: DataConfig) -> Contents:
    """Returns the images of the batches in a folder.

    Raises:
        UserError: a batch is missing, damaged, or contains more than arrays, numbers and strings.
    """
    return read_batches(path, os.listdir(path), lambda name: _read_file(path / name))


def has_batches(names: list[str]) -> bool:
    """Whether files of these names are CIFAR's batches."""
    return TEN[0][0] in names or {*HUNDRED[0], *HUNDRED[1], HUNDRED[2]} <= set(names)


def read_batches(path: Path, names: list[str], read_file: Callable[[str], bytes]) -> Contents:
    """Returns the images of the batches `names`, whose bytes `read_file` returns.

    Raises:
        UserError: a batch is missing, damaged, or contains more than arrays, numbers and strings.
    """
    train, test, meta = TEN if TEN[0][0] in names else HUNDRED
    classes: dict[str, tuple[str, ...]] = {}
    described = _by_name(path / meta, read_file(meta)) if meta in names else {}
    blocks: dict[str, Block] = {}
    columns: tuple[str, ...] | None = None
    for split, wanted in (("train", train), ("test", test)):
        present = [name for name in wanted if name in names]
        if split == "train" and 1 < len(present) < len(wanted):
            missing = ", ".join(name for name in wanted if name not in names)
            raise UserError(f"{path} lacks {missing} of CIFAR's batches; unpack the archive again.")
        batches = [_batch(path / name, read_file(name)) for name in present]
        if not batches:
            continue
        found = tuple(batches[0][1])
        if any(tuple(values) != found for _, values in batches) or columns not in (None, found):
            raise UserError(f"{path} has batches with different labels; expected CIFAR's own.")
        columns = found
        images = np.concatenate([images for images, _ in batches])
        values = [label_column(path, np.concatenate([values[name] for _, values in batches])) for name in found]
        blocks[split] = byte_block(path, images, np.concatenate(values, axis=1))
        for name, column in zip(found, values, strict=True):
            title, key = COLUMNS[name]
            known = described.get(key)
            if isinstance(known, list) and column.max(initial=0) < len(known):
                classes[title] = tuple(as_string(each) for each in known)
    return Contents(blocks=blocks, columns=tuple(COLUMNS[name][0] for name in columns or ()), classes=classes)


def _read_file(path: Path) -> bytes:
    check_regular(path, LARGEST)
    check_memory(path, path.stat().st_size)
    return path.read_bytes()


def _batch(path: Path, data: bytes) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Returns the images [n, 32, 32, 3] of a batch, and the values of its columns."""
    fields = _by_name(path, data)
    images = fields.get("data")
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.shape[1:] != (3 * SIDE * SIDE,):
        raise UserError(f"{path} is not a batch of CIFAR: expected `data`, uint8 of shape [n, {3 * SIDE * SIDE}].")
    values = {name: np.asarray(fields[name]) for name in COLUMNS if name in fields}
    for name, column in values.items():
        if column.shape != (len(images),):
            raise UserError(f"{path} has {len(images)} images, but {name} of shape {list(column.shape)}.")
    # Each row is one image, channel by channel.
    return images.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1), values


def _by_name(path: Path, data: bytes) -> dict[str, Any]:
    fields = unpickle(data, str(path))
    if not isinstance(fields, dict):
        raise UserError(f"{path} is not a batch of CIFAR: expected a dictionary, but it is a {type(fields).__name__}.")
    return {as_string(key): value for key, value in fields.items()}
