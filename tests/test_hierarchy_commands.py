"""Training, and the commands after it, on a model whose codes have levels."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import interrupt_at, metric_lines, mistake, saved_run, tiny_config, train_config
from PIL import Image

from jaxvae import ELBO, HVAE, TopDown, load
from jaxvae.attribute import attribute
from jaxvae.decode import decode
from jaxvae.encode import encode
from jaxvae.evaluate import evaluate
from jaxvae.interpolate import interpolate
from jaxvae.latents.attributes import directions
from jaxvae.latents.attributes.directions import coarse_levels
from jaxvae.latents.code_files import read_codes
from jaxvae.latents.encoding import encode_split
from jaxvae.latents.paths.details import set_details
from jaxvae.map import draw_map
from jaxvae.neighbours import neighbours
from jaxvae.sample import sample
from jaxvae.training.loop import train
from jaxvae.traverse import traverse
from jaxvae.vae import code_shape

TINY = HVAE(hidden=12, latent=(3, 5))
CONFIG = tiny_config(
    model=TINY,
    objective=ELBO(free_nats=0.1, free_groups="level"),
    train=train_config(optimizer="adamax", ema_decay=0.9, mixture_components=2),
)


@pytest.fixture(scope="module")
def run(disc_set, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "levels"
    train(CONFIG, disc_set, folder)
    return folder


def test_metrics_name_the_kl_of_each_level_and_samples_come_from_the_own_prior(run):
    last = metric_lines(run)[-1]
    assert last["kl_nats/z1"] + last["kl_nats/z2"] == pytest.approx(last["kl_nats"], rel=1e-4)
    opened = load(run)
    assert opened.vae.levels == ("z2", "z1")
    assert opened.info.fitted.kinds == ("fitted_mixture",)


@pytest.mark.slow
def test_an_interrupted_run_continues_bit_for_bit(run, disc_set, tmp_path, monkeypatch):
    interrupt_at(monkeypatch, 25)
    with pytest.raises(KeyboardInterrupt, match="continues from there"):
        train(CONFIG, disc_set, tmp_path / "stopped")
    monkeypatch.undo()
    train(CONFIG, disc_set, tmp_path / "stopped")
    whole, continued = load(run), load(tmp_path / "stopped")
    jax.tree.map(np.testing.assert_array_equal, whole.params, continued.params)


@pytest.mark.slow
def test_sample_takes_a_temperature_for_each_level_and_varies_an_image(call, run):
    pictures = {}
    for name, arguments in {
        "warm": ("--n", 4),
        "cold": ("--n", 4, "--temperature", 0, 0),
        "mixture": ("--n", 4, "--prior", "fitted_mixture"),
        "ladder": ("--like", "test:2"),
        "kept": ("--like", "test:2", "--keep-levels", 1, "--n", 3),
        "all": ("--like", "test:2", "--keep-levels", 2, "--n", 3),
    }.items():
        code, out, err = call(sample, run, *arguments, "--json")
        assert (code, err) == (0, "")
        pictures[name] = np.asarray(Image.open(json.loads(out)["picture"]))
    # Cells of a grid, by column: at temperature 0 all draws are equal, and so is an image of which all levels are kept.
    assert _cells_are_equal(pictures["cold"][: len(pictures["cold"]) // 2], 2)
    assert not _cells_are_equal(pictures["warm"][: len(pictures["warm"]) // 2], 2)
    assert _cells_are_equal(pictures["all"], 4)
    assert not _cells_are_equal(pictures["kept"], 4)
    assert (pictures["mixture"] != pictures["warm"]).any()
    assert pictures["ladder"].shape[0] == pytest.approx(2 * pictures["kept"].shape[0], rel=0.2)


def _cells_are_equal(row, count):
    width = row.shape[1] // count
    first = row[:, : width - 8]
    shifts = range(width - 8, width + 9)
    return any(np.array_equal(first, row[:, shift : shift + width - 8]) for shift in shifts)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--temperature", 1, 1, 1), "--temperature has 3 numbers"),
        (("--like", "test:0", "--keep-levels", 3), "--keep-levels is 3, but must be between 0 and 2"),
        (("--keep-levels", 1), "add --like WHICH"),
        (("--temperature", 1, "nan"), "--temperature is 1 nan"),
        (
            ("--like", "test:0", "--keep-levels", 1, "--prior", "fitted_mixture"),
            "--prior fitted_mixture draws the levels z2, z1 together",
        ),
        (("--like", "test:0", "--prior", "fitted_mixture"), "use --prior model, or --keep-levels 0 or at least 2"),
    ],
)
def test_levels_that_the_model_lacks_are_refused(call, run, arguments, told):
    mistake(call(sample, run, *arguments), told)


def test_more_levels_than_there_are_cannot_be_written(call, run):
    mistake(call(encode, run, "--levels", 3), "--levels is 3, but for", "between 1 and 2 (z2, z1)")


def test_the_coarsest_levels_are_those_of_whole_codes(run, disc_set):
    opened = load(run)
    whole, top = (encode_split(opened, disc_set, "test", levels) for levels in (None, 1))
    assert (len(whole.mean), len(top.mean), len(top.standard_deviation)) == (2, 1, 1)
    np.testing.assert_array_equal(top.mean[0], whole.mean[0])
    np.testing.assert_array_equal(top.standard_deviation[0], whole.standard_deviation[0])
    images = opened.decode(tuple(jnp.asarray(level[:3]) for level in top.mean))
    filled = (whole.mean[0][:3], np.zeros_like(whole.mean[1][:3]))
    np.testing.assert_array_equal(images, opened.decode(tuple(map(jnp.asarray, filled))))


def test_a_model_of_one_level_has_none_to_keep(call, dense_run):
    mistake(call(sample, dense_run, "--like", "test:0"), "it needs a hierarchy")
    mistake(call(sample, dense_run, "--temperature", 1, 1), "takes 1, since its codes have a single level")


def test_free_nats_of_levels_need_levels():
    with pytest.raises(ValueError, match="model 'conv' has one level"):
        tiny_config(objective=ELBO(free_nats=1.0, free_groups="level"))


def test_evaluation_reports_each_level(call, run):
    for prior in ("model", "fitted_mixture"):
        code, out, err = call(evaluate, run, "--k", 5, "--n", 20, "--prior", prior, "--out", f"{prior}.json")
        assert (code, err) == (0, "")
        with open(f"{prior}.json") as file:
            report = json.load(file)
        assert [level["name"] for level in report["levels"]] == ["z2", "z1"]
        assert [level["units"] for level in report["levels"]] == [3, 5]
        assert "level z2" in out
    assert report["rate_nats"]["mean"] > 0


@pytest.mark.parametrize("path", ["linear", "spherical", "prior", "geodesic"])
def test_every_path_leads_through_all_levels(call, run, path):
    code, out, err = call(interpolate, run, "--path", path, "--steps", 3, "--npz", "--json")
    assert (code, err) == (0, "")
    with np.load(json.loads(out)["npz"]) as arrays:
        assert [arrays[f"codes_{level}"].shape for level in (0, 1)] == [(3, 3), (3, 5)]
        assert all(np.isfinite(arrays[f"codes_{level}"]).all() for level in (0, 1))


def test_the_coarsest_levels_alone_go_to_a_file_and_back(call, run):
    for name, arguments in (("top.npz", ()), ("standard.npz", ("--standardize",))):
        assert call(encode, run, "--split", "test", "--levels", 1, "--out", name, *arguments)[0] == 0
        with np.load(name) as arrays:
            assert arrays["mean"].shape[1:] == (3,)
    opened = load(run)
    like = code_shape(opened.vae, opened.params)
    top, standard = (read_codes(Path(name), like, opened.vae.levels).mean for name in ("top.npz", "standard.npz"))
    np.testing.assert_allclose(top[0], standard[0], rtol=1e-4, atol=1e-5)
    assert not np.asarray(top[1]).any()
    assert call(decode, run, "top.npz")[0] == 0


def test_codes_of_other_levels_are_refused(call, run, tmp_path_factory):
    other = tmp_path_factory.mktemp("codes") / "other.npy"
    np.save(other, np.zeros((2, 4), np.float32))
    mistake(call(decode, run, other), "codes of shape (4,)", "(8,) or (3,)")


def test_codes_go_to_a_file_and_back(call, run):
    assert call(encode, run, "--split", "test", "--out", "codes.npz")[0] == 0
    with np.load("codes.npz") as arrays:
        assert arrays["mean"].shape[1] == 8
    code, _, err = call(decode, run, "codes.npz")
    assert (code, err) == (0, "")
    assert call(sample, run, "--like", "codes.npz:1")[0] == 0


def test_attributes_move_the_top_and_carry_the_details(call, run, disc_set):
    opened = load(run)
    from jaxvae.latents.attributes.directions import attribute_directions

    for direction in attribute_directions(opened, disc_set).values():
        assert np.asarray(direction.vector[0]).any() or np.asarray(direction.vector[1]).any()
        assert [level.shape for level in direction.vector] == [(3,), (5,)]
    assert call(attribute, "add", run, "red", "--images", "test:0")[0] == 0


def test_the_other_commands_take_levels(call, run):
    for command, arguments in (
        (draw_map, ()), (neighbours, ("--space", "codes", "--compared", "20")),
    ):  # fmt: skip
        code, _, err = call(command, run, *arguments)
        assert (code, err) == (0, ""), command


def test_traverse_shows_the_leading_channels_of_each_level(call, run):
    code, out, err = call(traverse, run, "--units", 2, "--json")
    assert (code, err) == (0, "")
    result = json.loads(out)
    levels = load(run).vae.levels
    assert result["by"] == "channel"
    assert [unit["level"] for unit in result["units"]] == [level for level in levels for _ in range(2)]
    for first, second in zip(result["units"][::2], result["units"][1::2], strict=True):
        assert first["rate_nats"] >= second["rate_nats"]
        assert first["unit"].startswith(f"{first['level']} ")
    code, out, err = call(traverse, run, "--level", levels[1], "--by", "unit", "--json")
    assert (code, err) == (0, "")
    assert {unit["level"] for unit in json.loads(out)["units"]} == {levels[1]}


def test_traverse_refuses_levels_that_a_model_does_not_have(call, run, dense_run):
    mistake(call(traverse, run, "--level", "9x9"), "--level is 9x9, but must be one of z2, z1")
    mistake(call(traverse, run, "--units", 6), "--units is 6", "only 5 channels in a level")
    mistake(call(traverse, dense_run, "--level", "z1"), "not a hierarchy")


def test_levels_are_balanced_only_in_a_hierarchy():
    with pytest.raises(ValueError, match="model 'conv' has one level"):
        tiny_config(objective=ELBO(balance_levels=True, warmup_steps=2))
    with pytest.raises(ValueError, match="coarse_first_steps is 9, but must be 0, since model 'conv' has one level"):
        tiny_config(objective=ELBO(coarse_first_steps=9))


def test_fine_levels_of_a_path_can_be_those_of_the_start_or_their_mean(run):
    vae = load(run).vae._replace(top_levels=1)
    first, last = (np.ones(3), np.full(5, 2.0)), (np.full(3, 3.0), np.full(5, 4.0))
    assert set_details(vae, [first, last], "interpolate") == [first, last]
    for details, below in (("start", 2.0), ("mean", 0.0)):
        for end, top in zip(set_details(vae, [first, last], details), (1.0, 3.0), strict=True):
            np.testing.assert_array_equal(end[0], np.full(3, top))
            np.testing.assert_array_equal(end[1], np.full(5, below))


def test_a_model_without_fine_levels_has_no_details_to_choose(call, run, dense_run):
    for each in (run, dense_run):  # Both levels of the small hierarchy count as coarse.
        mistake(call(interpolate, each, "--details", "start"), "--details is start", "no fine levels")
        # Before the images are looked for.
        mistake(call(interpolate, each, "--details", "start", "--from", "no.png"), "--details is start")


@pytest.mark.slow
def test_a_walk_with_the_details_of_its_start(call, disc_set, tmp_path):
    # 4x4 with 320 units is coarse, 8x8 with 1280 fine.
    model = TopDown(stem=(4,), channels=(8, 8), blocks=(1, 1), middle=4, latent=20)
    saved = saved_run(tmp_path / "wide", tiny_config(model=model), disc_set)
    assert load(saved).vae.top_levels == 1
    code, out, err = call(interpolate, saved, "--details", "start", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["details"] == "start"


def test_a_fitted_prior_is_refused_for_a_top_that_is_too_large(disc_set, tmp_path):
    model = TopDown(stem=(), channels=(8,), blocks=(1,), middle=4, latent=5)
    for settings in ({"mixture_components": 2}, {"fitted_flow_steps": 3}):
        config = tiny_config(
            model=model, train=train_config(**{"mixture_components": 0, "fitted_flow_steps": 0} | settings)
        )
        with pytest.raises(ValueError, match="level 16x16 has 1280 units, but priors are fitted to at most 1024"):
            train(config, disc_set, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_directions_move_as_many_levels_as_have_4096_units_together():
    for units, levels in (((32, 128, 3936, 10), 3), ((32, 128, 3937), 2), ((5000, 3), 1)):
        assert coarse_levels(tuple(np.zeros(each) for each in units)) == levels


def test_a_direction_leaves_levels_below_those_it_was_learned_on(run, disc_set, monkeypatch):
    monkeypatch.setattr(directions, "MAX_UNITS", 3)  # Of levels of 3 and 5 units.
    for learned in directions.attribute_directions(load(run), disc_set).values():
        assert [level.shape for level in learned.vector] == [(3,), (5,)]
        assert learned.vector[0].any()
        assert not learned.vector[1].any()
