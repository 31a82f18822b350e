import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest
from conftest import flat_objective, interrupt_at, metric_lines, tiny_config, train_config

import jaxvae.cli.config_flags
import jaxvae.train
from jaxvae import ELBO, MLP, MMD, BetaTCVAE, Config, FlowPrior, FullMixturePrior, MixturePrior, VampPrior
from jaxvae.data.pixels import to_float
from jaxvae.errors import UserError
from jaxvae.runs import checkpoint
from jaxvae.runs.run import completed, load
from jaxvae.training import loop
from jaxvae.training.validation import Best, out_of_patience

SMALL = MLP(hidden=(8,), latent=2)
# Better until step 10, then worse.
RISE_AND_FALL = {5: 1.0, 10: 3.0, 15: 2.5, 20: 2.0, 25: 1.5, 30: 9.0}


def patient(patience=2, steps=30, mixture=1, **changes):
    train = train_config(
        steps=steps, validate_every=5, patience=patience, picture_every=100, mixture_components=mixture,
        fitted_flow_steps=0,
    )  # fmt: skip
    return dataclasses.replace(tiny_config(model=SMALL, train=train), **changes)


def scripted(monkeypatch, values):
    """Validations come out as written here; the parameters move as they always do."""
    seen = []
    validate = loop.validate

    def noted(*arguments):
        *_, split, step, _ = arguments
        seen.append((split, step))
        measured = validate(*arguments)
        return measured | {"objective_nats": values[step]} if split == "validation" else measured

    monkeypatch.setattr(loop, "validate", noted)
    return seen


def equal(first, second):
    return jax.tree.all(jax.tree.map(np.array_equal, first, second))


@pytest.fixture(scope="module")
def stopped(disc_set, tmp_path_factory):
    run = tmp_path_factory.mktemp("stopped") / "run"
    with pytest.MonkeyPatch.context() as patch:
        seen = scripted(patch, RISE_AND_FALL)
        pictures = loop.train(patient(), disc_set, run)
    assert all(path.exists() for path in pictures)
    return run, seen


def test_a_run_stops_once_its_patience_has_run_out_and_keeps_the_best(stopped):
    run, seen = stopped
    # Two validations after that of step 10 none was better; the better one of step 30 is never reached.
    assert seen == [("validation", 5), ("validation", 10), ("validation", 15), ("validation", 20), ("test", 20)]
    assert checkpoint.steps(run / "checkpoints") == [10, 15, 20]
    loaded = load(run)
    assert (loaded.info.step, loaded.info.parameters, completed(run)) == (20, "best", 20)
    assert equal(loaded.params, load(run, step=10).params)
    assert not equal(loaded.params, checkpoint.read_tree(run / "checkpoints", 20, "params"))
    assert load(run, step=10).info.parameters == "last"


def test_final_evaluation_and_fitting_use_the_best_parameters(stopped, disc_set):
    run, _ = stopped
    vae, params, info = load(run)
    codes = loop.build_draw_codes(vae, info.config)
    keys, images = loop.split_root(0), disc_set.split("train").images
    expected = loop.fit_priors(codes, params, keys, images, loop.Fits(info.config.mixture_components), info.config.seed)
    assert equal(info.fitted.fitted_mixture, expected.fitted_mixture)


def test_the_command_reports_an_early_stopped_run_as_complete(stopped, monkeypatch, capsys):
    run, _ = stopped
    monkeypatch.setattr(jaxvae.cli.config_flags, "read_experiment", lambda path: patient())
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    jaxvae.train.run_training(jaxvae.train.parse_arguments(["here.py", "--run", str(run)]))
    assert f"{run} is complete: it has stopped at step 20, when its patience had run out" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


@pytest.mark.slow
def test_the_best_is_kept_without_early_stopping(disc_set, tmp_path, monkeypatch):
    scripted(monkeypatch, RISE_AND_FALL | {20: 2.0})
    loop.train(patient(patience=3, steps=20), disc_set, tmp_path)
    loaded = load(tmp_path)
    assert (loaded.info.step, loaded.info.parameters) == (20, "best")
    assert equal(loaded.params, load(tmp_path, step=10).params)


