"""Writes the reference of the commands: what each prints for `--help-all`, in the order of `python -m jaxvae`."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from generated import write_page
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

WIDTH = 80


def help_text(*command: str) -> str:
    """Returns what `python -m jaxvae.NAME … --help-all` prints.

    Raises:
        ExtensionError: the command fails.
    """
    source = Path(__file__).parents[2] / "src"
    environment = {**os.environ, "PYTHONPATH": str(source), "COLUMNS": str(WIDTH),
                   "PYTHONIOENCODING": "utf-8", "JAX_PLATFORMS": "cpu"}  # fmt: skip
    name, *rest = command
    run = subprocess.run(  # noqa: S603
        [sys.executable, "-m", f"jaxvae.{name}", *rest, "--help-all"],
        capture_output=True, text=True, encoding="utf-8", env=environment, check=False,
    )  # fmt: skip
    if run.returncode:
        raise ExtensionError(f"python -m jaxvae.{name} --help-all failed:\n{run.stderr}")
    return run.stdout.rstrip()


def subcommands(text: str) -> list[str]:
    """Returns the subcommands that a help text lists."""
    listed = re.search(r"^commands:\n((?: .*\n)+)", text, re.MULTILINE)
    return re.findall(r"^  (\w+)", listed[1], re.MULTILINE) if listed else []


def command_section(name: str, purpose: str) -> str:
    """Returns the section of one command."""
    text = help_text(name)
    blocks = [(f"python -m jaxvae.{name} --help-all", text)]
    blocks += [(f"python -m jaxvae.{name} {sub} --help-all", help_text(name, sub)) for sub in subcommands(text)]
    shown = "\n".join(f"```text\n$ {line}\n\n{text}\n```\n" for line, text in blocks)
    return f"## {name}\n\n{purpose[0].upper()}{purpose[1:]}.\n\n{shown}"


def write_commands(app: Sphinx) -> None:
    """Writes the page; two processes at a time, as each takes about a second."""
    from jaxvae.__main__ import COMMANDS

    with ThreadPoolExecutor(2) as pool:
        sections = list(pool.map(lambda item: command_section(*item), COMMANDS.items()))
    head = (
        "# Commands\n\n`python -m jaxvae.NAME` and `jaxvae NAME` are the same. What follows is the output of "
        "`--help-all`, taken when this site was built; `--help` of `train` and `plan` omits what is seldom set. "
        "Both list the fields of the kinds in use; name others to see theirs, as in "
        "`python -m jaxvae.train --objective iwae --help`. Every field is described in "
        "[](config.md).\n"
    )
    write_page(app, "commands.md", "\n".join([head, *sections]))


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers the extension."""
    app.connect("builder-inited", write_commands)
    return {"version": "1", "parallel_read_safe": True}
