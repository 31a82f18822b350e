"""The help text of a command: what tyro knows of its arguments, laid out for reading.

tyro draws boxes around `[{None}|PATH]` and `(default: None)`. Here arguments have names, paragraphs are wrapped, and
the commands of examples stand on lines of their own.
"""

import inspect
import re
import shutil
import textwrap
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, NamedTuple

from tyro import _strings
from tyro._arguments import ArgumentDefinition, generate_argument_helptext
from tyro._parsers import ParserSpecification, SubparsersSpecification
from tyro._singleton import MISSING_NONPROP, is_missing

HELP = {"-h", "--help", "--help-all"}
MAX_WIDTH = 100  # Longer lines are hard to read.
FLAG_WIDTH = 22  # Of the column of flags; a longer flag has its line to itself.
NOT_SHOWN = {"None", "''", "", "False"}  # Defaults that say nothing beyond the text.

# What an argument is called: by its name, or else by its type.
NAMES = {
    "run": "RUN", "start-from": "RUN", "codes": "CODES", "data": "FOLDER", "root": "FOLDER", "folder": "FOLDER",
    "raw": "FOLDER", "walk-from": "WHICH", "walk-to": "WHICH", "coordinator": "HOST:PORT", "attributes": "FILE",
}  # fmt: skip
TYPES = {"PATH": "FILE", "STR": "NAME", "INT": "N", "FLOAT": "X"}


class Entry(NamedTuple):
    """A flag or argument, and its explanation, in a group such as "train"; that of the command itself is ""."""

    group: str
    invocation: str
    text: str


CLOSING = [
    Entry("", "--code FILE.py", "Define kinds of your own, for runs that use them."),
    Entry("", "--debug", "Show the trace of an internal error."),
    Entry("", "-h, --help", "Show this."),
]


def format_help(
    what: Callable[..., Any],
    name: str,
    arguments: Sequence[str],
    description: str | None = None,
    entries: Sequence[Entry] = (),
    rare: Collection[str] = (),
    default: Any = None,
) -> str:
    """Returns the help text of a command, or of its subcommand that the arguments name.

    Args:
        what: the dataclass or function that tyro constructs or calls.
        name: how the command is called.
        arguments: the words of the command line.
        description: begins the text; by default the docstring.
        entries: further flags.
        rare: flags to omit.
        default: an instance of `what` with the defaults.
    """
    width = min(shutil.get_terminal_size().columns, MAX_WIDTH)
    specification = _specification(what, default)
    choice = next(iter(specification.subparsers_from_intern_prefix.values()), None)
    sub = next((word for word in arguments if choice and word in choice.parser_from_name), None)
    if choice and sub:
        specification, name, choice = choice.parser_from_name[sub].evaluate(), f"{name} {sub}", None
    every = [
        _Argument.read(each.arg) for each in specification.get_args_including_children() if not each.arg.is_suppressed()
    ]
    shown = [each.entry for each in every if each.flag not in rare]
    positional = [entry for entry in shown if not entry.invocation.startswith("-")]
    flags = [entry for entry in [*entries, *shown] if entry not in positional]
    usage = [f"usage: {name}", *(each.usage for each in every if each.entry in positional)]
    parts = [" ".join([*usage, *(["COMMAND"] if choice else []), "[OPTIONS]"])]
    parts += _paragraphs(description or inspect.getdoc(specification.f) or "", width)
    if choice:
        parts.append("\n".join(["commands:", *_rows(_commands(choice), width)]))
    if positional:
        parts.append("\n".join(["arguments:", *_rows(positional, width)]))
    groups = dict.fromkeys(["", *(entry.group for entry in flags)])
    for group in groups:
        inside = [entry for entry in flags if entry.group == group] + (CLOSING if not group else [])
        parts.append("\n".join([f"{group} options:".lstrip(), *_rows(inside, width)]))
    if hidden := len(every) + len(entries) - len(positional) - len(flags):
        parts.append(f"{hidden} more fields, which are seldom set: --help-all")
    return "\n\n".join(parts)


def _specification(what: Callable[..., Any], default: Any) -> ParserSpecification:
    with _strings.delimiter_context("-"):
        return ParserSpecification.from_callable_or_type(
            what, markers=set(), description=None, parent_classes=set(), intern_prefix="", extern_prefix="",
            default_instance=MISSING_NONPROP if default is None else default, subcommand_prefix="",
            support_single_arg_types=False, prog_suffix="",
        )  # fmt: skip


