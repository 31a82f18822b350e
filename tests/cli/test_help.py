"""Help texts read well: arguments have names, lines fit, and rare fields wait for `--help-all`."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pytest
import tyro

from jaxvae import DevicesConfig
from jaxvae.cli import parse
from jaxvae.cli.help import format_help
from jaxvae.experiment import Config, flatten, to_json
from jaxvae.train import parse_arguments


def walk(
    run: Annotated[Path | None, tyro.conf.Positional] = None,
    which: Annotated[tuple[str, ...], tyro.conf.Positional] = (),
    seed: int | None = None,
    size: tuple[float, float] | None = None,
    kind: Literal["a", "b"] | None = None,
    names: tuple[str, ...] = ("x", "y"),
    loop: bool = False,
    page: bool = True,
    out: Path | None = None,
) -> None:
    """Walks from here to there, past everything that stands on the way, and back again in the end.

    Examples: python -m jaxvae.walk runs/NAME test:0
    python -m jaxvae.walk runs/NAME test:0 --out a/very/long/path/to/a/file/of/images.png --seed 1234567890

    Args:
        run: The run's folder; defaults
            to the newest.
        which: The images.
        seed: A seed.
        size: Two numbers.
        kind: One of two.
        names: Some names.
        loop: Go back.
        page: Show the page.
        out: The file.
    """


@pytest.fixture
def text(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    return format_help(walk, "python -m jaxvae.walk", ["--help"])


def test_arguments_have_names_and_only_defaults_that_say_something(text):
    assert text.startswith("usage: python -m jaxvae.walk [RUN] [WHICH ...] [OPTIONS]\n\nWalks from here")
    for row in (
        "RUN                   The run's folder; defaults to the newest.", "WHICH ...             The images.",
        "--seed N              A seed.", "--size X X            Two numbers.", "--kind {a,b}          One of two.",
        "--names NAME ...      Some names. (default: x y)", "--loop                Go back.",
        "--page, --no-page     Show the page. (default: True)", "--out FILE            The file.",
    ):  # fmt: skip
        assert f"\n  {row}\n" in text


def test_lines_fit_and_examples_can_be_pasted(text, monkeypatch):
    assert max(map(len, text.splitlines())) <= 80
    examples = text[text.index("examples:") : text.index("arguments:")].replace(" \\\n", "")
    assert [" ".join(line.split()) for line in examples.splitlines()[1:3]] == [
        "python -m jaxvae.walk runs/NAME test:0",
        "python -m jaxvae.walk runs/NAME test:0 --out a/very/long/path/to/a/file/of/images.png --seed 1234567890",
    ]
    monkeypatch.setenv("COLUMNS", "300")
    assert max(map(len, format_help(walk, "x", []).splitlines())) <= 100


@dataclass(frozen=True)
class Go:
    """Goes far away.

    And further.
    """

    far: int = 3
    """How far."""

    def __call__(self) -> None:
        """Goes."""


@dataclass(frozen=True)
class Stay:
    """Stays here."""

    def __call__(self) -> None:
        """Stays."""


Do = Annotated[
    Annotated[Stay, tyro.conf.subcommand("stay")] | Annotated[Go, tyro.conf.subcommand("go")],
    tyro.conf.arg(name=""),
]


def move(do: Do = Stay()) -> None:
    """Moves."""
    do()


def test_subcommands_are_listed_and_have_their_own_help(capsys):
    for arguments, phrases in (
        (["--help"], ("usage: x COMMAND [OPTIONS]", "go                    Goes far away.\n", "Stays here. (default)")),
        (["go", "--help"], ("usage: x go [OPTIONS]", "And further.", "--far N               How far. (default: 3)")),
    ):
        with pytest.raises(SystemExit) as leaving:
            parse(move, "x", arguments)
        out = capsys.readouterr().out.replace("python -m jaxvae.", "")
        assert not leaving.value.code
        for phrase in phrases:
            assert phrase in out


def help_of_train(capsys, *arguments):
    with pytest.raises(SystemExit):
        parse_arguments([*arguments])
    return capsys.readouterr().out


def flags(text):
    return set(re.findall(r"^  (--[\w.-]+)", text, re.MULTILINE))


def test_help_all_shows_every_field_and_help_those_that_most_want(capsys):
    short, every = help_of_train(capsys, "--help"), help_of_train(capsys, "--help-all")
    names = [*flatten(to_json(Config())), *(f"devices.{name}" for name in DevicesConfig.__dataclass_fields__)]
    fields = {f"--{name.replace('_', '-').removesuffix('.kind')}" for name in names}
    assert fields <= flags(every)
    assert flags(short) < flags(every)
    assert {"--run", "--data.source", "--model.prior", "--train.steps", "--model.from"} <= flags(short)
    assert "--train.clip-norm" not in short
    assert f"{len(flags(every) - flags(short))} more fields" in short
    assert "more fields" not in every
    assert len(short.splitlines()) < 100


def test_help_shows_all_fields_of_a_kind_that_is_named(capsys):
    text = help_of_train(capsys, "--objective", "iwae", "--model.prior", "vamp", "--help")
    assert {"--objective.samples", "--model.prior.components"} <= flags(text)
    assert "(default: iwae)" in " ".join(text.split())  # Kinds of other tests make the lines before it longer.
