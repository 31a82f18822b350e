import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import discs, mistake

from jaxvae.data.prepared import write_prepared
from jaxvae.data.sources.base import SPLITS, Source
from jaxvae.evaluate import evaluate
from jaxvae.evaluation import report as reporting
from jaxvae.runs import run as runs
from jaxvae.system import local_devices

QUICK = ("--k", 1, "--n", 4)


def close(first, second):
    """Whether two reports agree but for rounding; what is counted or named has to be the same."""
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(close(first[name], second[name]) for name in first)
    if isinstance(first, list):
        return len(first) == len(second) and all(map(close, first, second))
    if isinstance(first, float):
        return first == pytest.approx(second, rel=1e-4, abs=1e-4)
    return first == second


def everything(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.slow
def test_the_batch_size_does_not_change_the_numbers(call, mlp_run):
    reports, arrays = [], []
    for batch_size in (4, 21):
        out, each = f"{batch_size}.json", f"{batch_size}.npz"
        code, printed, err = call(
            evaluate, mlp_run, "--k", 60, "--batch-size", batch_size, "--out", out, "--per-example", each
        )
        assert (code, err) == (0, "")
        for phrase in ("discs test, n = 21", "log_likelihood_nats, K = 60", "doctor:", f"numbers: {out}", each):
            assert phrase in printed
        reports.append(json.loads(Path(out).read_text(), parse_constant=pytest.fail))
        with np.load(each, allow_pickle=False) as read:
            arrays.append(dict(read))
    assert close(*reports)
    assert arrays[0].keys() == arrays[1].keys()
    for name in arrays[0]:
        np.testing.assert_allclose(arrays[0][name], arrays[1][name], rtol=1e-3, atol=1e-3)
    assert arrays[0]["elbo_nats"].mean() == pytest.approx(reports[0]["elbo_nats"]["mean"], rel=1e-5)


@pytest.mark.slow
def test_the_newest_run_is_the_default_and_keeps_its_own_files(call, mlp_run, tmp_path):
    run = shutil.copytree(mlp_run, tmp_path / "runs" / "mine")
    named = {
        (): "test-model-k1-seed0-n4.json",
        ("--prior", "fitted_mixture", "--split", "validation"): "validation-fitted_mixture-k1-seed0-n4.json",
        ("--prior", "fitted_flow", "--seed", 3): "test-fitted_flow-k1-seed3-n4.json",
    }
    for arguments, name in named.items():
        code, out, err = call(evaluate, *QUICK, *arguments)
        assert code == 0, err
        assert f"numbers: runs/mine/evaluation/{name}" in out
        protocol = json.loads((run / "evaluation" / name).read_text())["protocol"]
        assert protocol["prior"] == (arguments[1] if "--prior" in arguments else "standard_normal")
        assert (protocol["n"], protocol["k"], protocol["seed"]) == (4, 1, 3 if "--seed" in arguments else 0)
    assert {path.name for path in (run / "evaluation").iterdir()} == set(named.values())
    # Measured again, such a file is replaced.
    assert call(evaluate, *QUICK)[0] == 0


BAD = {
    "no samples": (["--k", 0], "--k is 0, but must be at least 1"),
    "no pictures": (["--n", 0], "--n is 0, but must be at least 1"),
    "no batch": (["--batch-size", 0], "--batch-size is 0, but must be at least 1"),
    "seed": (["--seed", 2**32], "--seed is 4294967296"),
    "split": (["--split", "nowhere"], "nowhere"),
    "prior": (["--prior", "nowhere"], "nowhere"),
    "features": (["--features", "nowhere"], "unknown features 'nowhere'"),
    "json": (["--out", "x.txt"], "x.txt must end in .json"),
    "arrays": (["--per-example", "x.json"], "x.json must end in .npz"),
    "data": (["--data", "nowhere"], "no prepared dataset in nowhere"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_argument_prints_one_sentence_and_writes_nothing(call, mlp_run, name):
    arguments, phrase = BAD[name]
    before = everything(mlp_run)
    result = call(evaluate, mlp_run, "--k", 1, "--n", 2, *arguments)
    mistake(result, phrase)
    assert len(result[2].splitlines()) == 1
    assert everything(mlp_run) == before


def test_an_unfitted_prior_is_reported_with_the_fitted_ones(call, mlp_run, tmp_path_factory):
    run = shutil.copytree(mlp_run, tmp_path_factory.mktemp("early") / "run")
    shutil.rmtree(run / "checkpoints" / "20")  # The last one alone holds fitted priors.
    result = call(evaluate, run, *QUICK, "--prior", "fitted_flow", "--out", "x.json")
    mistake(result, "has no fitted flow", "--train.fitted-flow-steps", "use --prior model")


@pytest.mark.parametrize("flag", ["--out", "--per-example"])
def test_a_file_is_replaced_only_on_request(call, mlp_run, flag):
    name = {"--out": "x.json", "--per-example": "x.npz"}[flag]
    Path(name).write_text("precious")
    before = everything(mlp_run)
    code, _, err = call(evaluate, mlp_run, *QUICK, flag, name)
    assert (code, len(err.splitlines()), Path(name).read_text()) == (2, 1, "precious")
    assert f"{name} already exists" in err
    assert everything(mlp_run) == before
    assert call(evaluate, mlp_run, *QUICK, "--out", "x.json", flag, name, "--overwrite")[0] == 0
    assert Path(name).read_bytes() != b"precious"


def test_different_images_are_refused_and_the_difference_is_named(call, mlp_run, tmp_path_factory):
    smaller = {name: (lambda name=name: iter(discs(name, size=8))) for name in SPLITS}
    source = Source(("red", "high", "width"), {}, smaller, {})
    other = write_prepared(tmp_path_factory.mktemp("other") / "discs", "discs", {"name": "small discs"}, source)
    result = call(evaluate, mlp_run, *QUICK, "--data", other.path, "--out", "x.json")
    mistake(result, "does not contain the images that this run was trained on", "name 'small discs' instead of 'discs'")


def test_moved_images_are_found_at_the_given_place(call, mlp_run, disc_set, tmp_path_factory):
    moved = shutil.copytree(disc_set.path, tmp_path_factory.mktemp("moved") / "elsewhere")
    assert call(evaluate, mlp_run, *QUICK, "--data", moved, "--out", "moved.json")[0] == 0
    assert call(evaluate, mlp_run, *QUICK, "--out", "here.json")[0] == 0
    assert Path("moved.json").read_text() == Path("here.json").read_text()


@pytest.mark.parametrize("step", ["importance_bounds", "measure_images", "diagnose"])
def test_an_interruption_leaves_no_file(call, mlp_run, monkeypatch, step):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(reporting, step, interrupted)
    before = everything(mlp_run)
    code, _, err = call(evaluate, mlp_run, *QUICK, "--per-example", "x.npz")
    assert (code, err) == (130, "interrupted\n")
    assert list(Path.cwd().iterdir()) == []
    assert everything(mlp_run) == before


def test_the_cores_are_made_devices_before_the_model_is_loaded(call, mlp_run, monkeypatch):
    order, load = [], runs.load
    monkeypatch.setattr(local_devices, "one_device_per_core", lambda: order.append("devices"))
    monkeypatch.setattr(runs, "load", lambda *arguments: order.append("load") or load(*arguments))
    assert call(evaluate, mlp_run, *QUICK, "--out", "x.json")[0] == 0
    assert order == ["devices", "load"]


def test_user_defined_features_are_named_next_to_the_distance(call, mlp_run):
    Path("mine.py").write_text("def colours(images):\n    return images.mean(axis=(1, 2))\n")
    code, _, err = call(evaluate, mlp_run, *QUICK, "--features", "mine.py:colours", "--out", "x.json")
    assert code == 0, err
    assert json.loads(Path("x.json").read_text())["pictures"]["frechet_samples"]["features"] == "mine.py:colours"
