import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import DENSE, flow_matching_arrays, mistake, saved_run, stirred, tiny_config, train_config, untrained

from jaxvae import load
from jaxvae.attribute import attribute
from jaxvae.errors import UserError
from jaxvae.explorer.moves import decode_draws
from jaxvae.inference import decode_to_images, encode_means, reconstruct
from jaxvae.interpolate import interpolate
from jaxvae.latents.attributes.exchange import GUIDANCE, Exchange
from jaxvae.latents.attributes.labels import labelled_split
from jaxvae.latents.attributes.request import parse_request
from jaxvae.latents.attributes.sureness import FARTHEST, Sureness
from jaxvae.runs.run import prior_of
from jaxvae.sample import sample
from jaxvae.told import tell, weights_of

CONDITIONAL = replace(DENSE, attributes=("width", "red"), attribute_values=3)


@pytest.fixture(scope="module")
def run(disc_set, tmp_path_factory):
    """A conditional model that listens to what it is told, with a prior as if fitted."""
    config = tiny_config(model=CONDITIONAL, train=train_config(flow_matching_steps=40))
    params = stirred(untrained(config, disc_set).params, 0.3)
    arrays = flow_matching_arrays(disc_set, 3)
    where = tmp_path_factory.mktemp("runs") / "conditional"
    return saved_run(where, config, disc_set, params=params, fitted_flow_matching=arrays)


def request(run, *wanted):
    return parse_request(run.info.data, wanted)


@pytest.fixture(scope="module")
def plain(dense_run, disc_set):
    return Exchange.learn(load(dense_run), labelled_split(disc_set, "train"))


@pytest.fixture(scope="module")
def told(run, disc_set):
    return Exchange.learn(load(run), labelled_split(disc_set, "train"))


@pytest.fixture(scope="module")
def linear(told):
    """The same without its fitted prior."""
    info = told.loaded.info
    return replace(told, loaded=told.loaded._replace(info=info._replace(fitted=info.fitted._replace(
        fitted_flow_matching=None
    ))))  # fmt: skip


def sure_of_everything(exchange):
    classifier = Sureness.learn(exchange.rows, exchange.labelled.values[:, 0] == 1).classifier
    return dict.fromkeys(range(len(exchange.columns)), Sureness(classifier, -np.inf))


def first(disc_set, count=3):
    test = disc_set.split("test")
    return np.asarray(test.images[:count]), np.asarray(test.attributes[:count])


def test_mean_codes_are_fitted_by_least_squares(plain, disc_set):
    labels, images = plain.labelled.values, plain.labelled.images
    rows = np.asarray(encode_means(plain.loaded.vae, plain.loaded.params, images), float)
    assert list(zip(plain.columns.tolist(), plain.values.tolist(), strict=True)) == [
        (0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2),
    ]  # fmt: skip
    shown = labels[:, plain.columns] == plain.values
    rest = rows - rows.mean(0) - (shown - shown.mean(0)) @ plain.steps
    np.testing.assert_allclose(shown.T @ rest, 0.0, atol=1e-3)


def test_an_exchange_moves_the_code_between_mean_codes_and_on_until_a_classifier_is_sure(plain, disc_set):
    images, labels = first(disc_set, 20)
    labels = labels.copy()
    labels[:, 0] = 0
    wanted = request(plain.loaded, "red")
    unmoved, moved = plain.images(images, labels, wanted, np.asarray([0.0, 1.0]))
    vae, params, _ = plain.loaded
    np.testing.assert_array_equal(unmoved, reconstruct(vae, params, images))
    rows, step = np.asarray(encode_means(vae, params, images), np.float64), plain.steps[1] - plain.steps[0]
    after = labels.copy()
    after[:, 0] = 1
    codes = plain.moved(rows, labels, after, wanted)
    beyond = (codes - rows - step) @ step / (step @ step)
    np.testing.assert_allclose(codes, rows + (1 + beyond)[:, None] * step[None], atol=1e-5)
    sureness = plain.sureness[1]
    sure = np.isclose(sureness.classifier.score(codes), sureness.score, atol=1e-4)
    enough = np.isclose(beyond, 0.0, atol=1e-6)
    assert np.all(sure | enough | np.isclose(beyond, FARTHEST))
    assert np.all(sureness.classifier.score(codes)[enough] > sureness.score - 1e-4)
    assert sure.sum() > 0
    expected = decode_to_images(vae, params, np.asarray(codes, np.float32))
    np.testing.assert_allclose(moved, expected, atol=1)
    assert np.abs(moved.astype(int) - unmoved).max() > 1


