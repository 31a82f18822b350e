"""Guards files of folders that may be damaged or come from a stranger, and reads those that are text."""

import errno
import os
import stat
from pathlib import Path

LARGEST_FILE = 2**46  # Bytes, of any file; what claims more is sparse.
LARGEST = 64 * 2**20  # Bytes; no description, table or program of ours comes near.


def read_text(path: Path, largest: int = LARGEST, encoding: str = "utf-8-sig") -> str:
    """Returns the text of a regular file.

    A pipe would block for ever, /dev/zero never end, and a sparse file can claim terabytes.

    Raises:
        OSError: the file is missing, of another kind, or larger than `largest` bytes.
        ValueError: it is not text.
    """
    check_regular(path, largest)
    return path.read_text(encoding=encoding)


def check_regular(path: Path, largest: int = LARGEST) -> None:
    """Raises OSError unless `path` is a regular file of at most `largest` bytes."""
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    if status.st_size > largest:
        raise OSError(errno.EFBIG, f"it has {status.st_size} bytes, more than {largest}", str(path))
