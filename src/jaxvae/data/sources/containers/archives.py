"""Reads images in zip and tar archives in place; nothing is extracted to disk.

Folders become the column `label`, and `train`, `val` and `test` at the top are splits. In shards of WebDataset, the
label is in KEY.cls or KEY.json next to KEY.jpg.
"""

import json
import logging
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from jaxvae.data.config import DataConfig
from jaxvae.data.sources.array_labels import LARGEST_LABEL
from jaxvae.data.sources.containers.archive_files import LABEL_SUFFIXES, Archive, image_suffixes, open_archive
from jaxvae.data.sources.containers.cifar import BATCHES, LARGEST, has_batches, read_batches
from jaxvae.data.sources.containers.contents import (
    SPLIT_NAMES,
    Contents,
    label_column,
    no_columns,
)
from jaxvae.data.sources.containers.encoded import Files, encoded_blocks
from jaxvae.data.sources.folder_files import TOP
from jaxvae.errors import UserError

logger = logging.getLogger("jaxvae")

MAX_SIZE = 2**28  # Bytes of one image file.
MAX_LABEL_SIZE = 2**20


def read(path: Path, config: DataConfig) -> Contents:
    """Returns the images of a zip or tar archive.

    Raises:
        UserError: it has no images, too many or too large members, is encrypted, or labels only some images.
    """
    return read_archive(path, open_archive(path), config)


def read_archive(path: Path, archive: Archive, config: DataConfig) -> Contents:
    """Returns the images of an open archive, which is closed with them, or at once if they cannot be read.

    Raises:
        UserError: as `read`.
    """
    try:
        return _read(path, archive, config)
    except BaseException:
        archive.close()
        raise


def _read(path: Path, archive: Archive, config: DataConfig) -> Contents:
    suffixes = image_suffixes()
    names = sorted(name for name in archive.sizes if name.lower().endswith(suffixes) and not _is_hidden(name))
    if not names and (batches := _batches(path, archive)) is not None:
        archive.close()
        return batches
    if not names:
        raise UserError(
            f"{path} has {len(archive.sizes)} files, of which none is an image (.png, .jpg, .webp, …); "
            "expected an archive of images."
        )
    for name in names:
        if archive.sizes[name] > MAX_SIZE:
            raise UserError(f"{path} has an image {name!r} of {archive.sizes[name]} bytes, more than {MAX_SIZE}.")
    places = _places(names)
    outside = sum(place is None for place in places)
    if outside:
        logger.warning("skipped: %d images in %s that are outside of its folders train, val and test", outside, path)
    kept = [(name, place) for name, place in zip(names, places, strict=True) if place is not None]
    names, splits = [name for name, _ in kept], [place.split for _, place in kept]
    columns: tuple[str, ...] = ("label",)
    classes: tuple[str, ...] = ()
    labels = _labels_next_to(path, archive, names)
    if labels is None:
        folders = [place.folder for _, place in kept]
        classes = tuple(sorted(set(folders)))
        if len(classes) < 2:
            columns, classes = (), ()
        elif TOP in classes and len(set(splits)) > 1:
            raise UserError(
                f"{path} has images both in class folders and outside of them; put all of them into class folders, "
                "or none, in each of its splits."
            )
        numbers = {name: number for number, name in enumerate(classes)}
        labels = np.array([numbers.get(folder, 0) for folder in folders], np.int64)
    values = label_column(path, labels) if columns else no_columns(len(names))
    files = Files(names, lambda index: archive.read(names[index]))
    blocks, color, facts = encoded_blocks(path, files, splits, values, config)
    return Contents(
        blocks=blocks,
        columns=columns,
        classes={"label": classes} if classes else {},
        color=color,
        facts={
            "members": len(archive.sizes),
            "images": len(names),
            "ignored": len(archive.sizes) - len(names),
            **facts,
        },
        close=archive.close,
    )


class _Place(NamedTuple):
    """The split of an image, and the folder below it."""

    split: str
    folder: str


def _places(names: Sequence[str]) -> list[_Place | None]:
    """Returns the split and the folder of each file; None for those outside of the splits, if there are splits."""
    folders = [PurePosixPath(name).parts[:-1] for name in names]
    # Archives often have all files in one folder, perhaps of the name of the data set.
    depth = 0
    while all(len(parts) > depth + 1 and parts[depth] == folders[0][depth] for parts in folders):
        depth += 1
    if all(len(parts) > depth and parts[depth] == folders[0][depth] for parts in folders):
        depth += 1
    folders = [parts[depth:] for parts in folders]
    splits = [SPLIT_NAMES.get(parts[0].lower()) if parts else None for parts in folders]
    if len({split for split in splits if split}) < 2 or "train" not in splits:
        return [_Place("train", "/".join(parts) or TOP) for parts in folders]
    return [
        _Place(split, "/".join(parts[1:]) or TOP) if split else None
        for split, parts in zip(splits, folders, strict=True)
    ]


def _labels_next_to(path: Path, archive: Archive, names: Sequence[str]) -> np.ndarray | None:
    """Returns the labels in files next to the images, as in shards of WebDataset; None if there are none."""
    known = [_label_next_to(path, archive, name) for name in names]
    found = [label for label in known if label is not None]
    if not found:
        return None
    if len(found) < len(known):
        raise UserError(
            f"{path} has labels (KEY.cls or KEY.json) for {len(found)} of {len(known)} images; add the missing ones, "
            "or remove all."
        )
    return np.array(found, np.int64)


def _label_next_to(path: Path, archive: Archive, name: str) -> int | None:
    folder, _, file = name.rpartition("/")
    key = (f"{folder}/" if folder else "") + file.split(".")[0]
    for member in (key + suffix for suffix in LABEL_SUFFIXES):
        if member not in archive.sizes:
            continue
        if archive.sizes[member] > MAX_LABEL_SIZE:
            raise UserError(
                f"{path} has a label {member!r} of {archive.sizes[member]} bytes, more than an integer has."
            )
        label = _parse_label(member, archive.read(member))
        if label is None:
            continue
        if not 0 <= label <= LARGEST_LABEL:
            raise UserError(
                f"{path} has the label {label} in {member!r}; expected values between 0 and {LARGEST_LABEL}."
            )
        return label
    return None


def _parse_label(member: str, data: bytes) -> int | None:
    try:
        if member.endswith(".cls"):
            return int(data[:20])
        fields = json.loads(data)
        label = next((fields[name] for name in ("label", "cls", "class") if name in fields), None)
    except (ValueError, TypeError, RecursionError):
        return None  # JSON next to an image need not be about labels.
    return label if type(label) is int else None


def _batches(path: Path, archive: Archive) -> Contents | None:
    """Returns the images of CIFAR's archive, a folder of pickles; None if it is another."""
    members = {PurePosixPath(name).name: name for name in archive.sizes}
    if not has_batches(list(members)):
        return None
    for name in BATCHES & set(members):
        if archive.sizes[members[name]] > LARGEST:
            raise UserError(f"{path / name} has {archive.sizes[members[name]]} bytes, more than a batch of CIFAR.")
    return read_batches(path, list(members), lambda name: archive.read(members[name]))


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts if part != ".")