@pytest.mark.slow
def test_a_fitted_prior_carries_the_code_to_noise_and_back_under_the_new_attributes(told, disc_set):
    images, labels = first(disc_set)
    still, wanted = replace(told, steps=np.zeros_like(told.steps)), request(told.loaded, "width=large")
    vae, params, _ = told.loaded
    rows = np.asarray(encode_means(vae, tell(params, weights_of(labels[:, [2, 0]], 3)), images), np.float64)
    before, after = still.attributes(images, labels, wanted)
    assert set(after[:, 2]) == {2}
    carried = still.moved(rows, before, after, wanted)
    flow = prior_of(told.loaded, "fitted_flow_matching").rows
    for row, own, other, found in zip(rows, before, after, carried, strict=True):
        noise = flow.requesting(own).to_normal(np.float32(row)[None])
        kept = np.where(own == other, own, -1)
        expected = flow.requesting(other, GUIDANCE, kept).from_normal(noise)[0]
        np.testing.assert_allclose(expected, found, rtol=1e-4, atol=1e-4)
        assert (own != other).any() == (not np.allclose(row, found, atol=0.05))
    before[:, 1] = after[:, 1] = -1
    np.testing.assert_array_equal(still.moved(rows, before, after, wanted), rows)  # Unknown ones are not drawn anew.


def test_what_the_fitted_prior_was_not_told_moves_between_mean_codes(told, disc_set):
    info, arrays = told.loaded.info, dict(told.loaded.info.fitted.fitted_flow_matching)
    kept = np.flatnonzero(np.asarray(arrays["column"]) < 2)
    first_layer = arrays["network"]["Dense_0"]
    times = first_layer["kernel"].shape[0] - len(arrays["column"])
    inputs = np.concatenate([np.arange(times), times + kept])
    arrays |= {name: np.asarray(arrays[name])[kept] for name in ("column", "value")}
    layer = first_layer | {"kernel": np.asarray(first_layer["kernel"])[inputs]}
    arrays["network"] = arrays["network"] | {"Dense_0": layer}
    fitted = info.fitted._replace(fitted_flow_matching=arrays)
    loaded = told.loaded._replace(info=info._replace(fitted=fitted))
    learned = replace(told, loaded=loaded, sureness=sure_of_everything(told))
    _, labels = first(disc_set)
    rows, after = np.random.default_rng(0).normal(size=(3, 3)), labels.copy()
    after[:, 2] = (labels[:, 2] + 1) % 3
    moved = learned.moved(rows, labels, after, np.full(3, -1))
    gained = (after[:, learned.columns] == learned.values).astype(float) - (
        labels[:, learned.columns] == learned.values
    )
    assert np.abs(gained @ learned.steps).max() > 0.3
    np.testing.assert_allclose(moved, rows + gained @ learned.steps, atol=0.1)


def test_a_conditional_model_is_told_the_old_attributes_and_the_new(linear, disc_set):
    images, labels = first(disc_set)
    still = replace(linear, steps=np.zeros_like(linear.steps))
    before, after = still.images(images, labels, request(linear.loaded, "width=large"), np.asarray([0.0, 1.0]))
    vae, params, _ = linear.loaded
    own = weights_of(labels[:, [2, 0]], 3)
    codes = encode_means(vae, tell(params, own), images)
    np.testing.assert_array_equal(before, decode_to_images(vae, tell(params, own), codes))
    wanted = weights_of(np.stack([np.full(3, 2), labels[:, 0]], axis=1), 3)
    np.testing.assert_array_equal(after, decode_to_images(vae, tell(params, wanted), codes))
    assert not np.array_equal(before, reconstruct(vae, params, images))


