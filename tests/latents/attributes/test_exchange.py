import json
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from conftest import DENSE, flow_matching_arrays, mistake, saved_run, tiny_config, train_config, untrained

from jaxvae import load
from jaxvae.attribute import attribute
from jaxvae.inference import decode_to_images, encode_means, reconstruct
from jaxvae.interpolate import interpolate
from jaxvae.latents.attributes.exchange import exchange
from jaxvae.latents.attributes.request import parse_request
from jaxvae.sample import sample
from jaxvae.told import tell, weights_of

CONDITIONAL = replace(DENSE, attributes=("width", "red"), attribute_values=3)


@pytest.fixture(scope="module")
def run(disc_set, tmp_path_factory):
    """A conditional model that listens to what it is told, with a prior as if fitted."""
    config = tiny_config(model=CONDITIONAL, train=train_config(flow_matching_steps=40, fitted_flow_steps=0))
    leaves, structure = jax.tree.flatten(untrained(config, disc_set).params)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    stirred = [leaf + 0.3 * jax.random.normal(key, leaf.shape) for leaf, key in zip(leaves, keys, strict=True)]
    arrays = flow_matching_arrays(disc_set, 3)
    trees = {"params": jax.tree.unflatten(structure, stirred), "fitted_flow_matching": arrays}
    return saved_run(tmp_path_factory.mktemp("runs") / "conditional", config, disc_set, **trees)


def request(run, *wanted):
    return parse_request(run.info.data, wanted)


def test_an_exchange_decodes_the_same_code_under_other_attributes(run, disc_set):
    loaded, test = load(run), disc_set.split("test")
    images, labels = np.asarray(test.images[:3]), np.asarray(test.attributes[:3])
    known = np.asarray(disc_set.split("train").attributes)
    before, after = exchange(loaded, images, labels, request(loaded, "width=large"), known, np.asarray([0.0, 1.0]))
    own = weights_of(labels[:, [2, 0]], 3)
    codes = encode_means(loaded.vae, tell(loaded.params, own), images)
    np.testing.assert_array_equal(before, decode_to_images(loaded.vae, tell(loaded.params, own), codes))
    wanted = weights_of(np.stack([np.full(3, 2), labels[:, 0]], axis=1), 3)
    np.testing.assert_array_equal(after, decode_to_images(loaded.vae, tell(loaded.params, wanted), codes))
    assert not np.array_equal(before, reconstruct(loaded.vae, loaded.params, images))


def test_own_attributes_that_never_go_with_the_request_become_unknown(run, disc_set):
    loaded, image = load(run), np.asarray(disc_set.split("test").images[:1])
    labels, degrees = np.asarray([[1, 0, 0]]), np.asarray([1.0])
    never_red = np.asarray([[0, 0, 2], [0, 1, 2], [1, 0, 0]])  # No large disc is red.
    after = exchange(loaded, image, labels, request(loaded, "width=large"), never_red, degrees)[0]
    codes = encode_means(loaded.vae, tell(loaded.params, weights_of(np.asarray([[0, 1]]), 3)), image)
    unknown = tell(loaded.params, weights_of(np.asarray([[2, -1]]), 3))
    np.testing.assert_array_equal(after, decode_to_images(loaded.vae, unknown, codes))


def test_an_unknown_attribute_is_told_as_the_likeliest(run, disc_set):
    loaded, image = load(run), np.asarray(disc_set.split("test").images[:1])
    nothing, none, degrees = np.full((1, 3), -1), np.zeros((0, 3), int), np.asarray([0.0])
    guessed = exchange(loaded, image, nothing, request(loaded, "red"), none, degrees)
    # The bound of each value, with noise of its own.
    told = tell(loaded.params, weights_of(np.asarray([[-1, 0], [-1, 1], [-1, 2]]), 3))
    copies = np.repeat(image, 3, axis=0) / np.float32(255)
    bounds = jax.jit(lambda told, x: loaded.vae.infer(told, jax.random.key(7), x, 64).log_weights)(told, copies).max(0)
    likeliest = np.asarray([[int(np.argmax(bounds)), -1, -1]])
    np.testing.assert_array_equal(guessed, exchange(loaded, image, likeliest, request(loaded, "red"), none, degrees))


def test_interpolate_exchanges_attributes_of_one_image(run, call):
    code, out, err = call(interpolate, run, "--from", "test:1", "--with", "width=large", "--without", "red", "--json")
    assert code == 0, err
    said = json.loads(out)
    assert Path(said["picture"]).name == "exchange-test-1-with-width=large-without-red-9-steps.png"
    assert (said["from"], said["with"], said["degrees"][-1]) == ("test:1", "width=large", 1.0)
    walk = ("--from", "red=1", "--without", "red", "--frames", 3, "--out", "walk.gif")
    assert call(interpolate, run, *walk)[0] == 0
    assert Path("walk.gif").stat().st_size > 0


def test_mistakes_of_an_exchange(run, dense_run, call):
    out = ("--out", "x.png")
    mistake(call(interpolate, run, "--with", "red", "--to", "test:1", *out), "cannot be combined with other ends")
    mistake(call(interpolate, run, "--with", "red", "--report", *out), "--report is about a path of codes")
    mistake(call(interpolate, run, "--with", "high", *out), "was trained without being told high", "width")
    mistake(call(interpolate, dense_run, "--with", "red", *out), "is not conditional", "--model.attributes")
    mistake(call(sample, run, "--with", "high", *out), "was trained without being told high")
    measure = ("measure", run, "red", "--exchange")
    mistake(call(attribute, *measure, "--degree", 2), "--exchange moves no code")
    mistake(call(attribute, *measure, "--labels", "mine.csv"), "cannot be used with --labels")


def test_draws_are_decoded_under_the_request(run):
    loaded = load(run)
    small, large = (loaded.sample(2, prior="model", with_=(f"width={width}",)) for width in ("small", "large"))
    assert not np.array_equal(small, large)


def test_exchanges_are_measured(run, call):
    code, out, err = call(attribute, "measure", run, "red", "--exchange", "--pictures", 5, "--json")
    assert code == 0, err
    measured = json.loads(out)
    assert measured["exchange"]
    assert measured["edits"][0]["attribute"] == "red"
    assert set(measured["edits"][0]["stayed_each"]) == {"high", "width"}
