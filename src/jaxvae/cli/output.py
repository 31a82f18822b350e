"""Results: the file that a command writes, and the lines or the JSON that it prints."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxvae.errors import UserError, printable
from jaxvae.system.files import check_writable, own_file


@dataclass(frozen=True)
class Output:
    """Where the result goes and how it is printed."""

    out: Path | None = None
    """File to write; by default a PNG in the run's samples folder, named after the arguments."""
    overwrite: bool = False
    """Replace the file that --out names."""
    json: bool = False
    """Print the result as one line of JSON."""

    def place(self, default: Path, suffixes: Sequence[str] = (".png",)) -> Path:
        """Returns the file to write, by default one in a folder of the run.

        Raises:
            UserError: it ends in none of the suffixes, exists, or cannot be written.
        """
        self.check(suffixes)
        return own_file(default.parents[1], default) if self.out is None else self.out

    def check(self, suffixes: Sequence[str] = (".png",), beside: Sequence[str] = ()) -> None:
        """Refuses what --out cannot be, before the model is opened.

        Args:
            suffixes: those of which it must have one.
            beside: suffixes of further files next to it.

        Raises:
            UserError: it ends in none of the suffixes, exists, or cannot be written.
        """
        if self.out is None:
            return
        if self.out.suffix.lower() not in suffixes:
            raise UserError(f"--out is {self.out}, but must end in {' or '.join(suffixes)}.")
        self._refuse_existing(self.out)
        check_writable(self.out)
        for suffix in beside:
            self.place_beside(self.out, suffix)

    def place_beside(self, target: Path, suffix: str) -> Path:
        """Returns a second file next to the first, under the same rule."""
        second = target.with_suffix(suffix)
        if self.out is not None:
            self._refuse_existing(second)
        return second

    def _refuse_existing(self, path: Path) -> None:
        if os.path.lexists(path) and not self.overwrite:
            raise UserError(f"{path} exists; use another --out, or --overwrite to replace it.")

    def report(self, **result: Any) -> None:
        """Prints the result, one value per line or as JSON."""
        report(self.json, **result)


def report(as_json: bool, **result: Any) -> None:
    """Prints a result: one line per value that is not a list, or everything as one line of JSON."""
    if as_json:
        print(json.dumps(result, default=str))
        return
    say(*(f"{name}: {value}" for name, value in result.items() if not isinstance(value, list)))


def say(*lines: str) -> None:
    """Prints lines; control characters in file names are escaped."""
    print("\n".join(map(printable, lines)), flush=True)
