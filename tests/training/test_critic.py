"""The critic of an objective in the train step: gradients, starts, devices, saving and resuming."""

import json
import shutil
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from compiled import AS_FOR_USERS
from conftest import interrupt_at, metric_lines, tiny_config, train_config
from train_steps import IMAGES, begin, equal, stepped

from jaxvae import ELBO, MLP, Adversarial, DevicesConfig, Objective, ObjectiveConfig, UserError
from jaxvae.evaluation.features import build_features
from jaxvae.evaluation.report import Options, evaluate_run
from jaxvae.evaluation.training_record import recent_training
from jaxvae.objectives import Critic, elbo, variational_terms
from jaxvae.objectives.bounds import bound_metrics
from jaxvae.runs import checkpoint
from jaxvae.runs.changes import ended_before
from jaxvae.runs.run import load
from jaxvae.training import loop
from jaxvae.training.planning.program import state_shapes
from jaxvae.training.resume import trees
from jaxvae.training.sharding import over
from jaxvae.training.step import build_train_step

OBJECTIVE = Adversarial(start=2, discriminator_width=8, discriminator_learning_rate=1e-2)
MODEL = MLP(hidden=(16,), latent=4)


def config(objective=OBJECTIVE, **train):
    settings = train_config(batch_size=48, mixture_components=0, **train)
    return tiny_config(model=MODEL, objective=objective, train=settings)


@pytest.mark.slow
def test_an_unheard_discriminator_learns_and_leaves_the_model_alone():
    """Bit for bit the model of the same objective without one, so no gradient of its loss reaches the model."""
    (states, metrics), (alone, _) = (
        stepped(each, 2, compiler_options=AS_FOR_USERS)
        for each in (config(), config(replace(OBJECTIVE, adversarial=0.0)))
    )
    assert equal(states[2].params, alone[2].params)
    assert not equal(states[1].critic.params, states[2].critic.params)
    assert [row["adversarial_weight"] for row in metrics] == [0.0, 0.0]


@pytest.mark.slow
def test_a_discriminator_that_is_heard_moves_the_model_and_is_not_moved_by_what_the_model_hears():
    loud, soft = (stepped(config(replace(OBJECTIVE, start=1, adversarial=each)), 2)[0] for each in (1.0, 1e-4))
    assert equal(loud[1].params, soft[1].params)
    assert not equal(loud[2].params, soft[2].params)
    assert not equal(loud[2].params["decoder"], soft[2].params["decoder"])
    # Its second update sees the same reconstructions, and the weight is none of its business.
    assert equal(loud[2].critic, soft[2].critic)


@pytest.mark.slow
def test_the_discriminator_waits_for_its_own_start():
    states, metrics = stepped(config(replace(OBJECTIVE, discriminator_start=2)), 3)
    assert equal(states[0].critic, states[2].critic)
    assert not equal(states[2].critic.params, states[3].critic.params)
    assert int(states[3].critic.opt_state[0].count) == 1
    assert [row["discriminator_learns"] for row in metrics] == [0.0, 0.0, 1.0]


@pytest.mark.slow
def test_the_discriminator_tells_images_from_reconstructions_and_the_metrics_say_so():
    objective = replace(OBJECTIVE, start=100, lecam=0.01)
    states, metrics = stepped(config(objective, learning_rate=1e-5), 25)
    assert metrics[0]["discriminator_loss"] == 1.0
    assert metrics[0]["discriminator_accuracy"] == 0.5
    assert metrics[-1]["discriminator_loss"] < 0.5
    assert metrics[-1]["discriminator_accuracy"] > 0.9
    assert metrics[-1]["discriminator_real_logit"] > 0 > metrics[-1]["discriminator_fake_logit"]
    assert metrics[-1]["adversarial"] == pytest.approx(-metrics[-1]["discriminator_fake_logit"])
    assert states[-1].critic.memory.real > 0 > states[-1].critic.memory.fake
    # The loss that is logged is the sum of both.
    rest = metrics[0]["reconstruction_error"] + 1e-6 * metrics[0]["kl_nats"]
    assert metrics[0]["loss"] == pytest.approx(rest + 1.0, rel=1e-6)


