"""Containers of image files (PNG, JPEG, …), which may be of any size and colour, and damaged."""

import logging
import warnings
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from jaxvae.data.config import DataConfig
from jaxvae.data.images import UNREADABLE, is_deep, open_image
from jaxvae.data.sources.array_images import Prepare
from jaxvae.data.sources.containers.contents import Block
from jaxvae.data.sources.inspection import Facts, common_image_range, describe_cut, inspect_image
from jaxvae.data.value_range import Range, to_eight_bits
from jaxvae.errors import UserError
from jaxvae.system.progress import progress

logger = logging.getLogger("jaxvae")

MAX_NAMED = 5  # Unreadable images listed in a message.


class Files(NamedTuple):
    """Image files in a container: their names, and a function that returns the bytes of one."""

    names: Sequence[str]
    read: Callable[[int], bytes]


class Encoded(NamedTuple):
    """The images of a container of image files.

    Attributes:
        blocks: them by split.
        color: the colours of all of them.
        facts: what `origin` records: the names of those skipped so far, and the range of deep ones.
    """

    blocks: dict[str, Block]
    color: str
    facts: dict[str, object]


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

    seen: list[Facts | None] = []
    for i in progress(range(len(files.names)), len(files.names), "inspecting the images"):
        seen.append(inspect_image(BytesIO(files.read(i))))
        if seen[-1] is None:
            skip(i)
    readable = [each for each in seen if each is not None]
    deep = [each.deep for each in readable if each.deep is not None]
    value_range = common_image_range(str(path), deep, config.value_range)

    def block(split: str) -> Block:
        chosen = [i for i, name in enumerate(splits) if name == split and seen[i] is not None]

        def image(index: int, prepare: Prepare) -> np.ndarray | None:
            array = _decode(files.read(chosen[index]), prepare, value_range)
            if array is None:
                skip(chosen[index])
            return array

        return Block(len(chosen), image, values[chosen])

    color = "grey" if all(each.grey for each in readable) else "rgb"
    facts: dict[str, object] = {"unreadable": unreadable}
    facts |= {"value_range": list(value_range)} if value_range else {}
    facts |= describe_cut(readable, config)
    return Encoded({split: block(split) for split in dict.fromkeys(splits)}, color, facts)


def _decode(data: bytes, prepare: Prepare, value_range: Range | None) -> np.ndarray | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with open_image(BytesIO(data)) as image:
                image.load()
                upright = ImageOps.exif_transpose(image)
                if value_range is not None and is_deep(upright):
                    upright = Image.fromarray(to_eight_bits(np.asarray(upright), value_range))
                return prepare(upright)
        except UNREADABLE:
            return None
