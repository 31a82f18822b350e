"""NumPy's files, which may come from a stranger: nothing in them is unpickled."""

import os
import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np

# What NumPy and the readers beneath it raise when they stumble over a file that is damaged or of another kind; a
# damaged header may also ask for more memory than there is.
UNREADABLE = (OSError, ValueError, TypeError, EOFError, LookupError, ArithmeticError, RuntimeError, MemoryError,
              SyntaxError, tokenize.TokenError, zipfile.BadZipFile, zlib.error)  # fmt: skip


def is_safe_to_open(path: Path) -> bool:
    """Whether a file may be opened: to read a pipe would be to wait for somebody to write into it."""
    return os.path.isfile(path) or not os.path.exists(path)


def memory_map(path: Path) -> np.ndarray:
    """The array of an .npy file, mapped from disk and not to be written to; raises one of UNREADABLE."""
    if not is_safe_to_open(path):
        raise OSError(f"{path} is no regular file")
    with np.errstate(over="ignore"):  # Of a shape that no file holds, which is an error enough.
        return np.asarray(np.lib.format.open_memmap(path, mode="r"))
