import json
from pathlib import Path

import pytest

from jaxvae import (
    ELBO,
    IWAE,
    MLP,
    MMD,
    Autoencoder,
    BetaTCVAE,
    Config,
    Conv,
    DataConfig,
    FlowPrior,
    MixturePrior,
    ObjectiveConfig,
    StandardNormal,
    TrainConfig,
    VampPrior,
)
from jaxvae.errors import UserError, suggest
from jaxvae.experiment import differences, from_json, to_json


def test_json_round_trip_keeps_every_field():
    config = Config(
        name="x", seed=7, data=DataConfig(crop=140), train=TrainConfig(steps=3, clip_norm=None),
        model=Conv(channels=(4, 8), log_variance_range=(-6.0, 2.0), prior=VampPrior(components=5)),
        objective=ELBO(capacity_nats=5.0, warmup_steps=3, warmup_cycles=2),
    )  # fmt: skip
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
        (lambda: Conv(latent=0), "model.latent", "0"),
        (lambda: Conv(channels=()), "model.channels", r"\(\)"),
        (lambda: Conv(log_variance_range=(4.0, -12.0)), "model.log_variance_range", r"\(4.0, -12.0\)"),
        (lambda: Conv(log_variance_range=(-1.0, 1.0)), "model.log_variance_range", r"\(-1.0, 1.0\)"),
        (lambda: Conv(prior=MixturePrior(components=0)), "model.prior.components", "0"),
        (lambda: Conv(prior=VampPrior(components=0)), "model.prior.components", "0"),
        (lambda: Conv(prior=FlowPrior(pairs=0)), "model.prior.pairs", "0"),
        (lambda: TrainConfig(clip_norm=0.0), "train.clip_norm", "0.0"),
        (lambda: TrainConfig(patience=-1), "train.patience", "-1"),
        (lambda: TrainConfig(fitted_flow_steps=-1), "train.fitted_flow_steps", "-1"),
        (lambda: ELBO(free_nats=0.1, capacity_nats=5.0), "objective.free_nats", "0.1"),
        (lambda: ELBO(capacity_nats=-1.0), "objective.capacity_nats", "-1.0"),
        (lambda: ELBO(warmup_cycles=0), "objective.warmup_cycles", "0"),
        (lambda: ELBO(beta=float("nan")), "objective.beta", "nan"),
        (lambda: DataConfig(size=0), "data.size", "0"),
        (lambda: Config(seed=-1), "seed", "-1"),
        (lambda: Config(model=Conv(likelihood="bernoulli"), data=DataConfig(pixels="dequantized")),
         "data.pixels", "dequantized"),
        (lambda: Config(data=DataConfig(pixels="binarized")), "data.pixels", "binarized"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_its_field(make, field, value):
    with pytest.raises(UserError, match=f"{field} is '?{value}'?, but must be"):
        make()


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: MLP(latent_kind="spatial"), "model.latent_kind"),
        (lambda: Conv(activation="gated"), "model.activation"),
        (lambda: Conv(activation="tanh"), "model.activation"),
        (lambda: Conv(prior=StandardNormal(pairs=0)), "model.prior.pairs"),
    ],
)
def test_a_field_of_the_wrong_type_is_refused(make, field):
    with pytest.raises(UserError, match=f"the configuration has no field '{field}'"):
        make()


@pytest.mark.parametrize("model", [Conv, MLP])
def test_a_flow_needs_two_units(model):
    with pytest.raises(UserError, match=r"model\.prior is 'flow', but a code has only 1 unit; .* --model\.latent 2"):
        model(latent=1, prior="flow")


UNUSED = {
    "iwae": {"beta": 2.0, "warmup_steps": 3, "warmup_cycles": 2, "free_nats": 0.1, "mmd_weight": 1.0},
    "beta_tcvae": {"free_nats": 0.1, "free_groups": "code", "capacity_nats": 5.0, "samples": 2},
    "mmd": {"capacity_steps": 3, "doubly_reparameterized": True, "samples": 2, "free_nats": 0.1},
    "autoencoder": {"beta": 0.5, "warmup_steps": 3, "samples": 2, "mmd_weight": 1.0, "capacity_nats": 0.0},
    "elbo": {"samples": 2, "doubly_reparameterized": True, "mmd_weight": 1.0},
}


