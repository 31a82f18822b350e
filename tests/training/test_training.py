import dataclasses
import json
import math
import re
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from conftest import flat_model, interrupt_at, metric_lines, tiny_config, train_config

from jaxvae import MLP, Autoencoder, Conv, TrainConfig
from jaxvae.data.batches import batch_indices
from jaxvae.errors import UserError
from jaxvae.evaluation.per_example import build_measure, means
from jaxvae.models import build
from jaxvae.objectives.bounds import elbo, variational_terms
from jaxvae.runs import checkpoint
from jaxvae.runs.run import completed, load
from jaxvae.training import loop
from jaxvae.training.input_pipeline import feeding, stretch
from jaxvae.training.sharding import place
from jaxvae.training.skipping import init_skip_state
from jaxvae.training.state import TrainState, build_optimizer, init_state, learning_rate, split_root
from jaxvae.training.step import build_train_step, running_mean
from jaxvae.vae import compose


def start(config, shape=(16, 16, 3)):
    vae = build(config.model, shape)
    return vae, init_state(split_root(config.seed), vae, config.train)


def test_the_step_reports_the_elbo_of_the_noise_its_key_draws(disc_set):
    config = tiny_config()
    vae, state = start(config)
    images = jnp.asarray(disc_set.split("train").images[:16])
    pixel_key, _, noise_key = jax.random.split(jax.random.fold_in(split_root(0).train, 0), 3)
    x = (images + jax.random.uniform(pixel_key, images.shape)) / 256.0
    expected = jnp.mean(elbo(variational_terms(vae, state.params, noise_key, x)))
    new, metrics = jax.jit(build_train_step(vae, config, 160))(state, images)
    np.testing.assert_allclose(metrics["elbo_nats"], expected, rtol=1e-5)
    np.testing.assert_allclose(metrics["loss"], -expected, rtol=1e-5)
    np.testing.assert_allclose(metrics["elbo_nats"], metrics["log_likelihood_nats"] - metrics["kl_nats"], rtol=1e-5)
    assert int(new.step) == 1


def test_the_same_step_draws_the_same_noise_and_another_step_other_noise(disc_set):
    config = tiny_config()
    vae, state = start(config)
    step = jax.jit(build_train_step(vae, config, 160))
    images = jnp.asarray(disc_set.split("train").images[:16])
    first, again = step(state, images)[1], step(state, images)[1]
    later = step(state._replace(step=state.step + 1), images)[1]
    assert float(first["loss"]) == float(again["loss"]) != float(later["loss"])


def test_a_small_batch_is_memorised(disc_set):
    config = tiny_config(train=train_config(steps=300))
    vae, state = start(config)
    step = jax.jit(build_train_step(vae, config, 160), donate_argnums=0)
    images = jnp.asarray(disc_set.split("train").images[:4])
    values = []
    for _ in range(300):
        state, metrics = step(state, images)
        values.append(float(metrics["elbo_nats"]))
    assert np.mean(values[-20:]) > np.mean(values[:20]) + 1000


def test_the_new_state_reuses_the_memory_of_the_old(disc_set):
    config = tiny_config()
    vae, state = start(config)
    images = disc_set.split("train").images[:8]
    step = jax.jit(build_train_step(vae, config, 160), donate_argnums=0).lower(state, images).compile()
    arrays = jax.tree.leaves(state._replace(key=None))
    assert step.memory_analysis().alias_size_in_bytes >= sum(leaf.nbytes for leaf in arrays)


def test_a_non_finite_update_is_skipped(disc_set):
    config = tiny_config()
    vae, state = start(config)
    broken = state._replace(params={**state.params, "likelihood": {"log_variance": jnp.asarray(jnp.nan)}})
    new, metrics = jax.jit(build_train_step(vae, config, 160))(broken, jnp.asarray(disc_set.split("train").images[:4]))
    assert not math.isfinite(metrics["loss"])
    assert (int(new.step), int(metrics["skipped_steps"])) == (1, 1)
    assert int(new.opt_state[1][0].count) == 0
    assert jax.tree.all(jax.tree.map(np.array_equal, new.params["encoder"], broken.params["encoder"]))


