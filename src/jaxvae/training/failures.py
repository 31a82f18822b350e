"""Turns a full disk and a lost process into one-line errors."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jax

from jaxvae.errors import UserError
from jaxvae.runs import checkpoint

# (errno, words of the message) of system errors, and what to report.
DISK_ERRORS = {
    (errno.ENOSPC, "no space left"): "the disk is full",
    (errno.EDQUOT, "quota exceeded"): "the disk quota is full",
    (errno.EFBIG, "file too large"): "the file would exceed the size limit (see also ulimit -f)",
}


@contextmanager
def report_lost_process(run: Path) -> Iterator[None]:
    """Raises UserError if the block fails because another process died.

    JAX itself ends a process that waits for a dead one, with a traceback, by default after about 100 seconds.
    """
    try:
        yield
    except (jax.errors.JaxRuntimeError, TimeoutError) as error:
        if jax.process_count() == 1:
            raise
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise UserError(
            f"another of the {jax.process_count()} processes no longer responds ({reason}). Restart all of them: the "
            f"run in {run} continues from its last checkpoint."
        ) from error


@contextmanager
def report_disk_full(run: Path) -> Iterator[None]:
    """Raises UserError if the block fails, directly or through a chained exception, because the disk is full."""
    try:
        yield
    except Exception as error:  # Orbax and TensorStore wrap system errors in exceptions of their own.
        if (problem := _disk_error(error)) is None:
            raise
        kept = checkpoint.steps(run / "checkpoints")
        progress = f"the checkpoint of step {kept[-1]} is intact" if kept else "there is no checkpoint yet"
        raise UserError(
            f"cannot write to {run}: {problem}; {progress}. Free some space, then rerun the same command to continue."
        ) from error


def _disk_error(error: BaseException | None) -> str | None:
    while error is not None:
        text, number = str(error).lower(), error.errno if isinstance(error, OSError) else None
        for (code, words), meaning in DISK_ERRORS.items():
            if number == code or words in text:
                return meaning
        error = error.__cause__ or error.__context__
    return None
