import dataclasses
import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from conftest import DENSE, mistake, saved_run, tiny_config, untrained
from PIL import Image
from scipy.stats import norm

from jaxvae import Autoencoder, Conv, VampPrior
from jaxvae.codes import flatten, unflatten
from jaxvae.inference import decode_to_images, encode_means
from jaxvae.latents.units.names import channel_groups, unit_groups, unit_names
from jaxvae.latents.units.rates import unit_rates
from jaxvae.latents.units.traversal import leading_groups, summary
from jaxvae.latents.units.traversal import traverse as walk
from jaxvae.rendering.captions import MIN_SIDE, labelled_grid
from jaxvae.traverse import traverse
from jaxvae.vae import code_shape

SPATIAL = Conv(latent_kind="spatial", latent=2, channels=(4, 4))


def test_units_of_a_vector_are_numbers_and_units_of_a_map_are_positions():
    assert unit_names(np.zeros(3)) == ["0", "1", "2"]
    names = unit_names(np.zeros((2, 3, 2)))
    assert names[:3] == ["(0, 0, 0)", "(0, 0, 1)", "(0, 1, 0)"]
    assert names[np.ravel_multi_index((1, 2, 1), (2, 3, 2))] == "(1, 2, 1)"
    assert unit_names((np.zeros(1), np.zeros((1, 1, 2, 1))), ("1x1", "1x2")) == [
        "1x1 0",
        "1x2 (0, 0, 0, 0)",
        "1x2 (0, 0, 1, 0)",
    ]
    assert unit_names({"a": np.zeros(1), "b": np.zeros((1, 2))}) == ["['a']0", "['b'](0, 0)", "['b'](0, 1)"]


def test_a_channel_is_all_places_of_a_map_in_each_block():
    assert [group.name for group in channel_groups(np.zeros(2))] == ["0", "1"]
    one = np.arange(12).reshape(2, 3, 2)
    np.testing.assert_array_equal(
        [group.units for group in channel_groups(one)], [one[..., 0].ravel(), one[..., 1].ravel()]
    )
    levels = (np.arange(3), 3 + np.arange(16).reshape(2, 2, 2, 2))
    groups = channel_groups(levels, ("top", "2x2"))
    assert [group.name for group in groups] == ["top 0", "top 1", "top 2"] + [
        f"2x2 ({block}, {channel})" for block in range(2) for channel in range(2)
    ]
    assert [group.level for group in groups] == ["top"] * 3 + ["2x2"] * 4
    np.testing.assert_array_equal(groups[4].units, levels[1][0, ..., 1].ravel())
    np.testing.assert_array_equal(groups[5].units, levels[1][1, ..., 0].ravel())


def leading(loaded, rates, count, by=unit_groups):
    return leading_groups(by(code_shape(loaded.vae, loaded.params), loaded.vae.levels), rates, count)


def test_a_channel_is_moved_in_all_its_places(disc_set):
    loaded = untrained(tiny_config(model=SPATIAL), disc_set)
    images = disc_set.split("test").images
    rates = unit_rates(loaded, images)
    first, *_ = chosen = leading(loaded, rates, 2, channel_groups)
    walked = walk(loaded, images[4], rates, np.asarray([0.1, 0.9]), chosen)
    row = np.array(flatten(encode_means(loaded.vae, loaded.params, images[4:5])))
    row[0, first.units] = norm.ppf(0.9)
    image = decode_to_images(
        loaded.vae, loaded.params, unflatten(jnp.asarray(row), code_shape(loaded.vae, loaded.params))
    )[0]
    assert np.max(np.abs(walked.images[0, 1].astype(int) - image)) <= 1
    np.testing.assert_allclose(walked.rates, [rates.values[group.units].sum() for group in chosen])
    assert walked.rates[0] >= walked.rates[1]
    assert summary(walked, rates.name)[0]["units"] == len(first.units) > 1


@pytest.mark.parametrize("model", [DENSE, SPATIAL], ids=["vector", "spatial"])
def test_each_row_moves_one_unit_through_the_quantiles_and_leaves_the_others(disc_set, model):
    loaded = untrained(tiny_config(model=model), disc_set)
    images = disc_set.split("test").images
    rates = unit_rates(loaded, images)
    walked = walk(loaded, images[4], rates, np.asarray([0.1, 0.5, 0.9]), leading(loaded, rates, 2))
    code = np.asarray(encode_means(loaded.vae, loaded.params, images[4:5]))
    shape = code.shape[1:]
    expected = np.tile(code, (6, *(1,) * len(shape))).reshape(2, 3, -1)
    for row in range(2):
        expected[row, :, rates.order[row]] = norm.ppf([0.1, 0.5, 0.9])
    pictures = decode_to_images(loaded.vae, loaded.params, jnp.asarray(expected.reshape(6, *shape)))
    assert np.max(np.abs(walked.images.reshape(pictures.shape).astype(int) - pictures)) <= 1
    np.testing.assert_allclose(walked.values, np.tile(norm.ppf([0.1, 0.5, 0.9]), (2, 1)))
    assert walked.rates[0] >= walked.rates[1]
    assert len(rates.values) == flatten(code).shape[1]


