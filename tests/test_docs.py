"""The documentation is true: its Python runs, its commands have the flags it gives them, its links lead somewhere."""

import functools
import importlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from jaxvae.__main__ import COMMANDS

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    + [page for page in (ROOT / "docs").rglob("*.md") if "generated" not in page.parts]
)
BLOCK = re.compile(r"(?:^<!-- not run: (?P<reason>.+) -->\n)?^```(?P<language>\w+)\n(?P<body>.*?)^```$", re.M | re.S)
# The first line of a block that is a part of a file: `# mine.py`, then `# mine.py, continued`.
FILE = re.compile(r"# (\w+\.py)(, continued)?\n")
LINK = re.compile(r"\[[^\]]*\]\((?!https?:)([^)\s#]+)(?:#[^)\s]*)?\)")

# Trainings in the documentation are long enough to be worth looking at; here they only have to run.
TRAINING = re.compile(r"steps=\d+, batch_size=\d+(, learning_rate=[\d.e-]+, warmup_steps=\d+)?")
BRIEFLY = (
    "steps=4, batch_size=8, warmup_steps=1, log_every=1, validate_every=4, picture_every=4, mixture_components=2, "
    "fitted_flow_steps=2"
)
FACES = {"train": 64, "validation": 16, "test": 24}


class Block(NamedTuple):
    language: str
    body: str
    reason: str | None


def blocks(page: Path) -> Iterator[Block]:
    for found in BLOCK.finditer(page.read_text()):
        yield Block(found["language"], found["body"], found["reason"])


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def python(page: Path) -> list[Block]:
    return [block for block in blocks(page) if block.language == "python"]


def files(page: Path) -> dict[str, str]:
    """The files that a page writes down in parts, by name."""
    parts: dict[str, str] = {}
    for block in python(page):
        if found := FILE.match(block.body):
            assert (found[1] in parts) == bool(found[2]), (
                f"{found[1]} in {page}: only its first part lacks `, continued`"
            )
            parts[found[1]] = parts.get(found[1], "") + "\n\n" + block.body
    return parts


def brief(code: str) -> str:
    code = TRAINING.sub(BRIEFLY, code)
    assert "TrainConfig(" not in code or BRIEFLY in code, "write TrainConfig(steps=N, batch_size=M, ...)"
    return code


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if python(page)], ids=name)
def test_every_python_block_runs(page, tmp_path, monkeypatch):
    from jaxvae.data.sources import avatars

    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(avatars, "COUNTS", FACES)
    for file, text in files(page).items():
        Path(file).write_text(brief(text))
        sys.modules.pop(Path(file).stem, None)
        importlib.invalidate_caches()
    names: dict[str, object] = {"__name__": "docs"}
    for number, block in enumerate(python(page)):
        if block.reason is None and not FILE.match(block.body):
            exec(compile(brief(block.body), f"{name(page)}, Python block {number}", "exec"), names)  # noqa: S102


class Line(NamedTuple):
    """A command as it is written on a page, without variables of the environment."""

    page: Path
    words: tuple[str, ...]


def lines() -> Iterator[Line]:
    for page in PAGES:
        for block in blocks(page):
            if block.language not in ("bash", "console") or block.reason:
                continue
            for text in block.body.replace("\\\n", " ").splitlines():
                if block.language == "console" and not text.startswith("$ "):
                    continue
                words = shlex.split(text.removeprefix("$ "), comments=True)
                while words and re.match(r"[A-Z_]+=", words[0]):
                    words.pop(0)
                if words:
                    yield Line(page, tuple(words))


def command(line: Line) -> tuple[str, ...] | None:
    """The command's name and its arguments, of `python -m jaxvae.NAME …` or `jaxvae NAME …`."""
    first, *rest = line.words
    if first == "python" and rest[:1] == ["-m"] and rest[1].startswith("jaxvae."):
        return (rest[1].removeprefix("jaxvae."), *rest[2:])
    return tuple(rest) if first == "jaxvae" else None


def context(words: tuple[str, ...]) -> tuple[str, ...]:
    """The arguments that decide which flags a command has: a subcommand, an experiment, the kinds in use."""
    kinds = ("--data.source", "--model", "--objective", "--model.prior", "--model.likelihood")
    chosen = [part for flag, value in pairwise(words) if flag in kinds for part in (flag, value)]
    takes_experiment = words[0] in ("train", "plan")
    leading = [
        word
        for word in words[1:2]
        if word in ("list", "add", "measure") or (takes_experiment and not word.startswith("-"))
    ]
    return (words[0], *leading, *chosen)


@functools.cache
def help_of(words: tuple[str, ...], folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "200", "NO_COLOR": "1"}
    run = subprocess.run(
        [sys.executable, "-m", f"jaxvae.{words[0]}", *words[1:], "--help-all"],
        cwd=folder, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, f"{' '.join(words)} --help-all: {run.stderr}"
    return run.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the experiments, and the files that pages write."""
    place = tmp_path_factory.mktemp("docs")
    (place / "experiments").symlink_to(ROOT / "experiments")
    for page in PAGES:
        for file, text in files(page).items():
            (place / file).write_text(text)
    return place


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if any(line.page == page for line in lines())], ids=name)
def test_every_flag_of_every_command_exists(page, folder):
    wrong = []
    for line in lines():
        if line.page == page and (words := command(line)):
            known = help_of(context(words), folder)
            flags = [word.partition("=")[0] for word in words if re.match(r"--[a-z]", word)]
            wrong += [
                f"{flag}: {' '.join(line.words)}"
                for flag in flags
                if not re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w.-])", known)
            ]
    assert not wrong, "\n".join(wrong)


def test_every_command_and_make_target_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    for line in lines():
        if words := command(line):
            assert words[0] in COMMANDS, line
        if line.words[0] == "make":
            assert {word for word in line.words[1:] if re.fullmatch(r"[a-z-]+", word)} <= targets, line
            for word in line.words[1:]:
                if word.startswith("DATASET="):
                    assert (ROOT / "experiments" / f"{word.partition('=')[2]}.py").exists(), line


def test_the_readme_lists_every_command():
    listed = re.findall(r"^\| `python -m jaxvae\.(\w+)", (ROOT / "README.md").read_text(), re.M)
    assert sorted(listed) == sorted(COMMANDS)


def test_the_readme_is_short_and_links_to_the_train_step():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 150
    assert "(src/jaxvae/training/step.py)" in text


def test_every_link_points_to_a_file():
    texts = {page: page.read_text() for page in [*PAGES, ROOT / "CHANGELOG.md", *(ROOT / "experiments").rglob("*.md")]}
    for page, text in texts.items():
        for target in LINK.findall(text):
            assert "generated/" in target or (page.parent / target).exists(), f"{target} in {page}"
