"""A disk that fills up ends a run in a sentence."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jaxvae import checkpoint
from jaxvae.errors import UserError

FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def disk_full_told(run: Path) -> Iterator[None]:
    """Raises `UserError` where the block ends with an error that says, itself or by its cause, that a disk is full."""
    try:
        yield
    except Exception as error:  # Orbax and TensorStore tell of the system's errors in kinds of their own.
        if not _says_full(error):
            raise
        kept = checkpoint.steps(run / "checkpoints")
        what = f"the checkpoint of step {kept[-1]} is whole" if kept else "there was no checkpoint yet"
        raise UserError(
            f"the disk that holds {run} is full; {what}. Make room, and the same command goes on from there."
        ) from error


def _says_full(error: BaseException | None) -> bool:
    while error is not None:
        text = str(error).lower()
        if (isinstance(error, OSError) and error.errno in FULL) or "no space left" in text or "quota exceeded" in text:
            return True
        error = error.__cause__ or error.__context__
    return False
