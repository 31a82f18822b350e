"""Training a part of the parameters alone."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import metric_lines, saved_run, tiny_config, train_config
from train_steps import IMAGES, equal, stepped

from jaxvae import ELBO, MLP, Adversarial, DevicesConfig, FullMixturePrior, MixturePrior, UserError
from jaxvae.models import build
from jaxvae.runs import checkpoint
from jaxvae.runs.changes import ended_before
from jaxvae.runs.run import load
from jaxvae.training import loop
from jaxvae.training.freezing import split
from jaxvae.training.params_check import check_params
from jaxvae.training.planning.program import state_shapes
from jaxvae.training.prior_refit import is_due
from jaxvae.training.skipping import find_cause
from jaxvae.training.state import init_state, split_root
from jaxvae.training.step import build_train_step, layers
from jaxvae.vae import compose

MODEL = MLP(hidden=(16,), latent=4)
FROZEN = {"freeze": ("encoder",), "weight_decay": 0.1, "ema_decay": 0.9, "warmup_steps": 0}


def config(objective=ELBO(), model=MODEL, **train):
    settings = train_config(batch_size=48, mixture_components=0, **{**FROZEN, **train})
    # Without the noise of dequantised pixels, so that an image is the same in every step.
    data = replace(tiny_config().data, pixels="scaled")
    return tiny_config(data=data, model=model, objective=objective, train=settings)


@pytest.mark.parametrize(
    "objective", [ELBO(), pytest.param(Adversarial(start=0, discriminator_width=8), marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("accumulate", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_a_frozen_encoder_stays_as_it_was_bit_for_bit_and_the_rest_learns(objective, accumulate):
    states, metrics = stepped(config(objective), 3, DevicesConfig(accumulate=accumulate), 2)
    first, last = states[0], states[-1]
    assert equal(first.params["encoder"], last.params["encoder"])
    assert equal(first.params["encoder"], last.ema["encoder"])
    for tree in (last.params, last.ema):
        assert not equal(first.params["decoder"], tree["decoder"])
        assert not equal(first.params["likelihood"], tree["likelihood"])
    assert not equal(last.params["decoder"], last.ema["decoder"])
    # Every image keeps its posterior, so that the KL is constant.
    kl = [row["kl_nats"] for row in metrics]
    assert kl == pytest.approx([kl[0]] * 3, rel=1e-5)
    free, others = stepped(config(objective, freeze=()), 3, DevicesConfig(accumulate=accumulate), 2)
    assert not equal(free[0].params["encoder"], free[-1].params["encoder"])
    assert others[-1]["kl_nats"] != pytest.approx(kl[0], rel=1e-5)


def test_the_decoder_makes_the_step_that_it_makes_beside_a_frozen_encoder():
    """Without clipping, whose norm is that of the trained gradients, the first update is the same as unfrozen."""
    frozen, free = (stepped(config(clip_norm=None, freeze=each), 1)[0] for each in (("encoder",), ()))
    for mine, other in zip(*(jax.tree.leaves(each[1].params["decoder"]) for each in (frozen, free)), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-6)


def test_what_is_frozen_has_no_state_of_the_optimizer():
    sizes = [
        sum(leaf.size for leaf in jax.tree.leaves(state_shapes(config(freeze=freeze), (16, 16, 3)).opt_state))
        for freeze in ((), ("encoder",))
    ]
    vae = build(MODEL, (16, 16, 3))
    encoder = sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(vae.init, jax.random.key(0))["encoder"]))
    assert sizes[0] - sizes[1] == 2 * encoder


def test_layers_of_messages_are_those_that_are_trained():
    settings = config()
    vae = build(MODEL, (16, 16, 3))
    state = init_state(split_root(0), vae, settings.train)
    _, metrics = jax.jit(build_train_step(vae, settings, 48))(state, jnp.asarray(IMAGES[:4]))
    names = list(layers(split(state.params, settings.train)[0]))
    assert not any(name.startswith("encoder/") for name in names)
    values = {"gradient_norm": 1.0, "loss": 1.0}
    assert "gradient spike" in find_cause(values, names, np.asarray(metrics["update"].layer_norms))


@pytest.mark.parametrize(
    ("freeze", "told"),
    [
        (
            ("encodr",),
            "train.freeze names 'encodr', but this model has no such part with parameters: did you mean 'enc",
        ),
        (("prior",), "train.freeze names 'prior', but this model has no such part"),
        (("encoder", "decoder", "likelihood"), "which leaves nothing to train"),
    ],
)
def test_parts_that_do_not_exist_are_refused_before_anything_is_written(disc_set, tmp_path, freeze, told):
    with pytest.raises(UserError, match=told):
        loop.train(config(freeze=freeze), disc_set, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_model_without_an_encoder_of_its_own_is_refused():
    plain = build(MODEL, (16, 16, 3))
    vae = compose(lambda key: {"whole": plain.init(key)}, plain.encode, plain.decode, plain.prior)
    with pytest.raises(UserError, match=r"names 'encoder', .* expected one of whole"):
        check_params(vae, config().train)
    check_params(vae, config(freeze=()).train)


def test_a_repeated_part_is_refused():
    with pytest.raises(UserError, match=r"train.freeze is .* but must be a list without repetitions"):
        train_config(freeze=("encoder", "encoder"))


def test_the_command_line_refuses_before_it_trains(call, tmp_path):
    np.save(tmp_path / "images.npy", IMAGES)
    source = ("--data.source", "images.npy", "--data.size", "16", "--run", "run")
    code, out, err = call("train", *source, "--model", "mlp", "--train.freeze", "encoder", "encodr")
    assert code == 2, (out, err)
    assert "train.freeze names 'encodr', but this model has no such part" in out + err
    assert not (tmp_path / "run").exists()


def test_a_frozen_prior_is_not_refitted():
    model = MLP(hidden=(8,), latent=3, prior=FullMixturePrior(components=2))
    vae = build(model, (16, 16, 3))
    assert is_due(vae, config(model=model, freeze=()), 0, 40)
    assert not is_due(vae, config(model=model, freeze=("prior",)), 0, 40)
    check_params(vae, config(model=MLP(prior=MixturePrior()), freeze=("decoder",)).train)


@pytest.mark.slow
def test_a_run_tunes_the_decoder_of_another_and_resumes(disc_set, tmp_path):
    source = saved_run(tmp_path / "source", tiny_config(model=MODEL), disc_set)
    model = replace(MODEL, start_from=str(source))
    settings = {"steps": 10, "validate_every": 5, "picture_every": 100, "log_every": 1}
    tuned = config(model=model, **settings)
    loop.train(tuned, disc_set, tmp_path / "run")
    before = load(source).params
    for name in ("params", "ema"):
        after = checkpoint.read_tree(tmp_path / "run" / "checkpoints", 10, name)
        assert equal(before["encoder"], after["encoder"])
        assert not equal(before["decoder"], after["decoder"])
    validations = metric_lines(tmp_path / "run", "validation")
    assert validations[0]["kl_nats"] == validations[1]["kl_nats"]
    with pytest.raises(UserError, match=r"cannot continue with another train\.freeze"):
        ended_before(tmp_path / "run", config(model=model, **{**settings, "steps": 20, "freeze": ()}), change=True)
    longer = config(model=model, **{**settings, "steps": 15})
    assert ended_before(tmp_path / "run", longer, change=True) is None
    loop.train(longer, disc_set, tmp_path / "run")
    assert equal(before["encoder"], load(tmp_path / "run").params["encoder"])
