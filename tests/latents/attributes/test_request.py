import json
from pathlib import Path

import jax
import numpy as np
import pytest
from conftest import flow_matching_arrays, mistake, saved_run, tiny_config, train_config, untrained

from jaxvae import HVAE, load
from jaxvae.errors import UserError
from jaxvae.inference import decode_to_images
from jaxvae.keys import key_for
from jaxvae.labels import UNKNOWN
from jaxvae.latents.attributes.request import completed, draw_requested, parse_request, prior_for
from jaxvae.runs.run import prior_of
from jaxvae.sample import sample

DATA = {"name": "faces", "attributes": ["hat", "label"], "classes": {"label": ["Shoe", "Coat"]}}


@pytest.fixture(scope="module")
def run(flow_matching_run):
    return flow_matching_run


def test_a_request_has_a_value_for_each_attribute():
    assert parse_request(DATA, ()).tolist() == [-1, -1]
    assert parse_request(DATA, ("hat",), ()).tolist() == [1, -1]
    assert parse_request(DATA, ("hat=0", "label=Coat"), ("hat",)).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("with_", "without", "phrases"),
    [
        (["hut"], [], ["no attribute 'hut'", "hat"]),
        (["hat"], ["hat"], ["'hat' and 'hat' contradict each other"]),
        (["label=Coat", "label=Shoe"], [], ["contradict"]),
        (["label=Cot"], [], ["label=Cot is not a class", "Coat"]),
        (["label"], [], ["label needs a class"]),
        ([], ["label"], ["only an attribute with the values 0 and 1", "--with label=Shoe"]),
        (["hat=yes"], [], ["hat is 'yes'", "whole number"]),
    ],
)
def test_what_is_wrong_with_a_request_is_said(with_, without, phrases):
    with pytest.raises(UserError) as error:
        parse_request(DATA, with_, without)
    assert all(phrase in str(error.value) for phrase in phrases)


def test_without_attributes_nothing_can_be_requested():
    with pytest.raises(UserError, match="has no attributes"):
        parse_request(DATA | {"attributes": []}, ("hat",))
    assert not len(parse_request(DATA | {"attributes": []}, ()))


def test_sample_draws_on_request(run, call):
    request = ("--with", "red", "width=large", "--without", "high")
    code, out, err = call(sample, run, *request, "--n", 4, "--out", "a.png", "--json")
    assert code == 0, err
    assert json.loads(out)["prior"] == "fitted_flow_matching"
    assert json.loads(out)["guidance"] == 2.0
    for name, arguments in {
        "again": ("--with", "red", "width=large", "--without", "high", "--guidance", 2),
        "other": ("--with", "red=0", "--guidance", 1),
    }.items():
        assert call(sample, run, *arguments, "--n", 4, "--out", f"{name}.png")[0] == 0
    pictures = [Path(name).read_bytes() for name in ("a.png", "again.png", "other.png")]
    assert pictures[0] == pictures[1] != pictures[2]


def request_of_red(loaded):
    return parse_request(loaded.info.data, ("red",))


@pytest.mark.slow
def test_without_guidance_only_what_is_known_without_the_request_counts(run):
    flow = prior_of(load(run), "fitted_flow_matching").rows
    noise, own, known = jax.random.normal(jax.random.key(0), (1, 3)), np.asarray([1, 0, 2]), np.asarray([-1, 0, 2])
    none = flow.requesting(own, 0.0, known).from_normal(noise)
    np.testing.assert_allclose(none, flow.requesting(known).from_normal(noise), rtol=1e-4, atol=1e-5)
    assert not np.allclose(none, flow.requesting(own, 0.0).from_normal(noise), atol=1e-4)


