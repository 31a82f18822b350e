"""The source of images in a folder, of any size and format."""

import logging
import os
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from jaxvae.data.config import DataConfig
from jaxvae.data.images import UNREADABLE, crop_and_resize, decode_image, describe_bomb, open_image
from jaxvae.data.own_output import is_own_output
from jaxvae.data.sources.attribute_table import (
    ATTRIBUTE_FILES,
    PARTITION_FILES,
    find_table,
    match_files,
    read_columns,
    read_partition,
)
from jaxvae.data.sources.base import SPLITS, Example, Source
from jaxvae.data.sources.folder_files import class_folder, find_images, published_splits
from jaxvae.data.sources.inspection import common_image_range, describe_cut, inspect_image
from jaxvae.data.splits import Part, describe_splits, make_splits
from jaxvae.data.value_range import Range
from jaxvae.errors import UserError
from jaxvae.labels import UNKNOWN
from jaxvae.system.files import expand_user
from jaxvae.system.processes import ParallelMap
from jaxvae.system.progress import progress

logger = logging.getLogger("jaxvae")

MAX_NAMED = 5  # Unreadable files listed in a message.


def folder(path: str, config: DataConfig, attributes: str = "") -> Source:
    """Reads the images under `path`, split 80 / 10 / 10 % unless its folders are `train` and `test` or `validation`.

    The format is detected from the content, not the name; `find_images` says which files count. If the images are in
    two or more folders, below those of splits, the attribute `label` is the folder. Images of more than 8 bits have one
    scale for the whole folder.

    A table of attributes in the folder, or the one that `attributes` names, gives columns of its own instead of
    `label`. CelebA's table of partitions gives the splits.

    Raises:
        UserError: if the folder is missing or has fewer than three images, or if more than `config.skip_share` of the
            image files cannot be read; up to that share they are skipped with a warning.
    """
    root = _root(path)
    table = expand_user(attributes) if attributes else find_table(root, ATTRIBUTE_FILES)
    found = find_images(root)
    if passed_over := found.describe([each for each in (table, find_table(root, PARTITION_FILES)) if each]):
        logger.warning("%s.", passed_over)
    if not (paths := found.paths):
        raise UserError(f"no image files (.png, .jpg, .webp, …) in {root}{f' ({passed_over})' if passed_over else ''}.")
    unreadable = _Unreadable(root, len(paths), config.skip_share)
    inspected = {path: inspect_image(path) for path in progress(paths, len(paths), "inspecting the images")}
    unreadable.add(*(path for path, facts in inspected.items() if facts is None))
    facts = {path: each for path, each in inspected.items() if each is not None}
    found.paths = list(facts)
    # A single colour image makes all of them RGB, which must be known before the first is written.
    all_grey = all(each.grey for each in facts.values())
    color = ("grey" if all_grey else "rgb") if config.color == "keep" else config.color
    value_range = common_image_range(
        str(root), [each.deep for each in facts.values() if each.deep is not None], config.value_range
    )
    by_split = _partition(root, found.paths)
    in_split = by_split is None and (by_split := published_splits(found)) is not None
    if by_split is not None and in_split:
        logger.warning("using the folders %s of %s as its splits.", ", ".join(by_split), root)
        inside = {path for files in by_split.values() for path in files}
        if outside := [path.relative_to(root).as_posix() for path in found.paths if path not in inside]:
            listed = ", ".join(outside[:MAX_NAMED]) + (", …" if len(outside) > MAX_NAMED else "")
            logger.warning("skipped in %s: %d images outside of the splits (%s).", root, len(outside), listed)
        found.paths = [path for path in found.paths if path in inside]
    readable = by_split or {"train": found.paths}
    parts = make_splits({split: len(files) for split, files in readable.items()}, str(root))
    columns = _listed(table, root, found.paths) if table else _labels(root, found.paths, in_split=in_split)
    workers = ParallelMap()
    read_image = partial(_read_image, crop=config.crop, size=config.size, color=color, value_range=value_range)

    def read(split: str, part: Part) -> Iterator[Example]:
        split_paths = [readable[part.source_split][i] for i in part.indices]
        images = progress(workers.map(read_image, split_paths), len(split_paths), f"preparing {split}")
        for path, image in zip(split_paths, images, strict=True):
            if image is None:
                unreadable.add(path)
            else:
                yield Example(image, tuple(column.values[path] for column in columns))
        if split == SPLITS[-1]:
            unreadable.warn()

    return Source(
        attributes=tuple(column.name for column in columns),
        classes={column.name: column.classes for column in columns if column.classes},
        splits={split: partial(read, split, part) for split, part in parts.items()},
        origin={
            "folder": str(root.resolve()),
            "files": len(paths),
            "unreadable": unreadable.names,
            **({"attributes": str(table)} if table else {}),
            "splits": describe_splits(parts),
            **({"value_range": list(value_range)} if value_range else {}),
            **describe_cut(list(facts.values()), config),
        },
        close=workers.close,
    )


