import dataclasses
import json
import sys
import types
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from conftest import DENSE, mistake, saved_run, tiny_config, untrained
from PIL import Image
from scipy.spatial.distance import pdist
from scipy.stats import norm

from jaxvae import Autoencoder
from jaxvae.distributions.gaussian import standard_normal
from jaxvae.errors import UserError
from jaxvae.inference import decode_to_images, encode_means
from jaxvae.latents.attributes.labels import random_subset
from jaxvae.latents.maps import lay_out, manifold
from jaxvae.map import draw_map

TWO = dataclasses.replace(DENSE, latent=2)


@pytest.fixture(scope="module")
def two_run(disc_set, tmp_path_factory):
    return saved_run(tmp_path_factory.mktemp("runs") / "two", tiny_config(model=TWO), disc_set)


def two_clusters(units=5):
    random = np.random.default_rng(0)
    return np.concatenate([random.normal(size=(15, units)), 50 + random.normal(size=(15, units))])


def test_principal_components_of_a_plane_keep_its_distances():
    random = np.random.default_rng(0)
    plane = random.normal(size=(40, 2)) * np.asarray([5.0, 1.0])
    turned = plane @ np.linalg.qr(random.normal(size=(4, 4)))[0][:2] + 7.0
    layout = lay_out(turned, "pca", seed=0)
    np.testing.assert_allclose(pdist(layout.points), pdist(plane), rtol=1e-6)
    shares = [int(axis.split()[3]) for axis in layout.axes]
    assert sum(shares) == 100
    assert shares[0] > 90


