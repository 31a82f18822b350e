"""A folder that goes away."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from jaxvae.errors import UserError


@contextmanager
def scratch(path: Path) -> Iterator[Path]:
    """An empty folder for work in progress; afterwards it is gone, and so are parents made for it that stayed empty.

    Its name is `path` with the number of this process, so that two of them do not meet; what killed ones left is
    removed first. Raises `UserError` where no folder can be made.
    """
    for left in path.parent.glob(f"{path.name}-*"):
        number = left.name.rpartition("-")[2]
        if number.isdecimal() and not psutil.pid_exists(int(number)):
            shutil.rmtree(left, ignore_errors=True)
    path = path.with_name(f"{path.name}-{os.getpid()}")
    new_parents = [parent for parent in path.parents if not parent.exists()]
    try:
        path.mkdir(parents=True)
    except OSError as error:
        raise UserError(f"the folder {path.parent} cannot be written to ({error.strerror}).") from error
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        for parent in new_parents:
            with suppress(OSError):  # Not empty: what was made there is to stay.
                parent.rmdir()
