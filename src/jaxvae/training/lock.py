"""A lock on the run folder: only one process may train a run at a time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from jaxvae.errors import UserError

LOCK_FILE = ".lock"


@contextmanager
def lock_run(run: Path) -> Iterator[None]:
    """Locks the run folder, creating it if necessary; the system releases the lock however the process ends.

    A folder that was created here and stayed empty is removed again.

    Raises:
        UserError: if another process holds the lock (names its process ID), or the folder is not writable.
    """
    _refuse_outside_links(run)
    owner, new = run / ".owner", [folder for folder in (run, *run.parents) if not folder.exists()]
    try:
        run.mkdir(parents=True, exist_ok=True)
        lock = FileLock(run / LOCK_FILE)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise UserError(
            f"{run} is being trained by process {_owner(owner)}; wait for it to finish, stop it, or start a separate "
            "run with --fresh."
        ) from error
    except OSError as error:
        raise UserError(
            f"the run folder {run} cannot be written to ({error.strerror}); choose another with --run."
        ) from error
    try:
        owner.write_text(f"{os.getpid()}\n")
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock.release()
        if new and {path.name for path in run.iterdir()} <= {LOCK_FILE}:
            (run / LOCK_FILE).unlink(missing_ok=True)
            for folder in new:
                with suppress(OSError):  # Something else was written there in the meantime.
                    folder.rmdir()


def _refuse_outside_links(run: Path) -> None:
    """Raises UserError if a symlink in an untrusted run points outside of it; the run itself may be a symlink."""
    home = os.path.realpath(run)
    for path in sorted(run.iterdir()) if os.path.isdir(run) else []:
        target = Path(os.path.realpath(path))
        if path.is_symlink() and not target.is_relative_to(home):
            raise UserError(f"{path} is a symlink to {target}, outside of the run; remove it first.")


def _owner(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:  # The process is just starting or about to exit.
        return "(ID unknown)"
