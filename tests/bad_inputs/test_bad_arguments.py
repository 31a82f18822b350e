"""Any list of arguments is understood, or refused in one line."""

import contextlib
import functools
import io

import pytest
from corpus import quietly
from hypothesis import given
from hypothesis import strategies as st

import jaxvae.train
from jaxvae import Config
from jaxvae.cli import Output, parse, parse_with_experiment
from jaxvae.cli.config_flags import FAMILIES
from jaxvae.errors import UserError, printable
from jaxvae.evaluate import evaluate
from jaxvae.experiment import flatten, to_json
from jaxvae.interpolate import interpolate
from jaxvae.prepare import prepare
from jaxvae.reconstruct import reconstruct
from jaxvae.sample import sample
from jaxvae.system.files import file_stem

COMMANDS = {each.__name__: each for each in (prepare, sample, reconstruct, interpolate, evaluate)}
FLAGS = [
    *(f"--{name.replace('_', '-')}" for name in flatten(to_json(Config()))),
    *(f"--{family}" for family in FAMILIES),
    *("--data.name", "--data.raw"),
    *("--run", "--fresh", "--no-fresh", "--n", "--seed", "--from", "--to", "--steps", "--degree", "--gif", "--out"),
    *("--overwrite", "--json", "--raw", "--root", "--size", "--k", "--tyro-print-completion"),
]
VALUES = st.sampled_from(
    ["mlp", "conv", "vamp", "bernoulli", "iwae", "folder", "1", "0", "-1", "1e999", "nan", "None", "True", "", "--",
     "-", "cosine", "╭────╮", "-----", "a\nb", "\x1b[31m",
     "\udcff", "١", "1_0", "9" * 5000, "[red]", "{}", "%s", "=", "x=1", "@file", "$HOME"]
) | st.text(max_size=6)  # fmt: skip
ARGUMENTS = st.lists(
    st.sampled_from(FLAGS) | VALUES | st.builds("{}={}".format, st.sampled_from(FLAGS), VALUES), max_size=6
)


def understood(what, name, arguments, parse=parse, **options):
    """Whether the arguments are; what is refused is refused in one line."""
    told, code = None, None
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            parse(what, name, arguments, **options)
    except UserError as error:
        told = str(error)
    except SystemExit as leaving:
        code = leaving.code
        assert {"--help", "-h", "--tyro-print-completion"} & {each.split("=")[0] for each in arguments}
    assert not code
    assert told is None or (told.strip() and "\n" not in told and printable(told).isprintable())
    return told is None


def without_work(command):
    @functools.wraps(command)
    def bound(*args, **kwargs):
        return args, kwargs

    return bound


@pytest.mark.slow
@quietly(60)
@given(ARGUMENTS)
def test_any_arguments_of_train(arguments):
    understood(jaxvae.train.Arguments, "train", arguments, parse_with_experiment, description="")


@quietly(60)
@given(st.sampled_from(sorted(COMMANDS)), ARGUMENTS)
def test_any_arguments_of_the_other_commands(name, arguments):
    understood(without_work(COMMANDS[name]), name, arguments)


def test_valid_and_invalid_arguments_are_distinguished():
    assert understood(without_work(sample), "sample", ["run", "--n", "3"])
    for wrong in (["--n", "three"], ["--m", "3"], ["a", "b"], ["--n"], ["--prior", "a\nb"]):
        assert not understood(without_work(sample), "sample", wrong)
    train = functools.partial(understood, jaxvae.train.Arguments, "train", parse=parse_with_experiment, description="")
    assert train(["--model", "mlp", "--model.hidden", "3", "--objective=iwae", "--objective.samples", "2"])
    for wrong in (["--model", "mpl"], ["--model"], ["--model.hidden", "3"], ["--objective.samples", "2"]):
        assert not train(wrong)
    with pytest.raises(UserError, match="Shell should be one"):
        parse(without_work(sample), "sample", ["--tyro-print-completion", "abacus"])


@quietly(60)
@given(st.lists(st.text(max_size=200), min_size=1, max_size=4))
def test_every_request_has_a_file_name(names):
    stem = file_stem(names)
    assert len(stem.encode()) <= 90
    assert not set(stem) & set("/\0\n\x1b.")


@quietly(60)
@given(st.text())
def test_errors_are_one_line_with_all_details(text):
    line = printable(text)
    assert line.isprintable()
    assert text == line or not text.isprintable()


def test_a_report_prints_one_line_per_entry_whatever_the_names(capsys):
    Output().report(picture="a\nb", run="\x1b[31m\udcff", n=3)
    assert capsys.readouterr().out == "picture: a\\nb\nrun: \\x1b[31m\\udcff\nn: 3\n"