def test_the_moving_average_follows_the_parameters(disc_set):
    config = tiny_config(train=train_config(ema_decay=0.9, warmup_steps=0))
    vae, state = start(config)
    new, _ = jax.jit(build_train_step(vae, config, 160))(state, jnp.asarray(disc_set.split("train").images[:4]))
    name = "kernel"
    before, after = (each.params["encoder"]["Dense_0"][name] for each in (state, new))
    assert not np.array_equal(before, after)
    # The first update forgets with 1/10, an update late in the run with the decay.
    np.testing.assert_allclose(new.ema["encoder"]["Dense_0"][name], 0.1 * before + 0.9 * after, rtol=1e-4, atol=1e-6)
    assert new.evaluated is new.ema
    moved = running_mean(state.ema, new.params, jnp.asarray(10_000), 0.9)
    np.testing.assert_allclose(moved["encoder"]["Dense_0"][name], 0.9 * before + 0.1 * after, rtol=1e-4, atol=1e-6)


def test_the_learning_rate_rises_to_its_peak_and_falls_to_zero():
    schedule = learning_rate(TrainConfig(steps=100, warmup_steps=10, learning_rate=0.5))
    assert float(schedule(0)) == pytest.approx(0.5 / 11)
    assert float(schedule(10)) == pytest.approx(0.5)
    assert float(schedule(55)) == pytest.approx(0.25, rel=0.01)
    assert float(schedule(100)) == pytest.approx(0.0, abs=1e-6)
    assert math.isfinite(float(learning_rate(TrainConfig(steps=1))(0)))


def test_gradients_above_the_norm_are_scaled_down():
    optimizer = build_optimizer(TrainConfig(clip_norm=1.0))
    updates = [optax.tree.scale(size, {"w": jnp.asarray([3.0, 4.0])}) for size in (1.0, 100.0)]
    moved = [optimizer.update(each, optimizer.init(each), each)[1] for each in updates]
    np.testing.assert_allclose(moved[0][1][0].mu["w"], moved[1][1][0].mu["w"], rtol=1e-6)


def test_weight_decay_leaves_the_likelihood_and_the_prior_alone():
    params = {"encoder": {"w": jnp.ones(2)}, "likelihood": {"log_variance": jnp.ones(())}, "prior": {"x": jnp.ones(3)}}
    still = jax.tree.map(jnp.zeros_like, params)
    optimizer = build_optimizer(TrainConfig(weight_decay=0.1, learning_rate=0.01, warmup_steps=0))
    moved, _ = optimizer.update(still, optimizer.init(params), params)
    np.testing.assert_allclose(moved["encoder"]["w"], -0.1 * 0.01 * np.ones(2), rtol=1e-5)
    assert not np.any(moved["likelihood"]["log_variance"])
    assert not np.any(moved["prior"]["x"])


def test_without_likelihood_and_prior_the_optimizer_is_adamw():
    params = {"w": jnp.asarray([1.0, -2.0])}
    gradients = {"w": jnp.asarray([0.3, 0.4])}
    config = TrainConfig(weight_decay=0.1, learning_rate=0.01, clip_norm=None)
    ours, theirs = build_optimizer(config), optax.adamw(learning_rate(config), weight_decay=0.1)
    mine, others = (each.update(gradients, each.init(params), params)[0] for each in (ours, theirs))
    np.testing.assert_array_equal(mine["w"], others["w"])


@pytest.mark.parametrize("resident", [True, False])
@pytest.mark.parametrize("network", ["conv", "mlp"])
def test_both_ways_of_feeding_run_the_same_batches(disc_set, resident, network):
    config = tiny_config(seed=3, model=flat_model(network=network), train=train_config(batch_size=14, log_every=4))
    images = disc_set.split("train").images

    def first_pixels(state, batch):
        return state._replace(step=state.step + 1), {"loss": batch.astype(jnp.float32).sum()}

    with feeding(first_pixels, config, images, place(config), resident=resident) as advance:
        state, sums, lengths = TrainState(jnp.zeros(()), {}, None, (), split_root(0).train, init_skip_state()), [], []
        while len(sums) < 13:
            state, metrics = advance(state, len(sums))
            lengths.append(len(metrics["loss"]))
            sums += metrics["loss"].tolist()
    assert lengths == ([1] * 13 if network == "conv" and not resident else [4, 4, 4, 4])
    assert float(state.step) == len(sums)
    expected = [float(images[batch_indices(3, step, 14, len(images))].sum()) for step in range(len(sums))]
    assert sums == pytest.approx(expected)


def test_a_stretch_of_steps_ends_where_something_is_observed():
    settings = train_config(steps=100, log_every=30, validate_every=50, picture_every=75)
    config = tiny_config(model=MLP(), train=settings)
    ends = [0]
    while ends[-1] < settings.steps:
        ends.append(ends[-1] + stretch(config, ends[-1], resident=False))
    assert ends == [0, 30, 50, 60, 75, 90, 100]


