"""What all commands share: arguments (tyro), output files, and errors reported in one sentence."""

import functools
import io
import json
import logging
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import tyro

from jaxvae.config.kinds import Kind
from jaxvae.config.user_code import import_file
from jaxvae.data.sources.kinds import SourceConfig, source_named
from jaxvae.errors import UserError, printable
from jaxvae.experiment import Config
from jaxvae.likelihoods import LikelihoodConfig
from jaxvae.models import ModelConfig
from jaxvae.objectives import ObjectiveConfig
from jaxvae.priors import PriorConfig
from jaxvae.system.files import check_writable, own_file

LONGEST_DEFECT = 300  # Characters of an unexpected exception's message that are shown.

Result = TypeVar("Result")

MISTAKE, DEFECT, INTERRUPTED, READER_GONE = 2, 70, 130, 141


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
        if self.out is None:
            return own_file(default.parents[1], default)
        if self.out.suffix.lower() not in suffixes:
            raise UserError(f"--out is {self.out}, but must end in {' or '.join(suffixes)}.")
        self._refuse_existing(self.out)
        check_writable(self.out)
        return self.out

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


def check_count(flag: str, value: int | None, most: int, why: str, least: int = 1) -> None:
    """Raises UserError unless the count that a flag gives, if any, is between `least` and `most`."""
    if value is not None and value < least:
        raise UserError(f"{flag} is {value}, but must be at least {least}.")
    if value is not None and value > most:
        raise UserError(f"{flag} is {value}, but must be at most {most}: {why}.")


def check_seed(seed: int | None) -> None:
    """Raises UserError unless the seed, if any, is one that JAX and NumPy take."""
    if seed is not None and not 0 <= seed < 2**32:
        raise UserError(f"--seed is {seed}, but must be between 0 and 2**32 - 1.")


def parse(what: Callable[..., Result], name: str, arguments: Sequence[str], **options: Any) -> Result:
    """Constructs a dataclass, or calls a cheap function, from command-line arguments; `--help` prints and exits.

    Raises `UserError` for arguments that are unknown or of the wrong type: what tyro says of them, on one line.
    """
    complaint = io.StringIO()
    try:
        with redirect_stderr(complaint):
            return tyro.cli(what, prog=f"python -m jaxvae.{name}", args=list(arguments), **options)
    except SystemExit as leaving:
        if not leaving.code:
            print("--code FILE.py: a file that defines kinds of your own, for runs that use them.")
            raise
        # tyro draws a box, in ASCII if necessary: a title, then parts separated by rules.
        text = re.sub(r"^[│╭╰|+]|[│╮╯|+]$", " ", complaint.getvalue(), flags=re.MULTILINE)
        _, *parts = re.split(r"[─-]{5,}", text)
        sentence = "; ".join(" ".join(part.split()) for part in parts if part.strip())
        sentence = re.sub(r"^Error parsing [\w.]+: |; For full helptext, see .*$", "", sentence)
        raise UserError(sentence) from leaving
    except AssertionError as error:  # From the argument of tyro's own --tyro-print-completion.
        raise UserError(" ".join(str(error).split())) from error


def run_command(function: Callable[..., None], name: str, start: Callable[[], None] = lambda: None) -> None:
    """Runs a command's function with its arguments from the command line; `start` is called once they are parsed."""

    @functools.wraps(function)
    def bound(*args: Any, **kwargs: Any) -> Callable[[], None]:
        return functools.partial(function, *args, **kwargs)

    def body() -> None:
        command = parse(bound, name, import_code(sys.argv[1:]))
        start()
        command()

    told(body)


def told(body: Callable[[], Any]) -> None:
    """Calls `body`; a `UserError` prints its sentence and exits with code 2, an interrupt its message and 130.

    Any other exception is a defect of ours, or memory that ran out: one sentence and code 70. `--debug` shows where.
    """
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
        body()
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


Parsed = TypeVar("Parsed", bound=Any)