def test_the_mean_code_is_a_valid_start(disc_set):
    loaded = untrained(tiny_config(model=DENSE), disc_set)
    images = disc_set.split("test").images
    rates = unit_rates(loaded, images)
    walked = walk(loaded, None, rates, np.asarray([0.3, 0.7]), leading(loaded, rates, 1))
    mean = rates.mean.copy()
    mean[rates.order[0]] = norm.ppf(0.7)
    last = decode_to_images(loaded.vae, loaded.params, jnp.asarray(mean[None], jnp.float32))[0]
    assert np.max(np.abs(walked.images[0, 1].astype(int) - last)) <= 1


def test_an_autoencoder_walks_where_its_codes_are(disc_set):
    loaded = untrained(tiny_config(model=DENSE, objective=Autoencoder()), disc_set)
    images = disc_set.split("test").images
    rates = unit_rates(loaded, images)
    walked = walk(loaded, images[0], rates, np.asarray([0.0, 1.0]), leading(loaded, rates, 1))
    unit = rates.codes[:, rates.order[0]]
    np.testing.assert_allclose(walked.values[0], [unit.min(), unit.max()])
    assert "no prior" in walked.description


def test_the_command_writes_a_sheet_an_animation_and_the_numbers(call, dense_run, disc_set):
    code, out, _ = call(traverse, dense_run, "--steps", 4, "--gif", "--out", "t.png", "--json")
    result = json.loads(out)
    assert code == 0
    assert [unit["unit"] for unit in result["units"]] == [str(unit["index"]) for unit in result["units"]]
    rates = [unit["rate_nats"] for unit in result["units"]]
    assert rates == sorted(rates, reverse=True)
    assert (len(rates), result["from"], result["quantiles_of"]) == (3, "red=0", "N(0, 1)")
    np.testing.assert_allclose(result["probabilities"], np.linspace(0.02, 0.98, 4))
    with Image.open("t.png") as sheet:
        assert sheet.width > 4 * MIN_SIDE
        assert sheet.height > 3 * MIN_SIDE
    with Image.open("t.gif") as animation:
        assert animation.n_frames == 6


def test_a_learned_prior_has_quantiles_of_its_own(call, disc_set, tmp_path_factory):
    model = dataclasses.replace(DENSE, prior=VampPrior(components=2))
    run = saved_run(tmp_path_factory.mktemp("runs") / "vamp", tiny_config(model=model), disc_set)
    code, out, err = call(traverse, run, "--units", 1, "--steps", 2, "--from", "mean", "--out", "t.png", "--json")
    assert code == 0, err
    result = json.loads(out)
    assert result["quantiles_of"] == "the marginal of the prior's 2 Gaussians"
    assert "quadrature" in result["ordered_by"]


def test_bad_requests_of_traverse(call, dense_run, tmp_path_factory):
    mistake(call(traverse, dense_run, "--units", 4, "--out", "t.png"), "--units is 4, but codes of", "have only 3")
    mistake(call(traverse, dense_run, "--units", 0, "--out", "t.png"), "--units is 0")
    mistake(call(traverse, dense_run, "--steps", 1, "--out", "t.png"), "--steps is 1, but must be at least 2")
    mistake(call(traverse, dense_run, "--quantiles", 0, 0.5, "--out", "t.png"), "--quantiles are 0 and 0.5")
    mistake(call(traverse, dense_run, "--quantiles", 0.9, 0.5, "--out", "t.png"), "must be increasing")
    mistake(call(traverse, dense_run, "--from", "rad=1", "--out", "t.png"), "did you mean 'red'")
    mistake(call(traverse, dense_run, "--data", "gone", "--out", "t.png"), "gone")
    precious = tmp_path_factory.mktemp("x") / "t.gif"
    precious.write_text("precious")
    mistake(call(traverse, dense_run, "--gif", "--out", precious.with_suffix(".png")), "t.gif exists")
    assert precious.read_text() == "precious"


def test_an_image_file_is_a_valid_start(call, dense_run):
    Image.new("LA", (40, 90), (10, 200)).save("mine.png")
    assert call(traverse, dense_run, "--from", "mine.png", "--units", 1, "--steps", 2, "--out", "t.png")[0] == 0
    assert Path("t.png").exists()


def test_labels_are_next_to_images_and_never_on_them():
    images = np.random.default_rng(0).integers(0, 255, (6, 9, 6, 1), dtype=np.uint8)
    words = {
        "over": ["first"] * 3, "before": ["a longer\nlabel", "b"], "under": ["quite a long caption"] * 6, "title": "t",
    }  # fmt: skip
    plain, told = labelled_grid(images, 3), labelled_grid(images, 3, **words)
    assert plain.size[0] < told.size[0]
    sheet, side = np.asarray(told.convert("L")), 12 * 6
    enlarged = np.kron(images[4, :, :, 0], np.ones((12, 12), np.uint8))
    windows = np.lib.stride_tricks.sliding_window_view(sheet, (12 * 9, side))
    # The first pixels tell where it could be; there it must be whole.
    starts = np.argwhere((windows[:, :, 0, 0] == enlarged[0, 0]) & (windows[:, :, -1, -1] == enlarged[-1, -1]))
    assert any(np.array_equal(windows[y, x], enlarged) for y, x in starts)