def test_a_step_that_is_not_finite_leaves_the_discriminator_as_it_was():
    settings = config()
    vae, state = begin(settings)
    broken = state._replace(params={**state.params, "likelihood": {"log_variance": jnp.asarray(jnp.nan)}})
    new, _ = jax.jit(build_train_step(vae, settings, 48))(broken, jnp.asarray(IMAGES[:4]))
    assert equal(new.critic, state.critic)
    assert int(new.guard.skipped) == 1


@pytest.mark.parametrize(("on", "choices"), [(8, {}), (8, {"fsdp": True}), (4, {"rematerialize": True})])
@pytest.mark.slow
def test_several_devices_make_the_steps_of_one(on, choices):
    (one, its), (many, others) = (
        stepped(config(replace(OBJECTIVE, start=1)), 2, *each) for each in ((), (DevicesConfig(**choices), on))
    )
    assert its[-1] == pytest.approx(others[-1], rel=1e-3, abs=1e-3)
    for mine, other in zip(jax.tree.leaves(one[1]), jax.tree.leaves(many[1]), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-3)


@pytest.mark.parametrize(("on", "accumulate", "fsdp"), [(1, 6, False), (4, 3, True)])
@pytest.mark.slow
def test_parts_of_a_batch_make_the_same_steps_on_any_devices(on, accumulate, fsdp):
    settings = config(replace(OBJECTIVE, start=1))
    one, its = stepped(settings, 2, DevicesConfig(accumulate=2))
    many, others = stepped(settings, 2, DevicesConfig(accumulate=accumulate, fsdp=fsdp), on)
    assert its[-1] == pytest.approx(others[-1], rel=1e-3, abs=1e-3)
    for mine, other in zip(jax.tree.leaves(one[1]), jax.tree.leaves(many[1]), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-3)
    assert not equal(many[0].critic.params, many[2].critic.params)


def test_sharded_devices_hold_their_share_of_the_discriminator():
    placement = over(jax.devices(), config(), DevicesConfig(fsdp=True))
    laid = placement.of(state_shapes(config(), (16, 16, 3)))
    kernel, first = laid.critic.params["down_2"]["kernel"], laid.critic.opt_state[0].mu["down_2"]["kernel"]
    assert kernel.sharding.shard_shape(kernel.shape) == (4, 4, 16, 4)
    assert first.sharding == kernel.sharding


SAVED = {"steps": 20, "validate_every": 10, "picture_every": 100, "ema_decay": 0.9}


@pytest.fixture(scope="module")
def whole_run(disc_set, tmp_path_factory):
    run = tmp_path_factory.mktemp("critic") / "whole"
    loop.train(config(**SAVED), disc_set, run)
    return run


@pytest.mark.slow
def test_an_interrupted_run_continues_bit_for_bit(whole_run, disc_set, tmp_path, monkeypatch):
    interrupt_at(monkeypatch, 5)
    run = tmp_path / "cut"
    with pytest.raises(KeyboardInterrupt, match="continues from there"):
        loop.train(config(**SAVED), disc_set, run)
    assert 5 <= checkpoint.steps(run / "checkpoints")[-1] < 20
    monkeypatch.undo()
    loop.train(config(**SAVED), disc_set, run)
    names = ("params", "ema", "critic", "train")
    ends = [checkpoint.read_trees(each / "checkpoints", 20, names) for each in (whole_run, run)]
    keyless = [jax.tree.leaves({**end, "train": {**end["train"], "key": ()}}) for end in ends]
    assert all(np.array_equal(a, b) for a, b in zip(*keyless, strict=True))
    assert np.any(ends[0]["critic"]["params"]["logit"]["kernel"])
    drop = "images_per_second"
    pairs = zip(metric_lines(whole_run), metric_lines(run), strict=True)
    assert all({**a, drop: 0} == {**b, drop: 0} for a, b in pairs)


def test_a_run_opens_without_its_discriminator_and_logs_its_health(whole_run):
    _, params, info = load(whole_run)
    assert "critic" not in params
    assert info.parameters == "ema"
    logged = metric_lines(whole_run)[-1]
    assert {"adversarial", "adversarial_weight", "discriminator_loss", "discriminator_accuracy"} <= set(logged)
    assert not {name for name in metric_lines(whole_run, "validation")[-1] if name.startswith("discriminator")}