def parse_with_experiment(what: type[Parsed], name: str, arguments: Sequence[str], description: str) -> Parsed:
    """Returns the arguments of a command whose first may be an experiment file, which then sets the defaults.

    A flag such as `--objective iwae` chooses the kind of a part; the fields of the kinds in use are flags as well.
    """
    arguments = import_code(arguments)
    named = bool(arguments) and not arguments[0].startswith("-")
    config = read_experiment(Path(arguments[0])) if named else Config()
    config, rest = choose_kinds(config, arguments[1:] if named else arguments)
    return parse(
        what,
        f"{name} {arguments[0] if named else '[EXPERIMENT.py]'}",
        rest,
        description=f"{description}\n\n{describe_kinds(config)}",
        default=unchecked(what, config=config),
    )


# Where a config has parts of several kinds, outer ones first.
FAMILIES: dict[str, type[Kind]] = {
    "data.source": SourceConfig,
    "model": ModelConfig,
    "model.likelihood": LikelihoodConfig,
    "model.prior": PriorConfig,
    "objective": ObjectiveConfig,
}


def choose_kinds(config: Config, arguments: Sequence[str]) -> tuple[Config, list[str]]:
    """Returns the config with the kinds that flags such as `--model mlp` name, and the remaining arguments.

    Whether the parts go together is checked later, when all arguments are known. `--data.name NAME` and
    `--data.raw DIR` are short for a source, `--model.from RUN` is for `--model.start-from RUN`.

    Raises:
        UserError: there is no such kind, with the nearest name.
    """
    rest = list(arguments)
    other_run, rest = take_flag(rest, "model.from")
    rest = rest if other_run is None else [*rest, "--model.start-from", other_run]
    name, rest = take_flag(rest, "data.name")
    raw, rest = take_flag(rest, "data.raw")
    for family, base in FAMILIES.items():
        value, rest = take_flag(rest, family)
        if family == "data.source" and not (value is None and name is None and raw is None):
            named = next((each for each in (name, value) if each is not None), config.data.source.dataset_name())
            source = source_named(named, raw)
            config = _with_part(config, "data.source", source)
        elif value is not None:
            before = _part(config, family)
            kind = base.named(value, f"--{family}")
            if type(before) is not kind:
                config = _with_part(config, family, before.switched(kind))
    return config, rest


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


def _part(config: Any, path: str) -> Any:
    return functools.reduce(getattr, path.split("."), config)


def _with_part(part: Any, path: str, value: Any) -> Any:
    name, _, inner = path.partition(".")
    changed = _with_part(getattr(part, name), inner, value) if inner else value
    return unchecked(type(part), **{field.name: getattr(part, field.name) for field in fields(part)} | {name: changed})


def unchecked(kind: type[Parsed], **values: Any) -> Parsed:
    """Returns a config with these values and otherwise its defaults, without checking that they go together."""
    made = object.__new__(kind)
    for field in fields(kind):
        default = field.default if field.default_factory is MISSING else field.default_factory()
        object.__setattr__(made, field.name, values.get(field.name, default))
    return made


def describe_kinds(config: Config) -> str:
    """Returns which kinds are in use, and which others there are, a line per family."""
    lines = ["Parts that come in several kinds (--help lists the fields of those in use):"]
    for family, base in FAMILIES.items():
        used = _part(config, family).kind
        others = ", ".join(name for name in base.kinds if name != used)
        lines.append(f"--{family} {used}  (or {others})" if others else f"--{family} {used}")
    return "\n".join(lines)


def import_code(arguments: Sequence[str]) -> list[str]:
    """Runs the files named by `--code FILE.py`, which define kinds of the user's own; returns the other arguments."""
    rest = list(arguments)
    while any(word == "--code" or word.startswith("--code=") for word in rest):
        path, rest = take_flag(rest, "code")
        import_file(Path(path or ""), "file of your own kinds")
    return rest


def read_experiment(path: Path) -> Config:
    """Returns the `config` of an experiment file, which is Python that the user asks to run."""
    config = getattr(import_file(path, "experiment"), "config", None)
    if not isinstance(config, Config):
        raise UserError(f"{path} defines no config; an experiment file sets `config = Config(...)`.")
    return config
