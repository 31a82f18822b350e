"""One process at a time in a run folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from jaxvae.errors import UserError

LOCK_FILE = ".lock"


@contextmanager
def lock_run(run: Path) -> Iterator[None]:
    """Holds the run folder, made where it is missing; the system lets go of it however the process ends.

    A folder that was made and in which nothing was written is removed again.

    Raises `UserError` with the number of the process that holds it, or where the folder cannot be written to.
    """
    _refuse_outside_links(run)
    owner, new = run / ".owner", [folder for folder in (run, *run.parents) if not folder.exists()]
    try:
        run.mkdir(parents=True, exist_ok=True)
        lock = FileLock(run / LOCK_FILE)
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
        if new and {path.name for path in run.iterdir()} <= {LOCK_FILE}:
            (run / LOCK_FILE).unlink(missing_ok=True)
            for folder in new:
                with suppress(OSError):  # Something else was put there meanwhile.
                    folder.rmdir()


def _refuse_outside_links(run: Path) -> None:
    """A run may come from a stranger: what is written into it is to stay in it. A link to the whole folder is fine."""
    home = os.path.realpath(run)
    for path in sorted(run.iterdir()) if os.path.isdir(run) else []:
        place = Path(os.path.realpath(path))
        if path.is_symlink() and not place.is_relative_to(home):
            raise UserError(f"{path} is a link that leads out of the run, to {place}; remove it first.")


def _owner(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:  # It has only just begun, or is about to end.
        return "unknown to us"
