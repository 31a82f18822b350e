"""Opens zip and tar archives, whose files are read in place."""

import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from PIL import Image

from jaxvae.data.images import formats
from jaxvae.data.sources.containers.cifar import BATCHES
from jaxvae.data.sources.containers.contents import check_memory
from jaxvae.data.sources.containers.table import BZIP2, GZIP, XZ
from jaxvae.errors import UserError

MAX_MEMBERS = 5_000_000
MAX_HEADER_SIZE = 2**20  # Bytes of a long name or of other metadata in a tar archive.
LABEL_SUFFIXES = (".cls", ".json")


class Archive(NamedTuple):
    """The files in an archive: sizes by name, a function that returns the bytes of one, and one that closes it."""

    sizes: dict[str, int]
    read: Callable[[str], bytes]
    close: Callable[[], object] = lambda: None


def open_archive(path: Path) -> Archive:
    """Opens a zip or tar archive; compressed tar archives are read into memory, images and labels only."""
    with path.open("rb") as file:
        head = file.read(len(XZ))
    if head.startswith(b"PK"):
        return _open_zip(path)
    return _open_compressed_tar(path) if head.startswith((GZIP, BZIP2, XZ)) else _open_tar(path)


def image_suffixes() -> tuple[str, ...]:
    """Returns how the names of images end, in lower case."""
    known = formats()  # First: it may register more suffixes.
    return tuple(suffix for suffix, kind in Image.registered_extensions().items() if kind in known)


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
    wanted = (*image_suffixes(), *LABEL_SUFFIXES)
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
