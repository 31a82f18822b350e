"""The user's own Python files that fail, counts without bound, and defects of ours."""

import sys

import pytest
from corpus import sentence, untrained_run

from jaxvae.cli import run_command
from jaxvae.evaluate import evaluate
from jaxvae.explore import explore
from jaxvae.interpolate import interpolate
from jaxvae.map import draw_map
from jaxvae.neighbours import neighbours
from jaxvae.reconstruct import reconstruct
from jaxvae.sample import sample
from jaxvae.traverse import traverse

FAILURES = {
    "1 / 0": "ZeroDivisionError: division by zero",
    "{}['x']": "KeyError: 'x'",
    "def f():\n    f()\nf()": "RecursionError",
    "import sys\nsys.exit(3)": "SystemExit: 3",
    "raise Exception('a\\nb')": "Exception: a b",
    "class E(BaseException): pass\nraise OSError('gone')": "OSError: gone",
}


@pytest.fixture(scope="module")
def run(disc_set, tmp_path_factory):
    return untrained_run(tmp_path_factory.mktemp("runs") / "run", disc_set)


@pytest.mark.parametrize("code", FAILURES)
def test_failing_user_files_are_reported(call, run, tmp_path_factory, code):
    path = tmp_path_factory.mktemp("mine") / "mine.py"
    path.write_text(code)
    sentence(call("train", path), "mine.py cannot be read", FAILURES[code])
    sentence(call(sample, run, "--code", path), "mine.py cannot be read", FAILURES[code])
    sentence(call(evaluate, run, "--features", f"{path}:f"), "mine.py cannot be read", FAILURES[code])


@pytest.mark.parametrize("body", ["return 1 / 0", "import sys; sys.exit()", "return images['x']"])
def test_failing_feature_functions_are_reported(call, run, tmp_path_factory, body):
    path = tmp_path_factory.mktemp("mine") / "mine.py"
    path.write_text(f"def f(images):\n    {body}\n")
    sentence(
        call(evaluate, run, "--k", 1, "--n", 2, "--batch-size", 2, "--features", f"{path}:f"), "cannot be computed"
    )


COUNTS = [
    (sample, "--n"), (interpolate, "--steps"), (neighbours, "--n"), (neighbours, "--k"), (neighbours, "--compared"),
    (traverse, "--units"), (traverse, "--steps"), (reconstruct, "--n"), (draw_map, "--n"), (draw_map, "--steps"),
    (evaluate, "--k"), (evaluate, "--batch-size"), (explore, "--units"),
]  # fmt: skip


@pytest.mark.parametrize("value", [10**9 + 7, 2**31, 10**30, 0, -1])
@pytest.mark.parametrize(("command", "flag"), COUNTS)
def test_counts_are_bounded(call, command, flag, value):
    sentence(call(command, flag, value), f"{flag} is {value}, but must be at")


def test_a_sheet_too_large_to_open_is_refused_before_it_is_made(call, run):
    from jaxvae.rendering.grid import check_size

    check_size(100_000, 316, (16, 16, 3))
    with pytest.raises(ValueError, match="would have"):
        check_size(100_000, 316, (64, 64, 3))


@pytest.fixture
def broken(monkeypatch):
    def fail(*, error: str = "") -> None:
        raise {"memory": MemoryError("Unable to allocate 3 TiB"), "": KeyError("x\n\x1b[31m")}[error]

    monkeypatch.setattr(sys, "argv", ["command"])
    return fail


def test_a_bug_prints_one_sentence_and_exits_with_code_70(broken, capsys):
    with pytest.raises(SystemExit) as leaving:
        run_command(broken, "broken")
    err = capsys.readouterr().err
    assert leaving.value.code == 70
    assert len(err.splitlines()) == 1
    assert "internal error (KeyError" in err
    assert "--debug" in err
    assert "\x1b" not in err


def test_debug_shows_the_traceback(broken, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["command", "--debug"])
    with pytest.raises(KeyError):
        run_command(broken, "broken")
    assert sys.argv == ["command"]


def test_an_out_of_memory_error_names_what_was_too_large(broken, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["command", "--error", "memory"])
    with pytest.raises(SystemExit) as leaving:
        run_command(broken, "broken")
    assert leaving.value.code == 70
    assert "out of memory (MemoryError: Unable to allocate 3 TiB)" in capsys.readouterr().err