class _Argument(NamedTuple):
    flag: str
    usage: str
    entry: Entry

    @classmethod
    def read(cls, argument: ArgumentDefinition) -> "_Argument":
        """Reads what tyro knows of an argument."""
        lowered = argument.lowered
        text = " ".join(generate_argument_helptext(argument, lowered).as_str_no_ansi().split())
        text, default = re.fullmatch(r"(.*?)(?: ?\((?:default: (.*)|required)\))?", text).groups()  # type: ignore[union-attr]
        if default is not None and default.strip() not in NOT_SHOWN:
            text = f"{text} (default: {default})"
        if argument.is_positional():
            name = _metavar(argument, argument.field.extern_name)
            required = lowered.required or is_missing(argument.field.default)
            usage = name if required or name.startswith("[") else f"[{name}]"
            return cls(name, usage, Entry("", name.replace("[", "").replace("]", ""), text))
        flag = lowered.name_or_flags[-1]  # Those before it are other spellings.
        parts = flag.removeprefix("--").split(".")
        if lowered.action == "boolean_optional_action":
            inverse = f"--{'.'.join([*parts[:-1], f'no-{parts[-1]}'])}"
            invocation = f"{flag}, {inverse}" if argument.field.default else flag
        else:
            invocation = f"{flag} {_metavar(argument, parts[-1])}"
        return cls(flag, invocation, Entry(parts[0] if len(parts) > 1 else "", invocation, text))


def _metavar(argument: ArgumentDefinition, name: str) -> str:
    """Returns what the argument is called: as annotated, by its name, or by its type, without what stands for None."""
    made = argument.lowered.metavar or ""
    if argument.field.argconf.metavar is not None:
        return made
    if argument.is_positional():
        return f"{name.upper()} ..." if argument.lowered.nargs == "*" else name.upper()
    if name in NAMES and argument.lowered.nargs != "*":
        return NAMES[name]
    made = re.sub(r"\{None\}\||(?<=\{)None,", "", made)
    made = re.sub(r"\[(\w+) \[\1 \.\.\.\]\]", r"\1 ...", made)
    made = re.sub(r"^\{([A-Z ]+)\}$", r"\1", made)
    return re.sub(r"\b[A-Z]+\b", lambda match: TYPES.get(match[0], match[0]), made)


def _commands(choice: SubparsersSpecification) -> list[Entry]:
    """Returns the subcommands, with the first sentence about each."""

    def summary(name: str, described: str) -> str:
        first = " ".join(described.split("\n\n")[0].split())
        return f"{first} (default)" if name == choice.default_name else first

    return [Entry("", name, summary(name, each.description)) for name, each in choice.parser_from_name.items()]


def _rows(entries: Sequence[Entry], width: int) -> Iterator[str]:
    """Yields the lines of flags and their texts, in two columns."""
    indent = " " * (FLAG_WIDTH + 2)
    for _, invocation, text in entries:
        words = textwrap.wrap(text, width - len(indent), break_long_words=False, break_on_hyphens=False) or [""]
        head = textwrap.wrap(invocation, width - 2, subsequent_indent="    ", break_long_words=False)
        if len(invocation) > FLAG_WIDTH - 2:
            yield from (f"  {line}" for line in head)
        else:
            yield f"  {invocation:<{FLAG_WIDTH}}{words.pop(0)}".rstrip()
        yield from (f"{indent}{line}" for line in words)


def _paragraphs(text: str, width: int) -> list[str]:
    """Returns the paragraphs of a docstring before its sections, wrapped; each command of an example on its line."""
    paragraphs = re.split(r"^(?:Args|Returns|Raises):$", text, flags=re.MULTILINE)[0].strip().split("\n\n")
    return [_paragraph(" ".join(paragraph.split()), width) for paragraph in paragraphs if paragraph]


def _paragraph(text: str, width: int) -> str:
    if not re.match(r"Examples?: ", text):
        return textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)
    commands = re.split(r" (?=python -m )", text)[1:]
    return "\n".join(["examples:" if len(commands) > 1 else "example:", *(_broken(each, width) for each in commands)])


def _broken(command: str, width: int) -> str:
    """Returns a command on lines that can be pasted, broken before a flag where it is too long."""
    lines = [""]
    for part in re.split(r" (?=--)", command):
        if lines[-1] and len(lines[-1]) + len(part) > width - 8:
            lines.append("")
        lines[-1] += f" {part}" if lines[-1] else part
    return "  " + " \\\n      ".join(lines)
