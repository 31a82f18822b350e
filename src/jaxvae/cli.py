"""What every command shares: arguments through tyro, and a user's mistake told in one sentence."""

import logging
import sys
from collections.abc import Callable, Sequence
from typing import Any

import tyro

from jaxvae.errors import UserError

MISTAKE, INTERRUPTED = 2, 130


def run_command(function: Callable[..., None], name: str, arguments: Sequence[str] | None = None) -> None:
    """Runs a command's function with its arguments from the command line; exits 2 on a user's mistake."""
    told(lambda: tyro.cli(function, prog=f"python -m jaxvae.{name}", args=arguments))


def told(body: Callable[[], Any]) -> None:
    """Calls `body`; a `UserError` becomes its sentence and exit code 2, an interruption its message and 130."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("absl").setLevel(logging.ERROR)
    try:
        body()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(MISTAKE)
    except KeyboardInterrupt as interruption:
        print(f"interrupted: {interruption}" if str(interruption) else "interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
