"""Command lines to calls, by tyro."""

import functools
import io
import re
import sys
from collections.abc import Callable, Collection, Sequence
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any, TypeVar

import tyro

from jaxvae.cli.help import HELP, Entry, format_help
from jaxvae.cli.outcome import told
from jaxvae.config.user_code import import_file
from jaxvae.errors import UserError
from jaxvae.system.compilation_cache import use_compilation_cache

Result = TypeVar("Result")

# Flags that other versions had, and what to write instead, by command.
FORMER = {
    "attribute": {"--to": "--images WHICH ...", "--run": "the run's folder as first argument, as in add RUN NAME"},
}

NAMED = (tyro.conf.PositionalMetavarFromFieldName,)


def parse(
    what: Callable[..., Result],
    name: str,
    arguments: Sequence[str],
    *,
    description: str | None = None,
    program: str | None = None,
    entries: Sequence[Entry] = (),
    rare: Collection[str] = (),
    **options: Any,
) -> Result:
    """Constructs a dataclass, or calls a cheap function, from command-line arguments; `--help` prints and exits.

    Args:
        what: the dataclass or function.
        name: the command, as its help text calls it.
        arguments: the words of the command line.
        description: begins the help text; by default the docstring.
        program: what starts it, for the help text; by default `python -m jaxvae.NAME`.
        entries: flags that are taken from the arguments before, for the help text.
        rare: flags that only `--help-all` shows.
        options: of `tyro.cli`.

    Raises:
        UserError: arguments are unknown or of the wrong type: what tyro says of them, on one line.
    """
    program = program or f"python -m jaxvae.{name}"
    if HELP.intersection(arguments):
        hidden = () if "--help-all" in arguments else rare
        print(format_help(what, program, arguments, description, entries, hidden, **options))
        sys.exit()
    for flag, now in FORMER.get(name, {}).items():
        if any(word == flag or word.startswith(f"{flag}=") for word in arguments):
            raise UserError(f"{flag} is not a flag of {name}; give {now}.")
    complaint = io.StringIO()
    try:
        with redirect_stderr(complaint):
            return tyro.cli(what, prog=program, args=list(arguments), config=NAMED, **options)
    except SystemExit as leaving:
        if not leaving.code:
            raise
        # tyro draws a box, in ASCII if necessary: a title, then parts separated by rules.
        text = re.sub(r"^[│╭╰|+]|[│╮╯|+]$", " ", complaint.getvalue(), flags=re.MULTILINE)
        _, *parts = re.split(r"[─-]{5,}", text)
        sentence = "; ".join(" ".join(part.split()) for part in parts if part.strip())
        sentence = re.sub(r"^Error parsing [\w.]+: |; For full helptext, see .*$", "", sentence)
        raise UserError(sentence) from leaving
    except AssertionError as error:  # From the argument of tyro's own --tyro-print-completion.
        raise UserError(" ".join(str(error).split())) from error


def run_command(
    function: Callable[..., None],
    name: str,
    start: Callable[[], None] = lambda: None,
    *,
    program: str | None = None,
) -> None:
    """Runs a command's function with its arguments from the command line.

    Args:
        function: takes the arguments.
        name: the command's name.
        start: is called once the arguments are parsed.
        program: as for `parse`.
    """

    @functools.wraps(function)
    def bound(*args: Any, **kwargs: Any) -> Callable[[], None]:
        return functools.partial(function, *args, **kwargs)

    def body() -> None:
        command = parse(bound, name, import_code(sys.argv[1:]), program=program)
        start()
        use_compilation_cache()
        command()

    told(body)


def import_code(arguments: Sequence[str]) -> list[str]:
    """Runs the files named by `--code FILE.py`, which define kinds of the user's own; returns the other arguments."""
    rest = list(arguments)
    while any(word == "--code" or word.startswith("--code=") for word in rest):
        path, rest = take_flag(rest, "code")
        import_file(Path(path or ""), "file of your own kinds")
    return rest


def take_flag(arguments: list[str], flag: str) -> tuple[str | None, list[str]]:
    """Returns the last value of `--flag VALUE` or `--flag=VALUE`, and the arguments without it."""
    value, rest, position = None, [], 0
    while position < len(arguments):
        word = arguments[position]
        if word == f"--{flag}":
            if position + 1 == len(arguments):
                raise UserError(f"--{flag} lacks its value.")
            value, position = arguments[position + 1], position + 2
        elif word.startswith(f"--{flag}="):
            value, position = word.partition("=")[2], position + 1
        else:
            rest.append(word)
            position += 1
    return value, rest