def test_tsne_separates_clusters_and_is_a_function_of_its_seed():
    rows = two_clusters()
    first, again = (lay_out(rows, "tsne", seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.points, again.points)
    assert first.axes == ("", "")
    centers = first.points[:15].mean(axis=0), first.points[15:].mean(axis=0)
    apart = np.linalg.norm(centers[0] - centers[1])
    assert np.linalg.norm(first.points[:15] - centers[0], axis=1).max() < apart


def test_umap_receives_codes_seed_and_at_most_as_many_neighbours_as_codes(monkeypatch):
    asked = {}

    class Fake:
        def __init__(self, **options):
            asked.update(options)

        def fit_transform(self, rows):
            return rows[:, :2]

    monkeypatch.setitem(sys.modules, "umap", types.SimpleNamespace(UMAP=Fake))
    rows = two_clusters()[:9]
    np.testing.assert_array_equal(lay_out(rows, "umap", seed=4).points, rows[:, :2])
    assert asked == {"n_neighbors": 8, "random_state": 4, "n_jobs": 1}


def test_too_few_narrow_or_equal_codes_are_refused():
    for rows, phrase in {
        (2, 4): "at least 3 codes of 2 units; got 2 codes of 4 units", (7, 1): "got 7 codes of 1 unit",
        (7, 4): "the codes of all 7 images are equal",
    }.items():  # fmt: skip
        with pytest.raises(UserError, match=phrase):
            lay_out(np.ones(rows), "pca", seed=0)


def test_the_manifold_is_a_grid_of_quantiles_rising_to_the_right_and_upwards(disc_set):
    loaded = untrained(tiny_config(model=TWO), disc_set)
    sheet = manifold(loaded, None, 3)
    low, middle, high = norm.ppf([1 / 6, 1 / 2, 5 / 6])
    corners = decode_to_images(
        loaded.vae, loaded.params, jnp.asarray([[low, high], [high, high], [low, low], [high, middle]])
    )
    for place, expected in zip([(0, 0), (0, 2), (2, 0), (1, 2)], corners, strict=True):
        assert np.max(np.abs(sheet.images[place].astype(int) - expected)) <= 1
    assert sheet.description == "N(0, 1)"


def test_the_manifold_of_an_autoencoder_lies_where_its_codes_do(disc_set):
    loaded = untrained(tiny_config(model=TWO, objective=Autoencoder()), disc_set)
    images = disc_set.split("test").images
    sheet = manifold(loaded, images, 1)
    middle = np.median(np.asarray(encode_means(loaded.vae, loaded.params, images)), axis=0)
    assert (
        np.max(np.abs(sheet.images[0, 0].astype(int) - decode_to_images(loaded.vae, loaded.params, middle[None])[0]))
        <= 1
    )
    assert "no prior" in sheet.description


def test_two_units_of_a_map_of_codes_have_a_manifold_too(disc_set):
    loaded = untrained(tiny_config(model=TWO), disc_set)
    vector = loaded.vae
    spatial = vector._replace(
        decode=lambda params, z: vector.decode(params, z.reshape(-1, 2)),
        prior=lambda params: standard_normal((1, 1, 2)),
    )
    pictures = manifold(loaded._replace(vae=spatial), None, 2).images
    np.testing.assert_array_equal(pictures, manifold(loaded, None, 2).images)


def test_subsampling_images_is_a_function_of_the_seed():
    np.testing.assert_array_equal(random_subset(5, 9, 0), np.arange(5))
    first = random_subset(100, 10, 1)
    np.testing.assert_array_equal(first, random_subset(100, 10, 1))
    assert not np.array_equal(first, random_subset(100, 10, 2))
    assert (len(set(first)), (np.diff(first) > 0).all()) == (10, True)


def test_the_command_plots_a_map_coloured_by_an_attribute(call, dense_run):
    code, out, _ = call(draw_map, dense_run, "--attribute", "width", "--n", 15, "--out", "m.png", "--json")
    result = json.loads(out)
    assert (code, result["n"], result["attribute"], result["method"]) == (0, 15, "width", "pca")
    with Image.open("m.png") as image:
        colors = {color for _, color in image.convert("RGB").quantize(256).convert("RGB").getcolors(1 << 16)}
    assert len(colors) > 3
    assert call(draw_map, dense_run, "--n", 15, "--out", "plain.png")[0] == 0
    assert Path("plain.png").read_bytes() != Path("m.png").read_bytes()


def test_the_command_renders_the_manifold_without_any_images(call, two_run):
    code, out, _ = call(draw_map, two_run, "--manifold", "--steps", 4, "--data", "gone", "--out", "m.png")
    assert (code, "quantiles_of: N(0, 1)" in out) == (0, True)
    with Image.open("m.png") as sheet:
        assert sheet.size == (8 * (4 * 18 - 2), 8 * (4 * 18 - 2))


def test_bad_requests_of_map(call, dense_run, monkeypatch, tmp_path_factory):
    mistake(call(draw_map, dense_run, "--attribute", "rad", "--out", "m.png"), "no attribute 'rad': did you mean 'red'")
    mistake(call(draw_map, dense_run, "--manifold", "--out", "m.png"), "codes of two units", "have 3")
    mistake(call(draw_map, dense_run, "--manifold", "--attribute", "red", "--out", "m.png"), "use only one of them")
    mistake(call(draw_map, dense_run, "--method", "pcb", "--out", "m.png"), "pcb")
    mistake(call(draw_map, dense_run, "--n", 2, "--out", "m.png"), "a map needs at least 3")
    mistake(call(draw_map, dense_run, "--n", 0, "--out", "m.png"), "--n is 0")
    mistake(call(draw_map, dense_run, "--seed", -1, "--out", "m.png"), "--seed is -1")
    precious = tmp_path_factory.mktemp("x") / "m.png"
    precious.write_text("precious")
    mistake(call(draw_map, dense_run, "--out", precious), "m.png exists")
    monkeypatch.setitem(sys.modules, "umap", None)
    mistake(call(draw_map, dense_run, "--method", "umap", "--out", "m.png"), "pip install 'jaxvae[umap]'")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    mistake(call(draw_map, dense_run, "--out", "m.png"), "pip install 'jaxvae[plots]'")
