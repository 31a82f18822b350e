"""SHA-256 checksums of the files in a folder, stored in the folder itself to detect later changes."""

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
    """Writes the checksums of all files in the folder."""
    text = json.dumps(_checksums(folder), indent=1) + "\n"
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
    now = _checksums(folder)
    differing = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    return differing[0] if differing else None


def _checksums(folder: Path) -> dict[str, str]:
    # Not the file itself, nor what a process left that was killed while it wrote it.
    ours = (FILE_NAME, f".{FILE_NAME}.partial")
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in ours)
    return {path.relative_to(folder).as_posix(): sha256(path) for path in files}