def test_a_run_learns_and_records_everything(disc_run):
    rows = metric_lines(disc_run)
    assert [row["step"] for row in rows] == list(range(5, 41, 5))
    assert rows[-1]["elbo_nats"] > rows[0]["elbo_nats"]
    assert {"log_likelihood_nats", "kl_nats", "elbo_nats", "bits_per_dim", "gradient_norm", "active_units"} <= set(
        rows[0]
    )
    assert [row["step"] for row in metric_lines(disc_run, "validation")] == [20, 40]
    assert [row["n"] for row in metric_lines(disc_run, "validation") + metric_lines(disc_run, "test")] == [50, 50, 21]
    assert list((disc_run / "tensorboard").iterdir())
    names = {"reconstructions.png", "samples.png", "interpolation.png"}
    for folder in (disc_run / "samples", disc_run / "samples" / "step-000020"):
        assert names <= {path.name for path in folder.iterdir()}


def test_a_run_opens_from_its_folder_alone(disc_run, mlp_run, disc_set):
    vae, params, info = load(disc_run)
    assert info.config == tiny_config()
    assert (info.step, info.parameters, completed(disc_run)) == (40, "last", 40)
    assert info.fitted.kinds == ("fitted_mixture",)
    assert info.fitted.fitted_mixture["means"].shape[1] == 4
    fitted = load(mlp_run).info.fitted
    assert fitted.kinds == ("fitted_mixture", "fitted_flow")
    assert fitted.fitted_mixture["means"].shape[1] == len(fitted.fitted_flow["center"]) == 3
    assert info.data["attributes"] == ["red", "high", "width"]
    assert {"jax", "jaxvae", "flax", "python"} <= set(info.versions)
    measured = build_measure(vae, info.config)(params, split_root(0).validation, disc_set.split("validation").images)
    assert means(measured)["elbo_nats"] == pytest.approx(
        metric_lines(disc_run, "validation")[-1]["elbo_nats"], rel=1e-6
    )


def test_an_interrupted_run_continues_bit_for_bit(disc_run, disc_set, tmp_path, monkeypatch):
    config = tiny_config()
    interrupt_at(monkeypatch, 25)
    run = tmp_path / "cut"
    with pytest.raises(KeyboardInterrupt, match="continues from there"):
        loop.train(config, disc_set, run)
    stopped = checkpoint.steps(run / "checkpoints")[-1]
    assert 25 < stopped < 40
    monkeypatch.undo()
    loop.train(config, disc_set, run)
    whole, cut = load(disc_run), load(run)
    assert jax.tree.all(jax.tree.map(np.array_equal, whole.params, cut.params))
    drop = "images_per_second"
    for kind in ("train", "validation", "test"):
        pairs = zip(metric_lines(disc_run, kind), metric_lines(run, kind), strict=True)
        assert all({**a, drop: 0} == {**b, drop: 0} for a, b in pairs)


def test_the_last_two_and_the_best_checkpoints_are_kept(disc_set, tmp_path):
    with checkpoint.open_checkpoints(tmp_path) as checkpointer:
        for step, objective in [(1, 5.0), (2, 9.0), (3, 1.0), (4, 2.0), (5, None)]:
            checkpoint.save(checkpointer, step, {"params": {"w": jnp.ones(2)}}, about={}, objective=objective)
    assert checkpoint.steps(tmp_path) == [2, 4, 5]


def test_non_finite_steps_are_reported_and_the_last_good_state_is_kept(disc_set, tmp_path):
    config = tiny_config(train=train_config(learning_rate=1e18, clip_norm=1e30, warmup_steps=0))
    with pytest.raises(UserError) as error:
        loop.train(config, disc_set, tmp_path / "run")
    pattern = r"(log_likelihood_nats|kl_nats) is (nan|inf|-inf), .* at step (\d+), the last of 10 in a row"
    told = re.match(pattern, str(error.value))
    assert told, error.value
    loaded = load(tmp_path / "run")
    assert loaded.info.step == int(told[3]) - 10
    assert f"of step {loaded.info.step}, is kept" in str(error.value)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(loaded.params))
    listed = json.loads((tmp_path / "run" / "not-finite.json").read_text())["pictures_by_step"]
    assert list(listed) == [str(loaded.info.step + i) for i in range(1, 11)]
    assert listed[told[3]] == batch_indices(0, int(told[3]) - 1, 16, 160).tolist()
    # The same command meets the same batch and the same noise, and says the same again.
    with pytest.raises(UserError) as again:
        loop.train(config, disc_set, tmp_path / "run")
    assert str(again.value) == str(error.value)


