"""A file that is there whole or not at all, written beside its place and renamed, and that stays in its folder."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from jaxvae.errors import UserError


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Opens a file to write that takes its place when the block ends well; an exception leaves nothing behind.

    Raises `UserError` where the folder or the file cannot be written to.
    """
    partial = path.with_name(f".{path.name}.partial")
    new = [folder for folder in path.parents if not os.path.exists(folder)]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # What a killed process left goes; and were it a link that came with a stranger's run, writing would follow it.
        partial.unlink(missing_ok=True)
        with partial.open("xb") as file:
            yield file
        os.replace(partial, path)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):  # Of a name too long to be one.
            partial.unlink(missing_ok=True)
        for folder in new:
            with suppress(OSError):  # Not empty, as it should be.
                folder.rmdir()


def check_place(path: Path) -> None:
    """Raises `UserError` where a file can be seen not to be writable, before the work whose result it is to hold."""
    try:
        os.lstat(path)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise UserError(f"{path} cannot be written: {error.strerror}.") from error
    folder = next(each for each in (*path.parents, Path()) if os.path.lexists(each))
    if not os.path.isdir(folder):
        raise UserError(f"{path} cannot be written: {folder} is no folder.")
    if not os.access(folder, os.W_OK):
        raise UserError(f"{path} cannot be written: the folder {folder} is not to be written to.")


def inside(folder: Path, path: Path) -> Path:
    """The path of a file to be written in a run's folder; `UserError` where a link there leads out of it."""
    place = Path(os.path.realpath(path.parent))
    if not place.is_relative_to(os.path.realpath(folder)):
        raise UserError(
            f"{path.parent} is a link that leads out of {folder}, to {place}; name another file with --out."
        )
    return path
