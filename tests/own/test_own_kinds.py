"""A user's own network, likelihood, prior, objective and data source, in one file, with every command."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import metric_lines

import jaxvae as jv
from jaxvae.config.user_code import import_file
from jaxvae.experiment import from_json, to_json

MINE = Path(__file__).parent / "mine.py"
CODE = ["--code", "mine.py"]


def run(folder, *arguments):
    command = [sys.executable, "-m", "jaxvae", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    shutil.copy(MINE, folder / "mine.py")
    run(folder, "train", "mine.py")
    return folder


@pytest.mark.slow
def test_a_killed_run_of_user_defined_kinds_continues(tmp_path):
    shutil.copy(MINE, tmp_path / "mine.py")
    # A machine that dies half way: the second half is lost, the checkpoint before it stays.
    script = (
        "import jaxvae as jv, os\n"
        "from jaxvae.cli import read_experiment\n"
        "from pathlib import Path\n"
        "def die(step, kind, metrics):\n"
        "    if kind == 'train' and step >= 30: os._exit(9)\n"
        "jv.fit(read_experiment(Path('mine.py')), run='runs/mine', callback=die)\n"
    )
    died = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert died.returncode == 9, died.stderr
    assert "continuing" in run(tmp_path, "train", "mine.py", "--run", "runs/mine")
    assert metric_lines(tmp_path / "runs" / "mine", "test")[0]["step"] == 40


def test_it_trains_interpolates_and_evaluates(trained):
    rows = metric_lines(trained / "runs" / "mine")
    assert rows[-1]["loss"] < rows[0]["loss"]
    run(trained, "interpolate", "runs/mine", "--from", "width=1", "--to", "width=4", *CODE)
    run(trained, "evaluate", "runs/mine", "--k", "20", *CODE)
    assert (trained / "runs/mine/samples/interpolation.png").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [["sample", "--n", "4"], ["reconstruct"], ["traverse", "--units", "2"], ["encode", "--out", "codes.npz"]]
)
def test_the_other_commands_open_it_too(trained, command):
    run(trained, command[0], "runs/mine", *command[1:], *CODE)


def test_opening_it_without_the_file_names_the_kind_and_the_remedy(trained):
    done = subprocess.run(
        [sys.executable, "-m", "jaxvae.sample", "runs/mine"], cwd=trained, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "--code FILE.py" in done.stderr
    assert "Traceback" not in done.stderr


def test_flags_reach_the_fields_of_user_defined_kinds(trained):
    out = run(trained, "train", "mine.py", "--help")
    assert "--model.likelihood.log-scale" in out
    assert "--data.source.count" in out
    assert "(default: gentle)" in out


def test_the_library_opens_it_with_its_code(trained):
    loaded = jv.load(trained / "runs" / "mine", code=trained / "mine.py")
    assert type(loaded.info.config.model).__name__ == "Tiny"
    assert loaded.reconstruct(np.zeros((2, 12, 12, 1), np.uint8)).shape == (2, 12, 12, 1)
    assert np.isfinite(loaded.log_likelihood(np.zeros((2, 12, 12, 1), np.uint8), k=5)).all()


def test_json_keeps_every_field_of_user_defined_kinds():
    config = import_file(MINE).config
    assert from_json(json.loads(json.dumps(to_json(config)))) == config


def test_a_built_in_name_is_refused():
    with pytest.raises(jv.UserError, match="'elbo', which is a kind of jaxvae's own"):
        type("Mine", (jv.ObjectiveConfig,), {"kind": "elbo", "__module__": "mine"})
