"""Writes a folder whole or not at all. Another one is replaced on request, if it bears the same mark."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jaxvae.errors import UserError
from jaxvae.system.files import check_writable, temp_dir


def refuse_folder(folder: Path, mark: str, kind: str, flag: str, overwrite: bool) -> None:
    """Raises UserError if a folder cannot be written here.

    Args:
        folder: the folder to write. One that exists and is empty counts as new.
        mark: a file that every folder of this kind has; nothing else is ever replaced.
        kind: what such a folder is, for people.
        flag: that names the folder.
        overwrite: whether to replace another folder of this kind.
    """
    check_writable(folder)
    if not os.path.lexists(folder) or (folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir())):
        return
    if folder.is_symlink() or not (folder / mark).is_file():
        raise UserError(f"{folder} already exists and is not {kind}, which has a file {mark}; choose another {flag}.")
    if not overwrite:
        raise UserError(f"{folder} already exists; choose another {flag}, or replace it with --overwrite.")


@contextmanager
def write_whole_folder(folder: Path) -> Iterator[Path]:
    """Yields an empty folder that takes the place of `folder` on success; an exception leaves nothing behind.

    Raises:
        UserError: the disk is full, or the folder cannot be written.
    """
    folder = folder.absolute()
    try:
        with temp_dir(folder.with_name(f".{folder.name}.partial")) as partial:
            yield partial
            if not os.path.isdir(folder) or not any(folder.iterdir()):
                partial.rename(folder)
                return
            former = partial.with_name(f"{partial.name}-former")
            folder.rename(former)
            partial.rename(folder)
            shutil.rmtree(former, ignore_errors=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror or error}.") from error
