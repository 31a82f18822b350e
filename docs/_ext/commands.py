"""Writes the reference of the commands: what each prints for `--help`, in the order of `python -m jaxvae`."""

import os
import re
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from generated import write_page
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

WIDTH = 80


def help_text(*command: str) -> str:
    """Returns what `python -m jaxvae.NAME … --help` prints, with lines wrapped.

    Raises:
        ExtensionError: the command fails.
    """
    source = Path(__file__).parents[2] / "src"
    environment = {**os.environ, "PYTHONPATH": str(source), "COLUMNS": str(WIDTH + 2), "NO_COLOR": "1",
                   "PYTHONIOENCODING": "utf-8", "JAX_PLATFORMS": "cpu"}  # fmt: skip
    name, *rest = command
    run = subprocess.run(  # noqa: S603
        [sys.executable, "-m", f"jaxvae.{name}", *rest, "--help"],
        capture_output=True, text=True, encoding="utf-8", env=environment, check=False,
    )  # fmt: skip
    if run.returncode:
        raise ExtensionError(f"python -m jaxvae.{name} --help failed:\n{run.stderr}")
    return "\n".join(wrapped for line in run.stdout.rstrip().splitlines() for wrapped in _wrap(line))


def _wrap(line: str) -> list[str]:
    return [line.rstrip()] if len(line) <= WIDTH + 4 else textwrap.wrap(line, WIDTH)


def subcommands(text: str) -> list[str]:
    """Returns the subcommands that a help text lists, as in `{list,add,measure}`."""
    usage = re.search(r"^usage:.*?\[\{([a-z,]+)\}\]$", text, re.MULTILINE)
    return usage[1].split(",") if usage else []


def command_section(name: str, purpose: str) -> str:
    """Returns the section of one command."""
    text = help_text(name)
    blocks = [(f"python -m jaxvae.{name} --help", text)]
    blocks += [(f"python -m jaxvae.{name} {sub} --help", help_text(name, sub)) for sub in subcommands(text)]
    shown = "\n".join(f"```text\n$ {line}\n\n{text}\n```\n" for line, text in blocks)
    return f"## {name}\n\n{purpose[0].upper()}{purpose[1:]}.\n\n{shown}"


def write_commands(app: Sphinx) -> None:
    """Writes the page; two processes at a time, as each takes about a second."""
    from jaxvae.__main__ import COMMANDS

    with ThreadPoolExecutor(2) as pool:
        sections = list(pool.map(lambda item: command_section(*item), COMMANDS.items()))
    head = (
        "# Commands\n\n`python -m jaxvae.NAME` and `jaxvae NAME` are the same. What follows is the output of `--help`, "
        "taken when this site was built. `train` and `plan` list the fields of the kinds in use; name others to see "
        "theirs, as in `python -m jaxvae.train --objective iwae --help`. Every field is described in "
        "[](config.md).\n"
    )
    write_page(app, "commands.md", "\n".join([head, *sections]))


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers the extension."""
    app.connect("builder-inited", write_commands)
    return {"version": "1", "parallel_read_safe": True}
