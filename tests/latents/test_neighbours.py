import json

import numpy as np
import pytest
from conftest import DENSE, mistake, tiny_config, untrained
from PIL import Image

from jaxvae.inference import encode_means
from jaxvae.latents import neighbours as module
from jaxvae.latents.neighbours import feature_space, nearest_neighbours
from jaxvae.neighbours import neighbours


@pytest.fixture(scope="module")
def loaded(disc_set):
    return untrained(tiny_config(model=DENSE), disc_set)


def by_brute_force(queries, others, k):
    distances = np.sqrt(np.square(queries[:, None] - others[None]).sum(axis=2))
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(distances, order, axis=1)


@pytest.mark.parametrize("at_once", [7, 160, 1000])
def test_neighbours_in_pixels_match_brute_force_for_any_chunk_size(disc_set, loaded, monkeypatch, at_once):
    monkeypatch.setattr(module, "CHUNK", at_once)
    train, test = disc_set.split("train").images, disc_set.split("test").images
    found = nearest_neighbours(test, train, 4, feature_space("pixels", loaded, (16, 16, 3)))
    scale = 255.0 * np.sqrt(test[0].size)
    order, distances = by_brute_force(test.reshape(21, -1).astype(float), train.reshape(160, -1).astype(float), 4)
    np.testing.assert_allclose(found.distances, distances / scale, rtol=1e-12)
    np.testing.assert_array_equal(found.indices, order)
    difference = (test[3].astype(float) - train[found.indices[3, 0]]) / 255
    assert found.distances[3, 0] == pytest.approx(np.sqrt(np.mean(difference**2)))


def test_neighbours_in_codes_are_those_of_the_posterior_means(disc_set, loaded):
    train, test = disc_set.split("train").images, disc_set.split("test").images
    found = nearest_neighbours(test, train, 3, feature_space("codes", loaded, (16, 16, 3)))
    means = (np.asarray(encode_means(loaded.vae, loaded.params, images), np.float64) for images in (test, train))
    order, distances = by_brute_force(*means, 3)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-4, atol=1e-6)
    assert np.mean(found.indices == order) > 0.95  # Ties within rounding may change places.


def test_a_copy_is_found_at_distance_zero(disc_set, loaded):
    train = np.array(disc_set.split("train").images[:50])
    train[[17, 31]] = train[44]
    found = nearest_neighbours(train[44:45], train, 3, feature_space("pixels", loaded, (16, 16, 3)))
    assert found.indices.tolist() == [[17, 31, 44]]
    np.testing.assert_array_equal(found.distances, 0.0)


@pytest.mark.parametrize("space", ["pixels", "codes"])
def test_the_command_shows_samples_next_to_their_neighbours_and_reports_medians(call, dense_run, disc_set, space):
    arguments = ["--prior", "model", "--n", 2, "--k", 3, "--compared", 10, "--space", space]
    code, out, err = call(neighbours, dense_run, *arguments, "--out", "n.png", "--json")
    assert code == 0, err
    result = json.loads(out)
    assert len(result["pictures"]) == 2
    for shown in result["pictures"]:
        assert len(shown["train"]) == 3
        assert shown["distances"] == sorted(shown["distances"])
    assert min(result[f"median_of_{kind}"] for kind in ("samples", "reconstructions", "held_out")) > 0
    with Image.open("n.png") as image:
        sheet = np.asarray(image)
    nearest_one = disc_set.split("train").images[result["pictures"][0]["train"][0]]
    enlarged = np.kron(nearest_one, np.ones((5, 5, 1), np.uint8))
    windows = np.lib.stride_tricks.sliding_window_view(sheet, (80, 80), axis=(0, 1))
    starts = np.argwhere((windows[..., 40, 40] == enlarged[40, 40]).all(axis=2))
    assert any(np.array_equal(sheet[y : y + 80, x : x + 80], enlarged) for y, x in starts)


def test_the_median_is_that_of_the_held_out_images(call, dense_run, disc_set, loaded):
    arguments = ["--prior", "model", "--n", 1, "--k", 1, "--compared", 500, "--out", "n.png", "--json"]
    result = json.loads(call(neighbours, dense_run, *arguments)[1])
    train, test = disc_set.split("train").images, disc_set.split("test").images
    scale = 255.0 * np.sqrt(test[0].size)
    _, distances = by_brute_force(test.reshape(21, -1) / scale, train.reshape(160, -1) / scale, 1)
    assert result["median_of_held_out"] == pytest.approx(np.median(distances))


def test_bad_requests_of_neighbours(call, dense_run, tmp_path_factory):
    model = ["--prior", "model", "--out", "n.png"]
    mistake(call(neighbours, dense_run, *model, "--k", 161), "--k is 161, but discs has only 160 training images")
    mistake(call(neighbours, dense_run, *model, "--n", 0), "--n is 0")
    mistake(call(neighbours, dense_run, *model, "--compared", 0), "--compared is 0")
    mistake(call(neighbours, dense_run, *model, "--seed", 2**32), "--seed is")
    mistake(call(neighbours, dense_run, *model, "--space", "dreams"), "dreams")
    mistake(
        call(neighbours, dense_run, "--prior", "fitted_mixture", "--out", "n.png"),
        "has no fitted mixture", "use --prior model",
    )  # fmt: skip
    mistake(call(neighbours, dense_run, *model, "--data", "gone"), "gone")
    precious = tmp_path_factory.mktemp("x") / "n.png"
    precious.write_text("precious")
    mistake(call(neighbours, dense_run, "--prior", "model", "--out", precious), "n.png exists")