def test_what_never_goes_with_the_request_becomes_what_goes_with_it_most(linear, disc_set):
    images, _ = first(disc_set, 1)
    # Large discs are never red; most of them are high.
    table = np.asarray([[0, 0, 2], [0, 1, 2], [0, 1, 2], [1, 0, 0], [1, 1, 1]])
    learned = replace(
        linear, labelled=linear.labelled._replace(values=table), sureness=sure_of_everything(linear)
    )  # fmt: skip
    wanted, degrees = request(linear.loaded, "width=large"), np.asarray([1.0])
    after = learned.images(images, np.asarray([[1, 0, 0]]), wanted, degrees)
    move = learned.steps[learned.columns == 0] @ np.eye(3), learned.steps[learned.columns == 2]
    vae, params, _ = linear.loaded
    code = encode_means(vae, tell(params, weights_of(np.asarray([[0, 1]]), 3)), images)
    step = move[0][0] - move[0][1] + move[1][2] - move[1][0]
    blue = tell(params, weights_of(np.asarray([[2, 0]]), 3))
    expected = decode_to_images(vae, blue, code + np.float32(step)[None])
    np.testing.assert_allclose(after[0], expected, atol=1)


def test_an_unknown_attribute_is_guessed_from_the_code(plain, disc_set):
    images, labels = first(disc_set, 8)
    wanted, degrees = request(plain.loaded, "red"), np.asarray([1.0])
    guessed = plain.images(images, np.full_like(labels, -1), wanted, degrees)[0]
    rows = np.asarray(encode_means(plain.loaded.vae, plain.loaded.params, images))
    learned = np.asarray(encode_means(plain.loaded.vae, plain.loaded.params, plain.labelled.images))
    means = [learned[plain.labelled.values[:, 0] == value].mean(0) for value in (0, 1)]
    nearer = labels.copy()
    nearer[:, 0] = np.argmin([np.square(rows - mean).sum(1) for mean in means], axis=0)
    np.testing.assert_array_equal(guessed, plain.images(images, nearer, wanted, degrees)[0])
    assert len(set(nearer[:, 0])) == 2


@pytest.mark.slow
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
    mistake(call(interpolate, run, "--with", "red", "--report", *out), "--report is about a path between images")
    mistake(call(interpolate, run, "--with", "rod", *out), "no attribute 'rod'")
    mistake(call(interpolate, dense_run, "--with", "rad", *out), "no attribute 'rad'", "red")
    mistake(call(sample, run, "--with", "high", *out), "was trained without being told high")
    measure = ("measure", run, "red", "--exchange")
    mistake(call(attribute, *measure, "--step", "same"), "--exchange moves codes in its own way")
    mistake(call(attribute, *measure, "--labels", "mine.csv"), "cannot be used with --labels")
    removal = call(attribute, "measure", run, "--remove", "width=small", "--exchange")
    mistake(removal, "width=small is one of several classes", "add another class instead")


def test_draws_are_decoded_under_the_request(run):
    loaded = load(run)
    small, large = (loaded.sample(2, prior="model", with_=(f"width={width}",)) for width in ("small", "large"))
    assert not np.array_equal(small, large)


def test_the_library_exchanges_attributes(told, disc_set):
    images, labels = first(disc_set)
    after = told.loaded.exchange(images, with_=["width=large"], labels=labels)
    expected = told.images(images, labels, request(told.loaded, "width=large"), np.asarray([1.0]))[0]
    np.testing.assert_allclose(after, expected, atol=1)
    with pytest.raises(UserError, match="nothing is requested"):
        told.loaded.exchange(images)
    with pytest.raises(UserError, match=r"the labels are int64\[3, 2\], but must be integers \[3, 3\]"):
        told.loaded.exchange(images, with_=["red"], labels=labels[:, :2].astype(np.int64))


def test_the_explorer_decodes_draws_under_their_request_and_keeps_codes_that_show_it(run):
    loaded = load(run)
    rows, wanted = np.eye(3, dtype=np.float32), np.asarray([[-1, -1, 2], [0, 1, 2], [1, -1, 2]])
    images, codes = decode_draws(loaded, rows, wanted)
    asked = tell(loaded.params, weights_of(wanted[:, [2, 0]], 3))
    np.testing.assert_array_equal(images, decode_to_images(loaded.vae, asked, rows))
    np.testing.assert_allclose(codes, encode_means(loaded.vae, loaded.params, images), atol=1e-5)
    np.testing.assert_array_equal(decode_draws(loaded, rows, np.full((3, 3), -1))[1], rows)


@pytest.mark.slow
def test_exchanges_are_measured(run, call):
    code, out, err = call(attribute, "measure", run, "red", "--exchange", "--pictures", 5, "--json")
    assert code == 0, err
    measured = json.loads(out)
    assert measured["exchange"]
    assert measured["edits"][0]["attribute"] == "red"
    assert set(measured["edits"][0]["stayed_each"]) == {"high", "width"}
