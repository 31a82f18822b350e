"""A lock on the run folder: only one process may train a run at a time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from jaxvae.errors import UserError

LOCK_FILE = ".lock"
PARTS = {
    **dict.fromkeys(
        (LOCK_FILE, ".owner", "config.json", "config.json.partial", "metrics.jsonl", "metrics.jsonl.partial"), "file"
    ),
    **dict.fromkeys(("checkpoints", "samples", "tensorboard"), "folder"),
}


@contextmanager
def lock_run(run: Path) -> Iterator[None]:
    """Locks the run folder, creating it if necessary; the system releases the lock however the process ends.

    A folder that was created here and stayed empty is removed again.

    Raises:
        UserError: if another process holds the lock (names its process ID), or the folder is not writable.
    """
    check_folder(run)
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


def check_folder(run: Path) -> None:
    """Checks a run folder, which may come from a stranger, before anything is written into it.

    Raises:
        UserError: a symlink in it points outside, so that files there would be overwritten; or it holds something that
            is neither a file nor a folder, or a folder where a file belongs, or the reverse.
    """
    home = os.path.realpath(run)
    for folder, folders, files in os.walk(run):
        for name in sorted([*folders, *files]):
            path = Path(folder, name)
            target = Path(os.path.realpath(path))
            if path.is_symlink() and not target.is_relative_to(home):
                raise UserError(f"{path} is a symlink to {target}, outside of the run; remove it first.")
            if not (path.is_file() or path.is_dir() or path.is_symlink()):
                raise UserError(f"{path} is neither a file nor a folder; remove it first.")
    for name, expected in PARTS.items():
        path = run / name
        if os.path.lexists(path) and path.is_dir() != (expected == "folder"):
            raise UserError(f"{path} must be a {expected}, but is not; remove it first.")


def _owner(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:  # The process is just starting or about to exit.
        return "(ID unknown)"