@pytest.mark.parametrize(("name", "field"), [(name, field) for name, fields in UNUSED.items() for field in fields])
def test_a_field_that_the_objective_does_not_use_is_refused(name, field):
    value = UNUSED[name][field]
    with pytest.raises(UserError, match=f"the configuration has no field 'objective.{field}'"):
        ObjectiveConfig.named(name)(**{field: value})
    with pytest.raises(UserError, match=f"the configuration has no field 'objective.{field}'"):
        from_json({"objective": {"kind": name, field: value}})


def test_each_objective_accepts_the_fields_it_uses():
    weight = {"beta": 2.0, "warmup_steps": 3, "warmup_cycles": 2}
    ELBO(**weight, free_nats=0.1, free_groups="channel")
    ELBO(**weight, capacity_nats=0.0, capacity_steps=10)
    IWAE(samples=2, doubly_reparameterized=True)
    BetaTCVAE(**weight)
    MMD(**weight | {"beta": 0.0}, mmd_weight=1.0)
    assert Autoencoder().weight(3) == 1.0


@pytest.mark.parametrize("prior", ["mixture", "full_mixture", "vamp", "flow"])
def test_per_unit_objectives_require_the_standard_normal_prior(prior):
    model = Conv(prior=prior)
    for objective in (
        ELBO(free_nats=0.1),
        ELBO(free_nats=0.1, free_groups="channel"),
        BetaTCVAE(),
    ):
        with pytest.raises(UserError, match=f"model.prior is '{prior}', but must be 'standard_normal' for"):
            Config(model=model, objective=objective)
        assert Config(objective=objective).model.prior.kind == "standard_normal"
    for objective in (ELBO(free_nats=0.1, free_groups="code"), ELBO(capacity_nats=5.0)):
        assert Config(model=model, objective=objective).model.prior.kind == prior


def test_values_at_their_bounds_are_accepted():
    assert TrainConfig(clip_norm=None).clip_norm is None
    assert TrainConfig(patience=0, fitted_flow_steps=0, mixture_components=0).patience == 0
    assert Conv(latent=2, prior="flow").latent == 2
    assert Conv(latent=1, latent_kind="spatial", prior="flow").latent == 1
    assert MLP(activation="gated", log_variance_range=(-3.0, 1.0)).activation == "gated"


def test_differences_name_field_and_both_values():
    changed = differences(Config(), Config(train=TrainConfig(steps=5)))
    assert changed == ["train.steps is 3000 there and 5 here"]


def test_a_run_is_named_after_the_experiment_or_the_data():
    assert Config(name="mine").title == "mine"
    assert Config(data=DataConfig(name="cifar10")).title == "cifar10"
    assert Config(data=DataConfig(name="imagenet_resized/8x8")).title == "imagenet_resized-8x8"
    assert Config(data=DataConfig(name=".")).title == Path.cwd().stem


def test_nearest_suggests_the_intended_name():
    assert suggest("sunglases", ["sunglasses", "hat"]) == "did you mean 'sunglasses'?"
    assert "hat" in suggest("zzz", ["sunglasses", "hat"])


@pytest.mark.parametrize(
    ("changes", "field", "other"),
    [
        ({"free_groups": "code"}, "objective.free_groups", "objective.free_nats"),
        ({"capacity_steps": 5}, "objective.capacity_steps", "objective.capacity_nats"),
        ({"warmup_cycles": 2}, "objective.warmup_cycles", "objective.warmup_steps"),
        ({"balance_levels": True}, "objective.balance_levels", "objective.warmup_steps"),
    ],
)
def test_a_field_without_effect_is_refused(changes, field, other):
    with pytest.raises(UserError, match=f"{field} is .* unless {other} is set"):
        ELBO(**changes)


def test_an_objective_that_compares_codes_needs_at_least_two():
    with pytest.raises(UserError, match=r"train\.batch_size is 1, but must be at least 2"):
        Config(objective=MMD(), train=TrainConfig(batch_size=1))


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (Config(), (10, 2000)),
        (Config(model=Conv(prior=VampPrior())), (0, 0)),
        (Config(model=Conv(prior=VampPrior()), objective=Autoencoder()), (10, 2000)),
        (Config(model=Conv(prior=VampPrior()), train=TrainConfig(mixture_components=3, fitted_flow_steps=5)), (3, 5)),
        (Config(train=TrainConfig(mixture_components=0, fitted_flow_steps=0)), (0, 0)),
    ],
)
def test_priors_are_fitted_after_training_unless_the_model_learns_its_own(config, expected):
    assert (config.mixture_components, config.fitted_flow_steps) == expected
