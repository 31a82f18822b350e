"""Mistakes that need no model are reported before JAX is imported, which takes most of a second."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

# Runs one command line after the other in one process and reports, for each, what it ended with and whether JAX came.
SCRIPT = """
import contextlib, io, json, runpy, sys
ended = []
for name, *arguments in json.loads(sys.argv[1]):
    sys.argv = [name, *arguments]
    complaint, code = io.StringIO(), None
    with contextlib.redirect_stderr(complaint), contextlib.redirect_stdout(io.StringIO()):
        try:
            runpy.run_module(f"jaxvae.{name}", run_name="__main__", alter_sys=True)
        except SystemExit as leaving:
            code = leaving.code or 0
    ended.append([code, complaint.getvalue(), sorted({"jax", "orbax", "flax"}.intersection(sys.modules))])
print(json.dumps(ended))
"""

WITH_RUN = ("evaluate", "reconstruct", "sample", "interpolate", "traverse", "encode", "map", "neighbours", "explore")
TO_PNG = ("reconstruct", "sample", "interpolate", "traverse", "map", "neighbours")
EVERY = (*WITH_RUN, "attribute", "compare", "decode", "plan", "prepare", "push", "selftest", "train")


def run_all(folder: Path, *lines: tuple[str, ...]) -> list[tuple[int, str]]:
    """Runs command lines; fails if one of them imported JAX, Flax or Orbax."""
    # glibc's tunables are set, so that no command starts the process again.
    environment = os.environ | {"GLIBC_TUNABLES": ""}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(lines)], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    ended = json.loads(done.stdout)
    for line, (_, _, imported) in zip(lines, ended, strict=True):
        assert imported == [], line
    return [(code, text) for code, text, _ in ended]


def test_help_and_unknown_flags_need_no_jax(tmp_path):
    ended = run_all(tmp_path, *((name, flag) for name in EVERY for flag in ("--help", "--nope")))
    assert [code for code, _ in ended] == [0, 2] * len(EVERY)


def test_wrong_values_need_no_jax(tmp_path):
    values = {
        "evaluate": ("--k", "0"), "reconstruct": ("--n", "0"), "sample": ("--n", "0"), "interpolate": ("--steps", "1"),
        "traverse": ("--steps", "1"), "map": ("--n", "0"), "neighbours": ("--n", "0"), "explore": ("--port", "0"),
        "plan": ("--target", "v9"), "selftest": ("--seed", "-1"), "train": ("--train.steps", "0"),
    }  # fmt: skip
    ended = run_all(tmp_path, *((name, *flag) for name, flag in values.items()))
    for (flag, value), (code, text) in zip(values.values(), ended, strict=True):
        assert code == 2
        assert flag.removeprefix("--") in text
        assert value in text


def test_a_run_that_does_not_exist_needs_no_jax(tmp_path):
    lines = [*((name, "nosuch") for name in WITH_RUN), ("compare", "nosuch", "nor_this"), ("attribute", "list", "./no")]
    for code, text in run_all(tmp_path, *lines):
        assert code == 2
        assert "does not exist" in text or "is not a run" in text
    code, text = run_all(tmp_path, ("sample",))[0]
    assert (code, "there is no run in" in text) == (2, True)


def test_an_output_file_that_exists_needs_no_jax(tmp_path, dense_run):
    for name in ("there.png", "there.gif", "there.json", "there.npz"):
        (tmp_path / name).touch()
    lines = [(name, str(dense_run), "--out", "there.png") for name in TO_PNG]
    lines += [("evaluate", str(dense_run), "--out", "there.json"), ("encode", str(dense_run), "--out", "there.npz")]
    lines += [("decode", str(dense_run), "there.npz", "--out", "there.png")]
    lines += [("attribute", "add", str(dense_run), "red", "--out", "there.png")]
    for code, text in run_all(tmp_path, *lines):
        assert code == 2
        assert "exists" in text


def test_a_second_file_next_to_the_output_is_refused_early_too(tmp_path, dense_run):
    (tmp_path / "walk.npz").touch()
    code, text = run_all(tmp_path, ("interpolate", str(dense_run), "--npz", "--out", "walk.png"))[0]
    assert code == 2
    assert "walk.npz exists" in text


@pytest.mark.parametrize("arguments", [("folder",), ("folder", "--data.raw", "nosuch")])
def test_training_on_files_that_are_not_there_needs_no_jax(tmp_path, arguments):
    code, text = run_all(tmp_path, ("train", *arguments))[0]
    assert code == 2
    assert "error:" in text


def test_data_that_is_not_there_needs_no_jax(tmp_path):
    lines = {
        ("train", "--data.source", "nosuch"): "no dataset, folder or array file 'nosuch'",
        ("train", "--data.source", "nosuch.npz"): "file nosuch.npz does not exist.",
        ("train", "folder", "--data.raw", "nosuch"): "folder nosuch does not exist",
        ("train", "fashion_mnist", "--data.raw", "nosuch"): "data.raw is 'nosuch', which is not a folder.",
    }
    for (code, text), expected in zip(run_all(tmp_path, *lines), lines.values(), strict=True):
        assert code == 2
        assert expected in text
    assert list(tmp_path.iterdir()) == []


def test_names_on_the_hub_are_checked_without_jax(tmp_path):
    lines = {
        ("sample", "hub:jane"): "hub:jane is not a name on the hub",
        ("compare", "hub:jane/a@", "hub:jane/b"): "hub:jane/a@ has the revision ''",
        ("push", "nosuch", "jane/faces"): "no licence is given",
        ("push", "nosuch", "jane", "--license", "mit"): "'jane' is not a name of a repository",
        ("push", "nosuch", "jane/faces", "--license", "mit"): "the run nosuch does not exist",
    }
    for (code, text), expected in zip(run_all(tmp_path, *lines), lines.values(), strict=True):
        assert code == 2
        assert expected in text
