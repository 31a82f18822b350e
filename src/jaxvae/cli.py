"""What every command shares: arguments through tyro, where results go, and a mistake told in one sentence."""

import json
import logging
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from jaxvae.errors import UserError

MISTAKE, INTERRUPTED = 2, 130


@dataclass(frozen=True)
class Output:
    """Where the result goes and how it is told."""

    out: Path | None = None
    """PNG file to write; without it one in the run's samples folder, named after what was asked."""
    overwrite: bool = False
    """Replace the file that --out names."""
    json: bool = False
    """Print the result as one line of JSON."""

    def place(self, default: Path) -> Path:
        """The file to write; `UserError` if --out is no PNG, or exists and may not be replaced."""
        if self.out is None:
            return default
        if self.out.suffix.lower() != ".png":
            raise UserError(f"--out is {self.out}, but must end in .png.")
        self._refuse_existing(self.out)
        return self.out

    def place_beside(self, target: Path, suffix: str) -> Path:
        """A second file beside the first, under the same rule."""
        second = target.with_suffix(suffix)
        if self.out is not None:
            self._refuse_existing(second)
        return second

    def _refuse_existing(self, path: Path) -> None:
        if path.exists() and not self.overwrite:
            raise UserError(f"{path} exists; give another --out, or --overwrite to replace it.")

    def report(self, **result: Any) -> None:
        """Prints the result: a line per value, or JSON."""
        if self.json:
            print(json.dumps(result, default=str))
            return
        for name, value in result.items():
            if not isinstance(value, list):
                print(f"{name}: {value}")


def file_stem(names: Sequence[str]) -> str:
    """What was asked for, as part of a file name: `test:12` and `me.jpg` become `test-12-me`."""
    return "-".join(re.sub(r"[^\w=]+", "-", Path(name).stem if Path(name).exists() else name) for name in names)


def run_command(function: Callable[..., None], name: str) -> None:
    """Runs a command's function with its arguments from the command line."""
    told(lambda: tyro.cli(function, prog=f"python -m jaxvae.{name}"))


def told(body: Callable[[], Any]) -> None:
    """Calls `body`; a `UserError` becomes its sentence and exit code 2, an interruption its message and 130."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("jaxvae").setLevel(logging.INFO)
    logging.getLogger("absl").setLevel(logging.ERROR)
    try:
        body()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(MISTAKE)
    except KeyboardInterrupt as interruption:
        print(f"interrupted: {interruption}" if str(interruption) else "interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
