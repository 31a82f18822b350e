"""Reads NumPy files from untrusted sources: nothing is unpickled."""

import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np

from jaxvae.system.processes import free_memory
from jaxvae.system.small_files import LARGEST_FILE, check_regular

# What NumPy and its underlying readers raise for a damaged file or one of another format; a damaged header may also
# request more memory than is available.
UNREADABLE = (OSError, ValueError, TypeError, EOFError, LookupError, ArithmeticError, RuntimeError, MemoryError,
              SyntaxError, tokenize.TokenError, zipfile.BadZipFile, zlib.error, RecursionError)  # fmt: skip


def memory_map(path: Path) -> np.ndarray:
    """Returns the array of an .npy file, memory-mapped and read-only.

    Raises:
        UNREADABLE: one of these exceptions if the file cannot be read.
    """
    check_regular(path, LARGEST_FILE)
    with np.errstate(over="ignore"):  # An impossibly large shape overflows before it raises its own error.
        return np.asarray(np.lib.format.open_memmap(path, mode="r"))


def read_npz(path: Path, objects: list[str] | None = None) -> dict[str, np.ndarray]:
    """Returns the arrays of an .npz file by name.

    Args:
        path: the file.
        objects: gets the names of arrays of Python objects, which are never unpickled; None raises for one.

    Raises:
        UNREADABLE: one of these exceptions if the file is not an archive of plain arrays, or would unpack to more than
            the free memory.
    """
    check_regular(path, LARGEST_FILE)
    # Opened here because NumPy does not close a damaged file.
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        unpacked, free = sum(member.file_size for member in archive.infolist()), free_memory()
        if unpacked > free:
            raise OSError(f"it unpacks to {unpacked / 1e9:.3g} GB, and {free / 1e9:.3g} GB of memory are free")
        file.seek(0)
        with np.load(file, allow_pickle=False) as loaded:
            arrays = {}
            for name in loaded.files:
                try:
                    arrays[name] = loaded[name]
                except ValueError as error:
                    if objects is None or "Object arrays" not in str(error):
                        raise
                    objects.append(name)
    strange = [name for name, array in arrays.items() if not isinstance(array, np.ndarray)]
    if strange:
        raise ValueError(f"its member {strange[0]!r} is not an array")
    return arrays
