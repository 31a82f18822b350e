"""One process at a time in a run folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from jaxvae.errors import UserError


@contextmanager
def claimed(run: Path) -> Iterator[None]:
    """Holds the run folder, making it where it is missing; the system lets go of it however the process ends.

    Raises `UserError` with the number of the process that holds it, or where the folder cannot be written to.
    """
    owner = run / ".owner"
    try:
        run.mkdir(parents=True, exist_ok=True)
        lock = FileLock(run / ".lock")
        lock.acquire(timeout=0)
    except Timeout as error:
        raise UserError(
            f"{run} is being trained by process {_owner(owner)}; wait for its end, stop it, or start another run "
            "beside it with --fresh."
        ) from error
    except OSError as error:
        raise UserError(f"the run folder {run} cannot be written to ({error.strerror}); give another --run.") from error
    try:
        owner.write_text(f"{os.getpid()}\n")
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock.release()


def _owner(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:  # It has only just begun, or is about to end.
        return "unknown to us"
