"""Sizes and SHA-256 checksums of the files in a folder, stored in the folder itself to detect later changes."""

import hashlib
import json
import os
from pathlib import Path

from jaxvae.system.files import atomic_write
from jaxvae.system.small_files import read_text

FILE_NAME = "checksums.json"


def sha256(path: Path) -> str:
    """Returns the SHA-256 of a file as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def has_checksums(folder: Path) -> bool:
    """Whether the folder has a checksum file."""
    return os.path.lexists(folder / FILE_NAME)


def write_checksums(folder: Path) -> None:
    """Writes the sizes and checksums of all files in the folder."""
    sums = {name: {"size": path.stat().st_size, "sha256": sha256(path)} for name, path in _files(folder).items()}
    text = json.dumps(sums, indent=1) + "\n"
    with atomic_write(folder / FILE_NAME) as file:
        file.write(text.encode())


def find_mismatch(folder: Path) -> str | None:
    """Returns the first file that is missing, new or changed since the checksums were written; None if all match.

    A folder without checksums, because the process died before writing them, counts as matching.
    """
    if not has_checksums(folder):
        return None
    try:
        before = json.loads(read_text(folder / FILE_NAME))
    except (OSError, ValueError, RecursionError):
        return FILE_NAME
    if not isinstance(before, dict):
        return FILE_NAME
    files = _files(folder)
    different = sorted(before.keys() ^ files.keys())
    # Sizes first: reading a file that claims to be huge would take for ever.
    different = different or [name for name, path in files.items() if not _has_size(path, before[name])]
    different = different or [name for name, path in files.items() if sha256(path) != _sum(before[name])]
    return different[0] if different else None


def _has_size(path: Path, entry: object) -> bool:
    # Before format 3 the entry was the checksum alone.
    return not isinstance(entry, dict) or entry.get("size") == path.stat().st_size


def _sum(entry: object) -> object:
    return entry.get("sha256") if isinstance(entry, dict) else entry


def _files(folder: Path) -> dict[str, Path]:
    # Not the file itself, nor what a process left that was killed while it wrote it.
    ours = (FILE_NAME, f".{FILE_NAME}.partial")
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in ours)
    return {path.relative_to(folder).as_posix(): path for path in files}
