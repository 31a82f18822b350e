"""A disk that fills up ends a run in a sentence."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jax

from jaxvae.errors import UserError
from jaxvae.runs import checkpoint


@contextmanager
def report_lost_process(run: Path) -> Iterator[None]:
    """Raises `UserError` where the block fails as it does once another process has ended: nothing waits for us then.

    JAX itself ends a process that waits for another without end, by default after some 100 seconds, with a trace.
    """
    try:
        yield
    except (jax.errors.JaxRuntimeError, TimeoutError) as error:
        if jax.process_count() == 1:
            raise
        said = next(iter(str(error).splitlines()), type(error).__name__)
        raise UserError(
            f"another of the {jax.process_count()} processes no longer answers ({said}). Start all of them again: the "
            f"run in {run} goes on from its last checkpoint."
        ) from error


# What the system says, in numbers or in words, and what that means.
DISK_ERRORS = {
    (errno.ENOSPC, "no space left"): "is full",
    (errno.EDQUOT, "quota exceeded"): "is full",
    (errno.EFBIG, "file too large"): "takes no file as large as was to be written (see also ulimit -f)",
}


@contextmanager
def report_disk_full(run: Path) -> Iterator[None]:
    """Raises `UserError` where the block ends with an error that says, itself or by its cause, that a disk is full."""
    try:
        yield
    except Exception as error:  # Orbax and TensorStore tell of the system's errors in kinds of their own.
        if (matter := _disk_error(error)) is None:
            raise
        kept = checkpoint.steps(run / "checkpoints")
        what = f"the checkpoint of step {kept[-1]} is whole" if kept else "there was no checkpoint yet"
        raise UserError(
            f"the disk that holds {run} {matter}; {what}. Make room, and the same command goes on from there."
        ) from error


def _disk_error(error: BaseException | None) -> str | None:
    while error is not None:
        text, number = str(error).lower(), error.errno if isinstance(error, OSError) else None
        for (code, words), meaning in DISK_ERRORS.items():
            if number == code or words in text:
                return meaning
        error = error.__cause__ or error.__context__
    return None