def _root(path: str) -> Path:
    if not path:
        raise UserError("data.source is 'folder' but its path is not set; use --data.raw DIR (RAW=DIR with make).")
    root = expand_user(path)
    if not os.path.isdir(root):
        raise UserError(
            f"folder {root} does not exist; choose a folder of images with --data.raw DIR (RAW=DIR with make)."
        )
    if is_own_output(root):
        raise UserError(f"{root} is a run or a prepared data set of jaxvae's own; choose a folder of images.")
    return root


class _Column(NamedTuple):
    name: str
    values: dict[Path, int]
    classes: tuple[str, ...]


def _labels(root: Path, paths: list[Path], *, in_split: bool) -> list[_Column]:
    """Returns the column `label`, the folder of each image; none if all are in one folder."""
    folders = {path: class_folder(path, root, in_split=in_split) for path in paths}
    names = sorted(set(folders.values()))
    number = {name: i for i, name in enumerate(names)}
    values = {path: number[name] for path, name in folders.items()}
    return [_Column("label", values, tuple(names))] if len(names) > 1 else []


def _listed(table: Path, root: Path, paths: list[Path]) -> list[_Column]:
    """Returns the columns of a table, unknown for images that it does not list."""
    columns = read_columns(table)
    if not columns:
        return []
    names = match_files(table, list(columns[0].values), paths, root)
    return [
        _Column(
            column.name,
            {path: column.values[names[path]] if path in names else UNKNOWN for path in paths},
            column.classes,
        )
        for column in columns
    ]


def _partition(root: Path, paths: list[Path]) -> dict[str, list[Path]] | None:
    """Returns the images by split where CelebA's table of partitions lies in the folder; others are omitted."""
    if (table := find_table(root, PARTITION_FILES)) is None:
        return None
    splits = read_partition(table)
    names = match_files(table, list(splits), paths, root)
    by_split: dict[str, list[Path]] = {}
    for path in paths:
        if path in names:
            by_split.setdefault(splits[names[path]], []).append(path)
    return by_split if "train" in by_split else None


def _read_image(
    path: Path, *, crop: int | None, size: int | None, color: str, value_range: Range | None
) -> np.ndarray | None:
    try:
        return crop_and_resize(decode_image(path), crop=crop, size=size, color=color, value_range=value_range)
    except ValueError:  # Includes UserError; Pillow raises others for colour spaces that it cannot convert.
        return None


def _too_large(path: Path) -> str:
    """Returns that an image has more pixels than are read, which is no damage; nothing otherwise."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            open_image(path).close()
        except Image.DecompressionBombError as error:
            return f": it has {describe_bomb(error)}"
        except UNREADABLE:
            return ""
    return ""


class _Unreadable:
    """The image files that could not be read, by their paths relative to the folder."""

    def __init__(self, root: Path, total: int, share: float) -> None:
        self.root, self.total, self.share = root, total, share
        self.names: list[str] = []

    def add(self, *paths: Path) -> None:
        """Records unreadable files; raises UserError once there are too many."""
        new = (path.relative_to(self.root).as_posix() for path in paths)
        self.names += [name for name in new if name not in self.names]
        if len(self.names) > self.share * self.total:
            raise UserError(
                f"{self}, more than the allowed share of {self.share:g}; fix or remove them, "
                "or raise --data.skip-share."
            )

    def warn(self) -> None:
        if self.names:
            logger.warning("skipped: %s", self)

    def __str__(self) -> str:
        named = (f"{name}{_too_large(self.root / name)}" for name in self.names[:MAX_NAMED])
        listed = ", ".join(named) + (", …" if len(self.names) > MAX_NAMED else "")
        return f"{len(self.names)} of {self.total} image files in {self.root} cannot be read ({listed})"
