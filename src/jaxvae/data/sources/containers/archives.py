"""Reads images in zip and tar archives in place; nothing is extracted to disk.

Folders become the column `label`, and `train`, `val` and `test` at the top are splits. In shards of WebDataset, the
label is in KEY.cls or KEY.json next to KEY.jpg.
"""

import json
import logging
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from PIL import Image

from jaxvae.data.config import DataConfig
from jaxvae.data.images import formats
from jaxvae.data.sources.containers.cifar import BATCHES, LARGEST, has_batches, read_batches
from jaxvae.data.sources.containers.contents import (
    HIGHEST_LABEL,
    SPLIT_NAMES,
    Contents,
    check_memory,
    label_column,
    no_columns,
)
from jaxvae.data.sources.containers.encoded import Files, encoded_blocks
from jaxvae.data.sources.containers.table import BZIP2, GZIP, XZ
from jaxvae.errors import UserError

logger = logging.getLogger("jaxvae")

MAX_MEMBERS = 5_000_000
MAX_SIZE = 2**28  # Bytes of one image file.
MAX_LABEL_SIZE = 2**20
MAX_HEADER_SIZE = 2**20  # Bytes of a long name or of other metadata in a tar archive.
LABEL_SUFFIXES = (".cls", ".json")


class Archive(NamedTuple):
    """The files in an archive: sizes by name, a function that returns the bytes of one, and one that closes it."""

    sizes: dict[str, int]
    read: Callable[[str], bytes]
    close: Callable[[], object] = lambda: None


def read(path: Path, config: DataConfig) -> Contents:
    """Returns the images of a zip or tar archive.

    Raises:
        UserError: it has no images, too many or too large members, is encrypted, or labels only some images.
    """
    archive = open_archive(path)
    try:
        return _read(path, archive, config)
    except BaseException:
        archive.close()
        raise


def open_archive(path: Path) -> Archive:
    """Opens a zip or tar archive; compressed tar archives are read into memory, images and labels only."""
    with path.open("rb") as file:
        head = file.read(len(XZ))
    if head.startswith(b"PK"):
        return _open_zip(path)
    return _open_compressed_tar(path) if head.startswith((GZIP, BZIP2, XZ)) else _open_tar(path)


def _read(path: Path, archive: Archive, config: DataConfig) -> Contents:
    suffixes = _image_suffixes()
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
        elif "." in classes and len(set(splits)) > 1:
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
        return [_Place("train", "/".join(parts) or ".") for parts in folders]
    return [
        _Place(split, "/".join(parts[1:]) or ".") if split else None
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
        if not 0 <= label <= HIGHEST_LABEL:
            raise UserError(
                f"{path} has the label {label} in {member!r}; expected values between 0 and {HIGHEST_LABEL}."
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


def _image_suffixes() -> tuple[str, ...]:
    known = formats()  # First: it may register more suffixes.
    return tuple(suffix for suffix, kind in Image.registered_extensions().items() if kind in known)


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts if part != ".")


def _open_zip(path: Path) -> Archive:
    archive = zipfile.ZipFile(path)
    members = {member.filename: member for member in archive.infolist() if not member.is_dir()}
    if len(members) > MAX_MEMBERS:
        archive.close()
        raise UserError(f"{path} has {len(members)} files, more than {MAX_MEMBERS}.")
    if any(member.flag_bits & 1 for member in members.values()):
        archive.close()
        raise UserError(f"{path} is encrypted; unpack it, and use the folder.")

    def read_member(name: str) -> bytes:
        with archive.open(members[name]) as file:
            return file.read(members[name].file_size)

    return Archive({name: member.file_size for name, member in members.items()}, read_member, archive.close)


class _Member(tarfile.TarInfo):
    """A header of a tar archive; one with huge metadata is refused, which `tarfile` would read at once."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Member":
        member = super().frombuf(buf, encoding, errors)
        if not (member.isreg() or member.isdir()) and member.size > MAX_HEADER_SIZE:
            raise OSError(f"a header of {member.size} bytes")
        return member


def _regular_members(path: Path, archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for count, member in enumerate(archive):
        if count > MAX_MEMBERS:
            raise UserError(f"{path} has more than {MAX_MEMBERS} files.")
        archive.members = []  # type: ignore[attr-defined]  # Otherwise `tarfile` keeps all of them.
        if member.isreg() and member.sparse is None:
            yield member


def _open_tar(path: Path) -> Archive:
    file = path.open("rb")
    try:
        with tarfile.open(fileobj=file, mode="r:", tarinfo=_Member) as archive:
            places = {member.name: (member.offset_data, member.size) for member in _regular_members(path, archive)}
    except BaseException:
        file.close()
        raise
    total = path.stat().st_size

    def read_member(name: str) -> bytes:
        start, size = places[name]
        if start + size > total:
            raise OSError(f"its file {name!r} ends after the end of the archive")
        file.seek(start)
        return file.read(size)

    return Archive({name: size for name, (_, size) in places.items()}, read_member, file.close)


def _open_compressed_tar(path: Path) -> Archive:
    wanted = (*_image_suffixes(), *LABEL_SUFFIXES)
    contents: dict[str, bytes] = {}
    sizes: dict[str, int] = {}
    total = 0
    with tarfile.open(path, "r|*", tarinfo=_Member) as archive:
        for member in _regular_members(path, archive):
            sizes[member.name] = member.size
            if not member.name.lower().endswith(wanted) and PurePosixPath(member.name).name not in BATCHES:
                continue
            total += member.size
            check_memory(path, total)
            file = archive.extractfile(member)
            contents[member.name] = b"" if file is None else file.read()
    return Archive(sizes, contents.__getitem__)