@pytest.mark.slow
def test_a_run_without_a_critic_saves_none_and_may_go_on_with_one(disc_set, tmp_path):
    before = config(ELBO(), **{**SAVED, "steps": 10})
    loop.train(before, disc_set, tmp_path / "run")
    folder = tmp_path / "run" / "checkpoints"
    assert "critic" not in checkpoint.tree_names(folder, 10)
    after = config(OBJECTIVE, **SAVED)
    assert ended_before(tmp_path / "run", after, change=True) is None
    loop.train(after, disc_set, tmp_path / "run")
    assert int(checkpoint.read_tree(folder, 20, "critic")["opt_state"][0]["count"]) == 10


def test_a_run_does_not_go_on_with_another_discriminator(whole_run):
    wider = config(replace(OBJECTIVE, discriminator_width=16), **{**SAVED, "steps": 40})
    with pytest.raises(UserError, match="cannot continue with another discriminator or other network of objective"):
        ended_before(whole_run, wider, change=True)
    slower = config(replace(OBJECTIVE, discriminator_learning_rate=1e-3), **{**SAVED, "steps": 40})
    assert ended_before(whole_run, slower, change=True) is None
    assert ended_before(whole_run, config(ELBO(), **{**SAVED, "steps": 40}), change=True) is None


def test_the_slot_is_there_only_where_the_objective_has_a_critic():
    assert "critic" in trees(begin(config())[1])
    assert "critic" not in trees(begin(config(ELBO()))[1])


@dataclass(frozen=True, kw_only=True)
class Moments(ObjectiveConfig):
    """A kind of the user's own: a critic of two numbers, and a count that it keeps."""

    kind = "test_moments"

    def build(self, examples):
        def opinion(params, terms, x):
            return params["scale"] * (jnp.mean(terms.z, axis=1) + params["shift"])

        critic = Critic(
            init=lambda key, shape: {"scale": jnp.ones(()), "shift": jnp.full((), 0.5 * shape[2])},
            memory={"seen": jnp.zeros(())},
            optimizer=optax.sgd(0.1),
            opinion=opinion,
            value=lambda said, terms, step: -said,
            loss=lambda said, memory, step: jnp.square(said),
            learns=lambda step: jnp.asarray(step) >= 0,
            remember=lambda memory, said, step: {"seen": memory["seen"] + len(said)},
            metrics=lambda said, memory, step: {"said": said, "seen": memory["seen"]},
        )
        weight = jnp.ones(())
        return Objective(variational_terms, lambda terms, step: elbo(terms), bound_metrics, lambda step: weight, critic)


def test_a_critic_of_the_users_own_learns_by_its_own_loss():
    states, metrics = stepped(config(Moments()), 2)
    said = metrics[0]["said"]
    # The mean of the squares is nearly the square of the mean only for the shift, whose derivative is 2 scale² said.
    assert states[1].critic.params["shift"] == pytest.approx(1.5 - 0.1 * 2 * said, rel=1e-5)
    assert [row["seen"] for row in metrics] == [0.0, 48.0]


def test_evaluation_reads_the_end_of_the_record(whole_run, tmp_path):
    lines = metric_lines(whole_run)
    recent = recent_training(whole_run, 20)
    losses = [line["discriminator_loss"] for line in lines]
    assert recent["discriminator_loss"] == pytest.approx(np.mean(losses))
    assert "kind" not in recent
    assert recent_training(whole_run, 5)["discriminator_loss"] == losses[0] != losses[-1]
    assert recent_training(tmp_path / "nowhere", 20) == {}


def test_a_damaged_record_gives_no_findings(whole_run, tmp_path):
    run = shutil.copytree(whole_run, tmp_path / "run")
    (run / "metrics.jsonl").write_text('{"step": 5, "kind": "train"\n{]}\n')
    assert recent_training(run, 20) == {}
    (run / "metrics.jsonl").unlink()
    assert recent_training(run, 20) == {}


def test_evaluate_names_a_discriminator_that_has_won(whole_run, disc_set, tmp_path):
    run = shutil.copytree(whole_run, tmp_path / "run")
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    won = {"discriminator_loss": 0.0, "discriminator_accuracy": 1.0}
    (run / "metrics.jsonl").write_text("".join(json.dumps(line | won) + "\n" for line in lines))
    report, _ = evaluate_run(load(run), disc_set, Options(k=2, n=8), build_features("pixels"))
    (found,) = (each for each in report["doctor"] if each["name"].startswith("discriminator"))
    assert found["name"] == "discriminator_won"
    assert "right about 100.0% of the patches" in found["sentence"]
