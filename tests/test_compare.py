import json
import shutil

import numpy as np
import pytest
from conftest import DENSE, mistake, tiny_config, train_config
from PIL import Image

from jaxvae.compare import compare, short_names
from jaxvae.runs.comparison import differing_fields, mean_and_deviation, read_run, same_but_for_seed
from jaxvae.runs.run import write_config


@pytest.fixture
def runs(tmp_path_factory):
    """Three runs of two seeds and a fourth of another learning rate; their numbers are made up."""
    folder = tmp_path_factory.mktemp("runs")
    made = []
    for number, (seed, rate) in enumerate([(0, 3e-3), (1, 3e-3), (2, 3e-3), (0, 1e-3)]):
        run = folder / f"r{number}"
        write_config(run, tiny_config(model=DENSE, seed=seed, train=train_config(learning_rate=rate)))
        lines = [
            {"step": step, "kind": "validation", "objective_nats": -100.0 + step + number, "psnr_db": 20.0, "n": 50}
            for step in (20, 40)
        ]
        lines.append({"step": 40, "kind": "test", "objective_nats": float(number), "psnr_db": 21.5, "n": 21})
        (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        made.append(run)
    return made


def test_a_table_of_runs_seeds_and_fields(call, runs):
    code, out, err = call(compare, *runs, "--metrics", "objective_nats", "psnr_db", "--out", "x.png", "--json")
    assert code == 0, err
    result = json.loads(out)
    assert [row["objective_nats"] for row in result["results"]] == [0.0, 1.0, 2.0, 3.0]
    assert [row["step"] for row in result["results"]] == [40] * 4
    (seeds,) = result["over_seeds"]
    assert seeds["runs"] == ["r0", "r1", "r2"]
    assert seeds["objective_nats"] == {"mean": 1.0, "standard_deviation": 1.0}
    assert result["differing"] == {"seed": [0, 1, 2, 0], "train.learning_rate": [3e-3, 3e-3, 3e-3, 1e-3]}
    with Image.open("x.png") as picture:
        assert picture.width > picture.height
    code, out, _ = call(compare, *runs, "--metrics", "psnr_db", "--out", "x.png", "--overwrite")
    assert "mean ± s.d. of 3 seeds" in out
    assert "1.0000 ± 1.0000" in out
    assert "train.learning_rate  0.003  0.003  0.003  0.001" in out


def test_curves_are_those_of_the_validations(runs):
    steps, values = read_run(runs[1]).curve("validation", "objective_nats")
    assert (steps.tolist(), values.tolist()) == ([20, 40], [-79.0, -59.0])
    assert read_run(runs[1]).curve("validation", "unknown")[0].tolist() == []
    (runs[1] / "metrics.jsonl").write_text('{"step": 1, "kind": "validation", "psnr_db": "nan"}\n{"step": 2, "ki')
    assert np.isnan(read_run(runs[1]).curve("validation", "psnr_db")[1]).tolist() == [True]  # The last is cut off.


def test_a_run_that_has_just_begun_can_be_compared(call, runs):
    (runs[0] / "metrics.jsonl").unlink()
    code, out, err = call(compare, runs[0], runs[1], "--metrics", "psnr_db", "--out", "x.png")
    assert code == 0, err
    assert out.splitlines()[1].split() == ["r0", "–", "–", "–"]


def test_runs_that_agree_or_repeat_a_seed(runs, tmp_path):
    again = tmp_path / "again"
    shutil.copytree(runs[0], again)
    both = [read_run(run) for run in (runs[0], again)]
    assert differing_fields(both) == {}
    assert same_but_for_seed(both) == []
    assert short_names((runs[0], again)) == ["r0", "again"]
    assert short_names((runs[0], tmp_path / "r0")) == [str(runs[0]), str(tmp_path / "r0")]
    assert np.isnan(mean_and_deviation([2.0])[1])


def test_bad_requests(call, runs, tmp_path_factory):
    mistake(call(compare, runs[0]), "comparing needs two or more runs")
    mistake(call(compare, runs[0], "nowhere"), "nowhere is not a run")
    mistake(call(compare, *runs, "--metrics", "psnr"), "no run has the metric 'psnr'", "psnr_db")
    (runs[1] / "metrics.jsonl").write_text("{broken}\n")
    mistake(call(compare, *runs, "--out", "x.png"), "metrics.jsonl cannot be read")
