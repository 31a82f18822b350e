import dataclasses
import json
import shutil

import jax
import numpy as np
import pytest
from conftest import metric_lines, tiny_config, train_config

from jaxvae import MLP, MMD, Conv, DataConfig
from jaxvae.errors import UserError
from jaxvae.runs import checkpoint
from jaxvae.runs.changes import ended_before
from jaxvae.runs.run import completed, load, read_config
from jaxvae.training import loop

SETTINGS = {"validate_every": 4, "log_every": 1, "picture_every": 100, "mixture_components": 0, "fitted_flow_steps": 0}


def config(steps=8, **changes):
    model = changes.pop("model", MLP(hidden=(8,), latent=3))
    rest = {name: changes.pop(name) for name in ("data", "objective", "seed") if name in changes}
    return tiny_config(model=model, train=train_config(steps=steps, **SETTINGS | changes), **rest)


@pytest.fixture(scope="module")
def complete(disc_set, tmp_path_factory):
    loop.train(config(), disc_set, folder := tmp_path_factory.mktemp("changes") / "run")
    return folder


@pytest.fixture
def run(complete, tmp_path):
    return shutil.copytree(complete, tmp_path / "run")


def test_a_finished_run_continues_with_more_steps_and_other_values(run, disc_set):
    before = metric_lines(run)
    more = config(steps=16, learning_rate=1e-4, batch_size=8)
    with pytest.raises(UserError, match=r"train.steps is 8 there and 16 here.* --change to continue it with these"):
        ended_before(run, more)
    assert ended_before(run, more, change=True) is None
    loop.train(more, disc_set, run)
    assert (completed(run), read_config(run)) == (16, more)
    rows = metric_lines(run)
    assert [row["step"] for row in rows] == list(range(1, 17))
    assert rows[:8] == before
    # The learning rate of the new schedule from the first new step on.
    assert all(row["learning_rate"] <= 1e-4 for row in rows[8:])
    (change,) = metric_lines(run, "change")
    assert change["step"] == 8
    assert change["changed"]["train.steps"] == [8, 16]
    assert change["changed"]["train.batch_size"] == [16, 8]
    about = checkpoint.read_about(run / "checkpoints", 16)
    assert about["changes"] == [{"step": 8, "changed": change["changed"]}]
    # The same command again continues nothing and records nothing.
    assert ended_before(run, more) == 16


@pytest.mark.slow
def test_a_finished_run_gets_another_fitted_prior_without_a_further_step(run, disc_set):
    before = load(run)
    matched = config(flow_matching_steps=10)
    assert ended_before(run, matched, change=True) is None
    loop.train(matched, disc_set, run)
    after = load(run)
    assert (before.info.fitted.kinds, after.info.fitted.kinds) == ((), ("fitted_flow_matching",))
    assert (after.info.step, completed(run)) == (8, 8)
    jax.tree.map(np.testing.assert_array_equal, before.params, after.params)
    with pytest.raises(UserError, match="to continue it needs more"):
        ended_before(run, config(flow_matching_steps=10, learning_rate=1e-4), change=True)


@pytest.mark.slow
def test_a_change_without_a_checkpoint_is_recorded_once(run, disc_set, monkeypatch):
    more = config(steps=16)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "run_steps", lambda *arguments: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            loop.train(more, disc_set, run)
    with pytest.raises(UserError, match="--change"):  # What the checkpoint was trained with counts, not config.json.
        ended_before(run, more)
    loop.train(more, disc_set, run)
    assert len(metric_lines(run, "change")) == 1
    loop.train(config(steps=20), disc_set, run)
    assert [each["step"] for each in checkpoint.read_about(run / "checkpoints", 20)["changes"]] == [8, 16]


def test_an_edited_config_does_not_change_what_the_run_was_trained_with(run):
    text = json.loads((run / "config.json").read_text())
    text["train"]["learning_rate"] = 0.5
    (run / "config.json").write_text(json.dumps(text))
    assert read_config(run) == config()
    with pytest.raises(UserError, match=r"train.learning_rate is 0.003 there and 0.5 here"):
        ended_before(run, config(learning_rate=0.5))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model": MLP(hidden=(9,), latent=3)}, "cannot continue with another model.hidden"),
        ({"seed": 1}, "cannot continue with another seed"),
        ({"ema_decay": 0.9}, "cannot continue with another train.ema_decay"),
        ({"data": DataConfig(name="discs", size=8)}, "cannot continue with another data"),
        ({"steps": 8, "batch_size": 8}, "train.steps is 8, but .* has made 8 steps; to continue it needs more"),
        ({"steps": 4}, "train.steps is 4, but .* has made 8 steps"),
    ],
)
def test_what_cannot_change_is_refused(run, changes, told):
    with pytest.raises(UserError, match=told):
        ended_before(run, config(**changes), change=True)


@pytest.mark.slow
def test_under_another_objective_earlier_validations_are_not_compared(disc_set, tmp_path):
    patient = {"patience": 10}
    loop.train(config(**patient), disc_set, tmp_path)
    # Its values are far below those of the ELBO before.
    loop.train(config(steps=16, objective=MMD(mmd_weight=1e7), **patient), disc_set, tmp_path)
    folder = tmp_path / "checkpoints"
    assert checkpoint.best(folder, 8)[0] > 8
    best = checkpoint.read_tree(folder, checkpoint.best(folder, 8)[0], "params")
    assert jax.tree.all(jax.tree.map(np.array_equal, load(tmp_path).params, best))


@pytest.mark.slow
def test_a_new_run_starts_from_the_parameters_of_another_on_other_images(run, disc_set, tmp_path):
    trained = load(run).params
    model = MLP(hidden=(8,), latent=3, start_from=str(run))
    other = config(steps=1, learning_rate=1e-12, model=model, ema_decay=0.5)
    loop.train(other, disc_set, tmp_path / "other")
    for mine, others in zip(jax.tree.leaves(load(tmp_path / "other").params), jax.tree.leaves(trained), strict=True):
        # Adam moves a value by the learning rate, and the moving average, (2 x + 9 x) / 11, is rounded thrice: it is
        # not exact, but off by two units in the last place at most.
        np.testing.assert_allclose(mine, others, rtol=2**-22, atol=1e-11)
    narrow = dataclasses.replace(model, latent=2)
    with pytest.raises(UserError, match=r"not those of this model: model.latent is 3 there and 2 here"):
        loop.train(config(model=narrow), disc_set, tmp_path / "narrow")
    assert not (tmp_path / "narrow").exists()
    with pytest.raises(UserError, match=r"not those of this model: model.kind is 'mlp' there and 'conv' here\.$"):
        loop.train(config(model=Conv(start_from=str(run))), disc_set, tmp_path / "conv")
    with pytest.raises(UserError, match="does not exist"):
        loop.train(config(model=dataclasses.replace(model, start_from="nowhere")), disc_set, tmp_path / "nothing")


def test_the_command_takes_the_short_form_and_the_change(call, run, disc_set, tmp_path):
    code, out, _ = call("train", "--help-all", "--model.from", run)
    assert code == 0
    assert "--model.start-from" in out
    assert "--change" in out
