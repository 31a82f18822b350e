"""Whether the files of a prepared data set are still those that were written.

A checksum of gigabytes takes seconds. It is computed when size or modification time differ from those at the last time
that it was right, which are kept next to the files.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from jaxvae.errors import UserError
from jaxvae.system.checksums import sha256
from jaxvae.system.files import atomic_write
from jaxvae.system.small_files import read_text

FILE_NAME = "verified.json"


def mark(folder: Path, files: Sequence[str]) -> None:
    """Notes that files are as they were written, whose checksums have just been computed."""
    with atomic_write(folder / FILE_NAME) as file:
        file.write(json.dumps({name: _marks(folder / name) for name in files}).encode())


def verify(folder: Path, files: Sequence[str], checksums: Mapping[str, str]) -> None:
    """Verifies files of a prepared data set.

    Args:
        folder: the prepared data set.
        files: their names.
        checksums: SHA-256 by name, as `dataset.json` has them.

    Raises:
        UserError: a file was changed.
    """
    known = _read(folder)
    now = {name: _marks(folder / name) for name in files}
    unknown = [name for name in files if known.get(name) != now[name]]
    for name in unknown:
        if sha256(folder / name) != checksums.get(name):
            raise UserError(
                f"{folder / name} was changed after it was prepared: its checksum is not that of dataset.json; "
                f"delete {folder} and prepare it again."
            )
    if unknown:
        # Where the folder is read-only, the checksums are computed again next time.
        with suppress(UserError), atomic_write(folder / FILE_NAME) as file:
            file.write(json.dumps(known | now).encode())


def _marks(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _read(folder: Path) -> dict[str, list[int]]:
    with suppress(OSError, ValueError, RecursionError):
        known = json.loads(read_text(folder / FILE_NAME))
        if isinstance(known, dict):
            return known
    return {}
