import json
from pathlib import Path

import pytest

from jaxvae.config import Config, DataConfig, ModelConfig, TrainConfig, differences, from_json, run_name, to_json
from jaxvae.errors import UserError, nearest


def test_json_round_trip_keeps_every_field():
    config = Config(
        name="x", seed=7, data=DataConfig(crop=140), model=ModelConfig(channels=(4, 8)), train=TrainConfig(steps=3)
    )
    assert from_json(json.loads(json.dumps(to_json(config)))) == config


def test_an_unknown_field_is_named():
    values = to_json(Config())
    values["train"]["stepz"] = 3
    with pytest.raises(UserError, match="stepz"):
        from_json(values)


@pytest.mark.parametrize(
    ("make", "field", "value"),
    [
        (lambda: TrainConfig(steps=0), "train.steps", "0"),
        (lambda: TrainConfig(learning_rate=-1.0), "train.learning_rate", "-1.0"),
        (lambda: TrainConfig(ema_decay=1.0), "train.ema_decay", "1.0"),
        (lambda: ModelConfig(latent=0), "model.latent", "0"),
        (lambda: ModelConfig(channels=()), "model.channels", r"\(\)"),
        (lambda: ModelConfig(network="mlp", latent_kind="spatial"), "model.network", "mlp"),
        (lambda: DataConfig(size=0), "data.size", "0"),
        (lambda: Config(seed=-1), "seed", "-1"),
        (lambda: Config(model=ModelConfig(likelihood="bernoulli"), data=DataConfig(pixels="dequantized")),
         "data.pixels", "dequantized"),
        (lambda: Config(data=DataConfig(pixels="binarized")), "data.pixels", "binarized"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_its_field(make, field, value):
    with pytest.raises(UserError, match=f"{field} is '?{value}'?, but must be"):
        make()


def test_differences_name_field_and_both_values():
    changed = differences(Config(), Config(train=TrainConfig(steps=5)))
    assert changed == ["train.steps is 3000 there and 5 here"]


def test_a_run_is_named_after_the_experiment_or_else_the_data():
    assert run_name(Config(name="mine")) == "mine"
    assert run_name(Config(data=DataConfig(name="cifar10"))) == "cifar10"
    assert run_name(Config(data=DataConfig(name="imagenet_resized/8x8"))) == "imagenet_resized-8x8"
    assert run_name(Config(data=DataConfig(name="."))) == Path.cwd().stem


def test_nearest_suggests_what_was_meant():
    assert nearest("sunglases", ["sunglasses", "hat"]) == "did you mean 'sunglasses'?"
    assert "hat" in nearest("zzz", ["sunglasses", "hat"])
