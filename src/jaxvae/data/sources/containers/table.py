"""The formats that a `Container` reads. A new one is a line here, and a module with `read(path, config)`.

Imported by every command, so it imports next to nothing.
"""

import fnmatch
import os
import zlib
from pathlib import Path
from typing import NamedTuple

HEAD = 1024  # Bytes at the beginning of a file, in which formats are recognised.
GZIP, BZIP2, XZ, ZIP = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"PK"


class Format(NamedTuple):
    """A format of files.

    Attributes:
        title: what a file is called in messages.
        module: the module of this package that reads it.
        suffixes: how names of such files end, in lower case.
        magic: bytes at an offset by which a file is recognised whatever its name, also within gzip.
        members: names, possibly with wildcards, of files that a folder of this format has, all of them.
    """

    title: str
    module: str
    suffixes: tuple[str, ...] = ()
    magic: tuple[int, bytes] | None = None
    members: tuple[str, ...] = ()


FORMATS = (
    Format("a NumPy file", "numpy_arrays", (".npy", ".npz"), (0, b"\x93NUMPY")),
    Format("a zip archive", "archives", (".zip",), (0, ZIP)),
    Format("a tar archive", "archives", (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"), (257, b"ustar")),
    Format("shards of WebDataset", "shards", members=("*-[0-9][0-9][0-9]*.tar*",)),
    Format("idx files", "idx", (".idx", "-ubyte", "-ubyte.gz"), (0, b"\0\0\x08"), ("*images[-.]idx3[-.]ubyte*",)),
    Format("batches of CIFAR", "cifar", members=("data_batch_1",)),
    Format("batches of CIFAR", "cifar", members=("meta", "test", "train")),
    Format("a MATLAB file", "matlab", (".mat",), (0, b"MATLAB "), ("train_32x32.mat",)),
    Format("an HDF5 file", "hdf5", (".h5", ".hdf5", ".he5"), (0, b"\x89HDF\r\n\x1a\n")),
    Format("a data set of Hugging Face", "saved_to_disk", members=("dataset_dict.json",)),
    Format("a data set of Hugging Face", "saved_to_disk", members=("dataset_info.json", "state.json")),
    Format("a Parquet file", "parquet", (".parquet",), (0, b"PAR1"), ("train*.parquet",)),
    Format("a pickle of arrays", "pickled", (".pkl", ".pickle", ".pkl.gz"), (0, b"\x80")),
    Format("a table of pixels", "csv_pixels", (".csv", ".csv.gz", ".tsv")),
)


def format_of_folder(path: Path) -> Format | None:
    """Returns the format of the files in a folder; None if it is a folder of images, or no folder."""
    try:
        names = sorted(os.listdir(path))
    except OSError:
        return None
    return next(
        (each for each in FORMATS if each.members and all(_has_file(path, names, like) for like in each.members)), None
    )


def format_of_file(path: Path) -> Format | None:
    """Returns the format of a regular file by its content, else by its name; None if it is unknown."""
    try:
        head = _head(path)
    except OSError:
        head = b""
    by_name = format_of_name(path.name)
    if head.startswith(ZIP) and by_name and by_name.module == "numpy_arrays":
        return by_name  # An .npz file is a zip archive.
    by_content = (each for each in FORMATS if each.magic and head[each.magic[0] :].startswith(each.magic[1]))
    return next(by_content, None) or by_name


def format_of_name(name: str) -> Format | None:
    """Returns the format that files with such a name have; None if it is unknown."""
    return next((each for each in FORMATS if each.suffixes and name.lower().endswith(each.suffixes)), None)


def accepted() -> str:
    """Returns the suffixes of all formats, for messages."""
    return ", ".join(suffix for each in FORMATS for suffix in each.suffixes)


def _has_file(folder: Path, names: list[str], like: str) -> bool:
    return any(os.path.isfile(folder / name) for name in fnmatch.filter(names, like))


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head.startswith(GZIP):
        return head
    try:
        return zlib.decompressobj(wbits=31).decompress(head, HEAD)
    except zlib.error:
        return head
