"""The source of images in a container: recognises the format, and makes splits of what its reader finds."""

import csv
import lzma
import os
import struct
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path

from jaxvae.data.config import DataConfig
from jaxvae.data.images import crop_and_resize
from jaxvae.data.numpy_files import UNREADABLE
from jaxvae.data.sources.base import Example, Source
from jaxvae.data.sources.containers.contents import Contents
from jaxvae.data.sources.containers.table import Format, accepted, format_of_file, format_of_folder
from jaxvae.data.splits import Part, describe_splits, make_splits
from jaxvae.errors import UserError
from jaxvae.system.files import expand_user
from jaxvae.system.progress import progress
from jaxvae.system.small_files import LARGEST_FILE, check_regular

DAMAGED = (*UNREADABLE, tarfile.TarError, lzma.LZMAError, struct.error, csv.Error)


def container(name: str, config: DataConfig) -> Source:
    """Reads the images of the file, or of the folder of files, `name`; missing splits are drawn from train.

    Raises:
        UserError: it is missing, damaged, of an unknown format, or has no images.
    """
    path = expand_user(name)
    kind = _format(path)
    with _report(path, kind.title):
        contents: Contents = import_module(f"{__package__}.{kind.module}").read(path, config)
    return contents_source(path, kind.title, contents, config, {"file": str(path.resolve())})


def contents_source(
    path: Path, title: str, contents: Contents, config: DataConfig, origin: dict[str, object]
) -> Source:
    """Returns the source of what a reader has found, which is closed with it, or at once if there are no splits.

    Args:
        path: the data set, for messages.
        title: what it is called in messages.
        contents: its images.
        config: what to prepare.
        origin: where it comes from; facts about the contents are added.

    Raises:
        UserError: there are no images to train with.
    """
    try:
        return _source(path, title, contents, config, origin)
    except BaseException:
        contents.close()
        raise


def _source(path: Path, title: str, contents: Contents, config: DataConfig, origin: dict[str, object]) -> Source:
    blocks = contents.blocks
    if config.value_range is not None and "value_range" not in contents.facts:
        low, high = config.value_range
        raise UserError(
            f"data.value_range is {low:g} {high:g}, but {path} is {title}, whose values are from 0 to 255; "
            "remove --data.value-range."
        )
    if "train" not in blocks:
        raise UserError(f"{path} has no images to train with, only those of {', '.join(blocks) or 'no split'}.")
    parts = make_splits({split: block.total for split, block in blocks.items()}, str(path))
    color = contents.color if config.color == "keep" and contents.color else config.color
    prepare = partial(crop_and_resize, crop=config.crop, size=config.size, color=color)

    def read(split: str, part: Part) -> Iterator[Example]:
        block = blocks[part.source_split]
        for i in progress(part.indices, len(part.indices), f"preparing {split}"):
            with _report(path, title):
                image = block.image(int(i), prepare)
            if image is not None:
                yield Example(image, tuple(block.values[i].tolist()))

    return Source(
        attributes=contents.columns,
        classes=contents.classes,
        splits={split: partial(read, split, part) for split, part in parts.items()},
        origin={**origin, **contents.facts, "splits": describe_splits(parts)},
        close=contents.close,
    )


def _format(path: Path) -> Format:
    if os.path.isdir(path):
        kind = format_of_folder(path)
        if kind is None:
            raise UserError(f"{path} is a folder without files of a known format; use --data.source folder for images.")
        return kind
    try:
        check_regular(path, LARGEST_FILE)
    except FileNotFoundError as error:
        raise UserError(f"file {path} does not exist.") from error
    except OSError as error:
        raise UserError(f"{path} cannot be opened ({error.strerror}); expected a regular file.") from error
    kind = format_of_file(path)
    if kind is None:
        raise UserError(f"{path} is a file of an unknown format; expected {accepted()}, or a folder.")
    return kind


@contextmanager
def _report(path: Path, title: str) -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    except DAMAGED as error:
        what = " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__
        raise UserError(f"{path} cannot be read as {title} ({what}); it may be damaged or incomplete.") from error
