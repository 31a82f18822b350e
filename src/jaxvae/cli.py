"""What every command shares: arguments through tyro, where results go, and a mistake told in one sentence."""

import functools
import io
import json
import logging
import os
import re
import runpy
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import tyro

from jaxvae.config import Config
from jaxvae.errors import UserError, printable, suggest
from jaxvae.system.files import check_writable, require_inside

Result = TypeVar("Result")

MISTAKE, INTERRUPTED, READER_GONE = 2, 130, 141


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
        """The file to write, `default` being in a folder of the run; `UserError` where it may not be written."""
        if self.out is None:
            return require_inside(default.parents[1], default)
        if self.out.suffix.lower() != ".png":
            raise UserError(f"--out is {self.out}, but must end in .png.")
        self._refuse_existing(self.out)
        check_writable(self.out)
        return self.out

    def place_beside(self, target: Path, suffix: str) -> Path:
        """A second file beside the first, under the same rule."""
        second = target.with_suffix(suffix)
        if self.out is not None:
            self._refuse_existing(second)
        return second

    def _refuse_existing(self, path: Path) -> None:
        if os.path.lexists(path) and not self.overwrite:
            raise UserError(f"{path} exists; give another --out, or --overwrite to replace it.")

    def report(self, **result: Any) -> None:
        """Prints the result: a line per value, or JSON."""
        report(self.json, **result)


def report(as_json: bool, **result: Any) -> None:
    """Prints a result: a line per value that is no list, or all of it as one line of JSON."""
    if as_json:
        print(json.dumps(result, default=str))
        return
    say(*(f"{name}: {value}" for name, value in result.items() if not isinstance(value, list)))


def say(*lines: str) -> None:
    """Prints lines, in which the names of files may hold anything."""
    print("\n".join(map(printable, lines)), flush=True)


def parse(what: Callable[..., Result], name: str, arguments: Sequence[str], **options: Any) -> Result:
    """Makes a dataclass, or calls a quick function, from command-line arguments; `--help` prints and exits.

    Raises `UserError` for arguments that are unknown or of the wrong type: what tyro says of them, on one line.
    """
    complaint = io.StringIO()
    try:
        with redirect_stderr(complaint):
            return tyro.cli(what, prog=f"python -m jaxvae.{name}", args=list(arguments), **options)
    except SystemExit as leaving:
        if not leaving.code:
            raise
        # tyro draws a box, in ASCII where need be: a title, then parts with rules between them.
        text = re.sub(r"^[│╭╰|+]|[│╮╯|+]$", " ", complaint.getvalue(), flags=re.MULTILINE)
        _, *parts = re.split(r"[─-]{5,}", text)
        raise UserError("; ".join(" ".join(part.split()) for part in parts if part.strip())) from leaving
    except AssertionError as error:  # tyro's word on the argument of its own --tyro-print-completion.
        raise UserError(" ".join(str(error).split())) from error


def run_command(function: Callable[..., None], name: str) -> None:
    """Runs a command's function with its arguments from the command line."""

    @functools.wraps(function)
    def bound(*args: Any, **kwargs: Any) -> Callable[[], None]:
        return functools.partial(function, *args, **kwargs)

    told(lambda: parse(bound, name, sys.argv[1:])())


def told(body: Callable[[], Any]) -> None:
    """Calls `body`; a `UserError` becomes its sentence and exit code 2, an interruption its message and 130."""
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine("%(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("jaxvae").setLevel(logging.INFO)
    # Orbax writes pages of traces about an error, once for each of its threads, and then raises it.
    logging.getLogger("absl").setLevel(logging.CRITICAL)
    before = signal.signal(signal.SIGTERM, _interrupt)  # So that what is half done is cleaned up.
    try:
        body()
    except UserError as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        sys.exit(MISTAKE)
    except KeyboardInterrupt as interruption:
        print(f"interrupted: {printable(str(interruption))}" if str(interruption) else "interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # Whoever read the output has gone, as `| head` does; Python must not meet the closed pipe again at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(READER_GONE)
    finally:
        signal.signal(signal.SIGTERM, before)


class _OneLine(logging.Formatter):
    """Warnings of ours name files; those of other packages may have lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        message = super().formatMessage(record)
        return printable(message) if record.name == "jaxvae" else message


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


Parsed = TypeVar("Parsed", bound=Any)


def parse_with_experiment(what: type[Parsed], name: str, arguments: Sequence[str], description: str) -> Parsed:
    """The arguments of a command whose first may be an experiment file, which the defaults then come from."""
    named = bool(arguments) and not arguments[0].startswith("-")
    return parse(
        what,
        f"{name} {arguments[0] if named else '[EXPERIMENT.py]'}",
        arguments[1:] if named else arguments,
        description=description,
        default=what(config=read_experiment(Path(arguments[0])) if named else Config()),
    )


def read_experiment(path: Path) -> Config:
    """The `config` of an experiment file, which is Python that the user asks to run."""
    if not os.path.isfile(path):  # Also of names too long to be one.
        folders = [folder for folder in (path.parent, Path("experiments")) if os.path.isdir(folder)]
        others = sorted({str(each) for folder in folders for each in folder.glob("*.py")})
        raise UserError(f"there is no experiment {path}: {suggest(str(path), others)}")
    try:
        config = runpy.run_path(str(path)).get("config")
    except UserError:
        raise
    except (SyntaxError, NameError, TypeError, ValueError, AttributeError, ImportError) as error:
        raise UserError(f"the experiment {path} cannot be read: {type(error).__name__}: {error}.") from error
    if not isinstance(config, Config):
        raise UserError(f"{path} defines no config; an experiment file sets `config = Config(...)`.")
    return config
