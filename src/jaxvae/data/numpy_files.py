"""Reads NumPy files from untrusted sources: nothing is unpickled."""

import os
import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np

# What NumPy and its underlying readers raise for a damaged file or one of another format; a damaged header may also
# request more memory than is available.
UNREADABLE = (OSError, ValueError, TypeError, EOFError, LookupError, ArithmeticError, RuntimeError, MemoryError,
              SyntaxError, tokenize.TokenError, zipfile.BadZipFile, zlib.error)  # fmt: skip


def is_safe_to_open(path: Path) -> bool:
    """Whether opening the path cannot block: True for regular and missing files, False for pipes and the like."""
    return os.path.isfile(path) or not os.path.exists(path)


def memory_map(path: Path) -> np.ndarray:
    """Returns the array of an .npy file, memory-mapped and read-only.

    Raises:
        UNREADABLE: one of these exceptions if the file cannot be read.
    """
    if not is_safe_to_open(path):
        raise OSError(f"{path} is not a regular file")
    with np.errstate(over="ignore"):  # An impossibly large shape overflows before it raises its own error.
        return np.asarray(np.lib.format.open_memmap(path, mode="r"))
