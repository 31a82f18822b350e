"""How a command ends: its exit code, and one sentence for what went wrong."""

import logging
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from jaxvae.cli.garbage import postpone_garbage_collection
from jaxvae.errors import UserError, printable

LONGEST_DEFECT = 300  # Characters of an unexpected exception's message that are shown.

MISTAKE, DEFECT, INTERRUPTED, READER_GONE = 2, 70, 130, 141


def told(body: Callable[[], Any]) -> None:
    """Calls `body`; a `UserError` prints its sentence and exits with code 2, an interrupt its message and 130.

    Any other exception is a defect of ours, or memory that ran out: one sentence and code 70. `--debug` shows where.
    """
    postpone_garbage_collection()
    debug = "--debug" in sys.argv[1:]
    sys.argv = [word for word in sys.argv if word != "--debug"]
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine("%(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("jaxvae").setLevel(logging.INFO)
    # Orbax logs pages of tracebacks, one per thread, before it raises an error.
    logging.getLogger("absl").setLevel(logging.CRITICAL)
    before = signal.signal(signal.SIGTERM, _interrupt)  # So that partial results are cleaned up.
    try:
        try:
            body()
        finally:
            sys.stdout.flush()  # Here, so that a reader that is gone is met below, and not by Python at exit.
    except UserError as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        sys.exit(MISTAKE)
    except KeyboardInterrupt as interruption:
        print(f"interrupted: {printable(str(interruption))}" if str(interruption) else "interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # The reader of the output is gone, as with `| head`; keep Python from meeting the closed pipe again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(READER_GONE)
    except Exception as error:
        if debug:
            raise
        print(f"error: {printable(_describe_defect(error))}", file=sys.stderr)
        sys.exit(DEFECT)
    finally:
        signal.signal(signal.SIGTERM, before)


def _describe_defect(error: Exception) -> str:
    what = " ".join(str(error).split())
    what = f"{type(error).__name__}: {what[:LONGEST_DEFECT]}" if what else type(error).__name__
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in what:
        return f"out of memory ({what}); use fewer or smaller images, a smaller batch or a smaller model."
    return f"internal error ({what}); please report it with the output of the same command and --debug."


class _OneLine(logging.Formatter):
    """Escapes control characters in our own warnings, which name files; those of other packages keep their lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        message = super().formatMessage(record)
        return printable(message) if record.name == "jaxvae" else message


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