@pytest.mark.slow
def test_the_library_draws_the_same_on_request(run):
    loaded = load(run)
    drawn = loaded.sample(3, with_=("red",), guidance=1.0)
    assert drawn.shape == (3, 16, 16, 3)
    prior = prior_for(loaded, "fitted_flow_matching", request_of_red(loaded), 1.0)
    assert prior.log_prob(prior.sample(jax.random.key(0), (2,))).shape == (2,)
    assert (drawn == draw_requested(loaded, "fitted_flow_matching", request_of_red(loaded), 1.0, 0, 3)).all()
    assert (drawn != loaded.sample(3, with_=("red",), guidance=0.0)).any()


def test_what_a_request_leaves_open_is_as_in_images_that_meet_it(run):
    loaded = load(run)
    table = np.asarray(loaded.info.fitted.fitted_flow_matching["labels"])
    wanted = parse_request(loaded.info.data, ("red", "width=large"))
    rows = completed(loaded, wanted, 300, 0)
    assert set(rows[:, 0]) == {1}
    assert set(rows[:, 2]) == {2}
    met = table[(table[:, 0] == 1) & (table[:, 2] == 2)]
    assert np.mean(rows[:, 1]) == pytest.approx(np.mean(met[:, 1]), abs=0.1)
    assert (completed(loaded, wanted, 300, 0) == rows).all()
    assert (completed(loaded, wanted, 300, 1) != rows).any()
    nothing = np.full(3, UNKNOWN)
    assert (completed(loaded, nothing, 2, 0) == UNKNOWN).all()
    unmet = np.asarray([1, UNKNOWN, 9])
    assert (completed(loaded, unmet, 2, 0) == unmet).all()


@pytest.mark.slow
def test_each_draw_is_under_its_own_completed_request(run):
    loaded, seed = load(run), 5
    wanted = parse_request(loaded.info.data, ("red",))
    images = draw_requested(loaded, "fitted_flow_matching", wanted, 1.5, seed, 70)
    flow = prior_of(loaded, "fitted_flow_matching").rows
    labels = completed(loaded, wanted, 70, seed)
    noise = jax.random.normal(key_for("sample", seed), (64, 3))
    for index in (0, 31, 63):
        known = labels[index].copy()
        known[0] = UNKNOWN  # What is exaggerated is the request, not what it was completed with.
        code = flow.requesting(labels[index], 1.5, known).from_normal(noise[index : index + 1])
        np.testing.assert_allclose(images[index], decode_to_images(loaded.vae, loaded.params, code)[0], atol=1)
    assert len(np.unique(images[64:], axis=0)) == 6


def test_mistakes_of_a_request_on_the_command_line(run, disc_run, call):
    mistake(call(sample, run, "--guidance", 2, "--out", "x.png"), "--guidance is 2", "nothing is requested")
    mistake(call(sample, run, "--with", "red", "--guidance", -1, "--out", "x.png"), "must be at least 0")
    mistake(call(sample, run, "--with", "rad", "--out", "x.png"), "no attribute 'rad'", "red")
    mistake(call(sample, run, "--with", "red=4", "--out", "x.png"), "none has red=4")
    mistake(call(sample, run, "--with", "red", "--prior", "model", "--out", "x.png"), "model knows no attributes")
    mistake(call(sample, disc_run, "--with", "red", "--out", "x.png"), "flow-matching-steps is above 0")
    mistake(call(sample, run, "--with", "red", "--like", "test:1", "--out", "x.png"), "cannot be combined")


@pytest.mark.slow
def test_a_hierarchy_draws_its_coarsest_level_on_request(disc_set, tmp_path):
    config = tiny_config(model=HVAE(hidden=12, latent=(3, 5)), train=train_config(flow_matching_steps=40))
    opened = untrained(config, disc_set)
    units = opened.vae.top_units(opened.params)
    folder = saved_run(
        tmp_path / "levels", config, disc_set, fitted_flow_matching=flow_matching_arrays(disc_set, units)
    )
    assert load(folder).sample(2, with_=("red",)).shape == (2, 16, 16, 3)
