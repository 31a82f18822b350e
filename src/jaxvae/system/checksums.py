"""Whether the files of a folder are still as they were written: SHA-256 of each, kept in the folder itself."""

import hashlib
import json
from pathlib import Path

from jaxvae.system.files import atomic_write

FILE_NAME = "checksums.json"


def sha256(path: Path) -> str:
    """The sum of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def has_checksums(folder: Path) -> bool:
    """Whether the sums of the folder have been taken."""
    return (folder / FILE_NAME).exists()


def write_checksums(folder: Path) -> None:
    """Writes the sums of all files in the folder down."""
    text = json.dumps(_sums(folder), indent=1) + "\n"
    with atomic_write(folder / FILE_NAME) as file:
        file.write(text.encode())


def find_mismatch(folder: Path) -> str | None:
    """The first file that is missing, new or different since the folder was sealed; None where there is none.

    A folder that was never sealed, because the process died first, has nothing to be compared with.
    """
    if not has_checksums(folder):
        return None
    try:
        before = json.loads((folder / FILE_NAME).read_text())
    except (OSError, ValueError, RecursionError):
        return FILE_NAME
    if not isinstance(before, dict):
        return FILE_NAME
    now = _sums(folder)
    differing = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    return differing[0] if differing else None


def _sums(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != FILE_NAME)
    return {path.relative_to(folder).as_posix(): sha256(path) for path in files}