@pytest.mark.slow
def test_with_a_moving_average_its_best_is_kept(disc_set, tmp_path, monkeypatch):
    scripted(monkeypatch, RISE_AND_FALL)
    config = patient()
    loop.train(dataclasses.replace(config, train=dataclasses.replace(config.train, ema_decay=0.9)), disc_set, tmp_path)
    folder = tmp_path / "checkpoints"
    assert load(tmp_path).info.parameters == "best"
    assert equal(load(tmp_path).params, checkpoint.read_tree(folder, 10, "ema"))
    assert not equal(load(tmp_path).params, checkpoint.read_tree(folder, 10, "params"))


def test_without_patience_nothing_stops_and_the_last_parameters_are_used(disc_set, tmp_path, monkeypatch):
    seen = scripted(monkeypatch, RISE_AND_FALL)
    loop.train(patient(patience=0), disc_set, tmp_path)
    assert seen[-1] == ("test", 30)
    assert (load(tmp_path).info.parameters, completed(tmp_path)) == ("last", 30)


@pytest.mark.parametrize("stop_at", [7, 17])
@pytest.mark.slow
def test_an_interrupted_run_stops_at_the_same_step_with_the_same_parameters(
    stopped, disc_set, tmp_path, monkeypatch, stop_at
):
    scripted(monkeypatch, RISE_AND_FALL)
    log = loop.log
    interrupt_at(monkeypatch, stop_at)
    config = dataclasses.replace(patient(), train=dataclasses.replace(patient().train, log_every=1))
    with pytest.raises(KeyboardInterrupt, match="continues from there"):
        loop.train(config, disc_set, tmp_path)
    assert completed(tmp_path) is None
    monkeypatch.setattr(loop, "log", log)
    loop.train(config, disc_set, tmp_path)
    whole, cut = load(stopped[0]), load(tmp_path)
    assert (cut.info.step, cut.info.parameters, completed(tmp_path)) == (20, "best", 20)
    assert equal(whole.params, cut.params)
    assert equal(whole.info.fitted.fitted_mixture, cut.info.fitted.fitted_mixture)


