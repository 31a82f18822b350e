"""Containers of image files (PNG, JPEG, …), which may be of any size and colour, and damaged."""

import logging
import warnings
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import ImageOps

from jaxvae.data.config import DataConfig
from jaxvae.data.images import UNREADABLE, is_grey, open_image
from jaxvae.data.sources.containers.contents import Block, Prepare
from jaxvae.errors import UserError
from jaxvae.system.progress import progress

logger = logging.getLogger("jaxvae")

MAX_NAMED = 5  # Unreadable images listed in a message.


class Files(NamedTuple):
    """Image files in a container: their names, and a function that returns the bytes of one."""

    names: Sequence[str]
    read: Callable[[int], bytes]


class Encoded(NamedTuple):
    """The blocks of a container of image files, the colours of all of them, and the names of those skipped so far."""

    blocks: dict[str, Block]
    color: str
    unreadable: list[str]


def encoded_blocks(path: Path, files: Files, splits: Sequence[str], values: np.ndarray, config: DataConfig) -> Encoded:
    """Returns the images of a container by split, without those that are not images.

    Args:
        path: the container, for messages.
        files: its image files.
        splits: the split of each.
        values: the values of the columns of each, [n, columns].
        config: what to prepare; up to its `skip_share` of the files may be unreadable.

    Raises:
        UserError: more of them are.
    """
    unreadable: list[str] = []

    def skip(index: int) -> None:
        name = files.names[index]
        if name in unreadable:
            return
        unreadable.append(name)
        if len(unreadable) > config.skip_share * len(files.names):
            listed = ", ".join(unreadable[:MAX_NAMED]) + (", …" if len(unreadable) > MAX_NAMED else "")
            raise UserError(
                f"{len(unreadable)} of {len(files.names)} images in {path} cannot be read ({listed}), more than the "
                f"allowed share of {config.skip_share:g}; replace them, or raise --data.skip-share."
            )
        logger.warning("skipped: %s in %s cannot be read as an image", name, path)

    grey: list[bool | None] = []
    for i in progress(range(len(files.names)), len(files.names), "inspecting the images"):
        grey.append(_is_grey(files.read(i)))
        if grey[i] is None:
            skip(i)

    def block(split: str) -> Block:
        chosen = [i for i, name in enumerate(splits) if name == split and grey[i] is not None]

        def image(index: int, prepare: Prepare) -> np.ndarray | None:
            array = _decode(files.read(chosen[index]), prepare)
            if array is None:
                skip(chosen[index])
            return array

        return Block(len(chosen), image, values[chosen])

    color = "grey" if all(each for each in grey if each is not None) else "rgb"
    return Encoded({split: block(split) for split in dict.fromkeys(splits)}, color, unreadable)


def _is_grey(data: bytes) -> bool | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with open_image(BytesIO(data)) as image:
                return is_grey(image)
        except UNREADABLE:
            return None


def _decode(data: bytes, prepare: Prepare) -> np.ndarray | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with open_image(BytesIO(data)) as image:
                image.load()
                return prepare(ImageOps.exif_transpose(image))
        except UNREADABLE:
            return None
