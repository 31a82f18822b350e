"""Stock experiments are found by name: in the repository, and where a wheel was installed."""

import runpy
from pathlib import Path

import pytest
import setuptools
from conftest import mistake

from jaxvae.cli import experiments
from jaxvae.cli.experiments import find_experiment, read_experiment, stock_experiments

ROOT = Path(__file__).parents[2]
STOCK = sorted((ROOT / "experiments").glob("*.py"))


def test_every_stock_experiment_is_known_by_its_name():
    assert list(stock_experiments()) == [file.stem for file in STOCK]
    assert read_experiment("avatars").name == "avatars"
    assert read_experiment(ROOT / "experiments" / "celeba.py") == read_experiment("celeba")


def test_a_wheel_carries_them_along(tmp_path, monkeypatch):
    given = {}
    monkeypatch.setattr(setuptools, "setup", given.update)
    monkeypatch.chdir(ROOT)
    runpy.run_path("setup.py")
    build = given["cmdclass"]["build_py"](setuptools.Distribution({"packages": []}))
    build.build_lib = str(tmp_path)
    build.ensure_finalized()
    build.run()
    carried = tmp_path / "jaxvae" / "experiments"
    assert sorted(file.name for file in carried.iterdir()) == [file.name for file in STOCK]
    monkeypatch.setattr(experiments, "FOLDERS", (carried, ROOT / "nowhere"))
    monkeypatch.chdir(tmp_path)
    assert find_experiment("celeba") == carried / "celeba.py"
    assert read_experiment("celeba").model.latent == 128


def test_a_file_of_ones_own_is_named_by_its_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text("import jaxvae\nconfig = jaxvae.Config(name='mine')\n")
    assert read_experiment("mine.py").name == "mine"


@pytest.mark.parametrize(
    ("name", "phrases"),
    [
        (
            "avatras",
            ("there is no experiment avatras: did you mean 'avatars' or", "The stock experiments are avatars, "),
        ),
        ("experiments/avatars.py", ("did you mean 'avatars' or", "a file of your own is named by its path")),
        (
            "xyzxyz",
            ("expected one of avatars, avatars_conditional, avatars_latent, avatars_pooling, avatars_top_down,",),
        ),
        ("..", (".. is a folder, not an experiment; to train on its images, --data.source ..",)),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest_and_all(call, name, phrases):
    mistake(call("train", name), *phrases)