def test_non_finite_steps_from_the_start_keep_the_initial_state(disc_set, tmp_path, monkeypatch):
    def broken(*arguments):
        vae = build(*arguments)
        return compose(vae.init, vae.encode, lambda params, z: vae.decode(params, z * jnp.nan), vae.prior)

    monkeypatch.setattr(loop, "build", broken)
    config = tiny_config(train=train_config(most_not_finite=3))
    with pytest.raises(UserError, match=r"log_likelihood_nats is nan, .* at step 3, .* of step 0, is kept"):
        loop.train(config, disc_set, tmp_path / "run")
    assert load(tmp_path / "run").info.step == 0


def test_one_non_finite_step_is_skipped_and_reported(disc_set, tmp_path, monkeypatch, capsys):
    original = loop.build_train_step

    def failing_once(*arguments):
        train_step = original(*arguments)

        def step(state, images):
            hurt = jnp.where(state.step == 7, jnp.nan, 1.0)
            likelihood = jax.tree.map(lambda leaf: leaf * hurt, state.params["likelihood"])
            after, metrics = train_step(state._replace(params=state.params | {"likelihood": likelihood}), images)
            keep = jax.tree.map(lambda old, new: jnp.where(state.step == 7, old, new), state.params, after.params)
            return after._replace(params=keep), metrics

        return step

    monkeypatch.setattr(loop, "build_train_step", failing_once)
    loop.train(tiny_config(train=train_config(steps=12)), disc_set, tmp_path / "run")
    assert "step 8 skipped: log_likelihood_nats is nan, gradient not finite in" in capsys.readouterr().out
    assert [row["skipped_steps"] for row in metric_lines(tmp_path / "run")] == [0.0, 1.0, 1.0]
    assert completed(tmp_path / "run") == 12


def test_a_run_does_not_continue_with_other_images(disc_set, disc_run, tmp_path):
    run = shutil.copytree(disc_run, tmp_path / "run")
    splits = {name: {**part, "sha256": {}} for name, part in disc_set.info["splits"].items()}
    info = {**disc_set.info, "splits": splits}
    with pytest.raises(UserError, match=r"does not hold the images that the run in .* was trained on"):
        loop.train(tiny_config(), dataclasses.replace(disc_set, info=info), run)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"objective": Autoencoder()}, {"log_likelihood_nats"}),
        pytest.param(
            {"model": Conv(latent=2, channels=(4, 4), latent_kind="spatial", down="max_pool", up="unpool")},
            {"kl_nats"}, marks=pytest.mark.slow,
        ),
        ({"model": MLP(hidden=(16,), latent=3)}, {"bits_per_dim"}),
    ],
)  # fmt: skip
@pytest.mark.slow
def test_every_kind_of_model_trains_and_produces_images(disc_set, tmp_path, changes, expected):
    few = train_config(steps=6, ema_decay=0.9, mixture_components=1)
    config = tiny_config(train=few, **changes)
    pictures = loop.train(config, disc_set, tmp_path / "run")
    assert all(path.exists() for path in pictures)
    assert expected <= set(metric_lines(tmp_path / "run", "test")[0])
    if config.objective.kind == "autoencoder":
        assert "kl_nats" not in metric_lines(tmp_path / "run")[0]


@pytest.mark.slow
def test_a_constant_learning_rate_is_one_of_the_metrics(disc_set, tmp_path):
    settings = train_config(steps=5, schedule="constant", warmup_steps=0)
    loop.train(tiny_config(train=settings), disc_set, tmp_path / "run")
    assert [row["learning_rate"] for row in metric_lines(tmp_path / "run")] == pytest.approx([settings.learning_rate])


def test_a_run_is_not_complete_before_its_images_are_drawn(disc_set, tmp_path, monkeypatch):
    """Killed in between, it would never draw them."""
    original, seen = loop.show, []

    def watching(*arguments):
        seen.append(completed(tmp_path / "run"))
        return original(*arguments)

    monkeypatch.setattr(loop, "show", watching)
    model = MLP(hidden=(8,), latent=3)
    settings = train_config(steps=20, validate_every=10, picture_every=50)
    loop.train(tiny_config(model=model, train=settings), disc_set, tmp_path / "run")
    assert (seen, completed(tmp_path / "run")) == ([None], 20)
