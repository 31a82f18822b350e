"""`--model.from RUN` takes the model of a run, before JAX is imported."""

import json
from dataclasses import replace

import pytest

from jaxvae import Config, KLAutoencoder, LaplaceLikelihood, UserError
from jaxvae.experiment import to_json
from jaxvae.train import parse_arguments

MODEL = KLAutoencoder(channels=(4, 8), groups=2, latent=3, likelihood=LaplaceLikelihood(), start_from="earlier")


@pytest.fixture
def run(tmp_path):
    (tmp_path / "run" / "checkpoints" / "7").mkdir(parents=True)
    (tmp_path / "run" / "config.json").write_text(json.dumps(to_json(Config(model=MODEL))))
    return tmp_path / "run"


@pytest.mark.parametrize("experiment", [(), ("avatars",), ("finetune_sd",)])
@pytest.mark.parametrize("inside", ["", "checkpoints/7"])
def test_the_model_of_the_run_takes_the_place_of_the_experiments(experiment, inside, run):
    named = str(run / inside)
    config = parse_arguments([*experiment, "--model.from", named]).config
    assert config.model == replace(MODEL, start_from=named)
    assert parse_arguments([*experiment]).config.data == config.data


def test_flags_change_it(run):
    words = ["--model.tile", "8", "--model.from", str(run), "--model", "kl_autoencoder", "--model.dtype", "bfloat16"]
    assert parse_arguments(words).config.model == replace(MODEL, start_from=str(run), tile=8, dtype="bfloat16")
    other = parse_arguments(["--model.from", str(run), "--model", "mlp"]).config.model
    assert (other.kind, other.start_from) == ("mlp", str(run))


def test_what_is_no_run_is_refused_and_one_without_a_config_keeps_the_experiments_model(run):
    with pytest.raises(UserError, match=r"--model.from is 'nowhere', but the run nowhere does not exist"):
        parse_arguments(["--model.from", "nowhere"])
    (run / "config.json").write_text("{")
    with pytest.raises(UserError, match=r"config.json cannot be read"):
        parse_arguments(["--model.from", str(run)])
    (run / "config.json").unlink()
    assert parse_arguments(["--model.from", str(run)]).config.model.kind == Config().model.kind
