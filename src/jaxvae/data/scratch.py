"""A folder that goes away."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from jaxvae.errors import UserError


@contextmanager
def scratch(path: Path) -> Iterator[Path]:
    """An empty folder for work in progress; afterwards it is gone, and so are parents made for it that stayed empty.

    What a killed process left under that name is removed first. Raises `UserError` where no folder can be made.
    """
    shutil.rmtree(path, ignore_errors=True)
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