@pytest.mark.slow
def test_a_run_killed_after_its_last_validation_only_finishes(stopped, disc_set, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        scripted(patch, RISE_AND_FALL)
        patch.setattr(loop, "fit_priors", lambda *arguments: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            loop.train(patient(), disc_set, tmp_path)
    assert completed(tmp_path) is None
    with pytest.MonkeyPatch.context() as patch:
        seen = scripted(patch, RISE_AND_FALL)
        loop.train(patient(), disc_set, tmp_path)
    assert seen == [("test", 20)]
    assert completed(tmp_path) == 20
    assert equal(load(tmp_path).params, load(stopped[0]).params)


def waits(best, step, patience=2, every=5, **objective):
    train = train_config(patience=patience, validate_every=every)
    return out_of_patience(Config(objective=flat_objective(**objective), train=train), Best(best, 0.0), step)


def test_patience_counts_validations_since_the_best():
    assert [waits(10, step) for step in (10, 15, 20, 25)] == [False, False, True, True]
    assert not waits(10, 1000, patience=0)


def test_patience_ignores_the_kl_warm_up():
    assert [waits(5, step, warmup_steps=20) for step in (15, 20, 25, 30)] == [False, False, False, True]
    # Three rises of 20 steps, with two stretches at beta between them: the last rise ends at step 100.
    assert [waits(5, step, warmup_steps=20, warmup_cycles=3) for step in (95, 105, 110)] == [False, False, True]
    assert waits(50, 60, warmup_steps=20)


def test_patience_runs_out_only_at_validations():
    # The warm-up ends between two validations. A run interrupted ten steps later, between two others, has to go on.
    assert [waits(5, step, warmup_steps=23) for step in (30, 33, 34, 35)] == [False, False, False, True]


def test_too_many_pseudo_inputs_print_one_sentence_and_leave_no_run(call, disc_set, tmp_path_factory):
    source = tmp_path_factory.mktemp("raw") / "few.npy"
    np.save(source, disc_set.split("train").images[:20])
    code, _, err = call(
        "train", "--data.name", source, "--data.size", "None", "--model.prior", "vamp", "--model.prior.components", 17,
        "--model", "mlp", "--model.hidden", 4, "--model.latent", 2,
    )  # fmt: skip
    assert code == 2
    assert "model.prior.components is 17, but must be at most 16" in err
    assert len(err.splitlines()) == 1
    assert not Path("runs").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "prior",
    [MixturePrior(components=3), VampPrior(components=3), FlowPrior(pairs=1, hidden=4), FullMixturePrior(components=2)],
    ids=lambda p: p.kind,
)
def test_every_prior_trains_and_produces_images(disc_set, tmp_path, prior):
    model = dataclasses.replace(SMALL, prior=prior)
    config = patient(patience=0, steps=3, mixture=0, model=model)
    pictures = loop.train(config, disc_set, tmp_path)
    assert all(path.exists() for path in pictures)
    vae, params, info = load(tmp_path)
    assert info.config.model.prior == prior
    z = vae.prior(params).sample(jax.random.key(0), (5,))
    assert np.isfinite(vae.prior(params).log_prob(z)).all()


@pytest.mark.slow
def test_the_first_of_two_equally_good_validations_is_kept(disc_set, tmp_path, monkeypatch):
    scripted(monkeypatch, dict.fromkeys(range(5, 31, 5), 1.0))
    loop.train(patient(patience=4), disc_set, tmp_path / "run")
    loaded = load(tmp_path / "run")
    assert (loaded.info.step, loaded.info.parameters) == (25, "best")
    best = checkpoint.read_tree(tmp_path / "run" / "checkpoints", 5, "params")
    assert jax.tree.all(jax.tree.map(np.array_equal, loaded.params, best))


@pytest.mark.parametrize("values", [{5: 1.0, 10: float("nan"), 15: 3.0}, {5: float("nan"), 10: 3.0, 15: 2.0}])
@pytest.mark.slow
def test_a_nan_validation_is_never_the_best(disc_set, tmp_path, monkeypatch, values):
    scripted(monkeypatch, values)
    loop.train(patient(patience=4, steps=15), disc_set, tmp_path)
    best = next(step for step, value in values.items() if value == 3.0)
    assert load(tmp_path).info.parameters == "best"
    assert equal(load(tmp_path).params, checkpoint.read_tree(tmp_path / "checkpoints", best, "params"))


def test_validations_that_are_all_nan_print_one_sentence(disc_set, tmp_path, monkeypatch):
    scripted(monkeypatch, dict.fromkeys(range(5, 31, 5), float("nan")))
    with pytest.raises(UserError, match="no best validation to keep: objective_nats was not a number in any"):
        loop.train(patient(), disc_set, tmp_path)


@pytest.mark.parametrize(
    "objective",
    [
        MMD(beta=0.0),
        pytest.param(BetaTCVAE(beta=3.0), marks=pytest.mark.slow),
        pytest.param(ELBO(free_nats=1.0), marks=pytest.mark.slow),
    ],
    ids=lambda objective: objective.kind,
)
@pytest.mark.slow
def test_the_best_is_chosen_by_the_trained_objective(disc_set, tmp_path, objective):
    loop.train(patient(patience=5, steps=10, objective=objective), disc_set, tmp_path)
    images, keys = disc_set.split("validation").images, loop.split_root(0)
    vae = load(tmp_path).vae
    for row in metric_lines(tmp_path, "validation"):
        params = checkpoint.read_tree(tmp_path / "checkpoints", row["step"], "params")
        batches, built = [], objective.build(160)
        for number in range(len(images) // 16):
            pixel_key, noise_key = jax.random.split(jax.random.fold_in(jax.random.clone(keys.validation), number))
            x = to_float(pixel_key, images[16 * number : 16 * (number + 1)], "dequantized")
            batches.append(np.mean(built.value(built.terms(vae, params, noise_key, x), 10)))
        assert row["objective_nats"] == pytest.approx(np.mean(batches), rel=1e-5)
        assert checkpoint.read_about(tmp_path / "checkpoints", row["step"])["objective"] == row["objective_nats"]
