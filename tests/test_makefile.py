import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]


def make(*arguments):
    return subprocess.run(["make", *arguments], cwd=ROOT, capture_output=True, text=True)


def test_make_without_arguments_prints_targets_and_variables():
    out = make().stdout
    for word in (
        "setup",
        "train",
        "interpolate",
        "sample",
        "reconstruct",
        "traverse",
        "map",
        "neighbours",
        "encode",
        "decode",
        "push",
        "explore",
        "test-browser",
        "test-notebook",
        "test",
        "check",
        "clean",
        "DATASET",
        "RAW",
    ):
        assert word in out


def test_the_accelerator_decides_which_jax_is_installed():
    for accelerator, extra in [("cpu", "'.[dev]'"), ("tpu", "'.[dev,tpu]'"), ("cuda", "'.[dev,cuda")]:
        assert extra in make("-n", "-W", "pyproject.toml", "setup", f"ACCELERATOR={accelerator}").stdout


def test_an_unknown_experiment_is_reported_with_the_known_ones():
    result = make("train", "DATASET=nope")
    assert result.returncode == 2
    assert "DATASET is nope, but must be one of" in result.stdout
    assert "avatars" in result.stdout


def test_arguments_and_raw_files_are_passed_on():
    out = make("-n", "train", "DATASET=celeba", "RAW=/my files", "ARGS=--train.steps 5").stdout
    assert 'jaxvae.train experiments/celeba.py --data.raw "/my files" --train.steps 5' in out


def test_a_missing_browser_is_reported():
    result = make("test-browser", "CHROMIUM=/nowhere", "READY=")
    assert result.returncode == 2
    assert "there is no Chromium" in result.stdout
