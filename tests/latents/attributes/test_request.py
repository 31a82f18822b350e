import json
from pathlib import Path

import jax
import pytest
from conftest import DENSE, flow_matching_arrays, mistake, saved_run, tiny_config, train_config, untrained

from jaxvae import HVAE, load
from jaxvae.errors import UserError
from jaxvae.latents.attributes.request import parse_request, prior_for
from jaxvae.sample import sample

DATA = {"name": "faces", "attributes": ["hat", "label"], "classes": {"label": ["Shoe", "Coat"]}}


@pytest.fixture(scope="module")
def run(disc_set, tmp_path_factory):
    arrays = flow_matching_arrays(disc_set, 3)
    config = tiny_config(model=DENSE, train=train_config(flow_matching_steps=40, fitted_flow_steps=0))
    return saved_run(tmp_path_factory.mktemp("runs") / "request", config, disc_set, fitted_flow_matching=arrays)


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


def test_the_library_draws_the_same_on_request(run):
    loaded = load(run)
    drawn = loaded.sample(3, with_=("red",), guidance=1.0)
    assert drawn.shape == (3, 16, 16, 3)
    prior = prior_for(loaded, "fitted_flow_matching", parse_request(loaded.info.data, ("red",), ()), 1.0)
    assert prior.log_prob(prior.sample(jax.random.key(0), (2,))).shape == (2,)
    assert (loaded.sample(3, with_=("red",), guidance=0.0) == loaded.sample(3, prior="fitted_flow_matching")).all()


def test_mistakes_of_a_request_on_the_command_line(run, disc_run, call):
    mistake(call(sample, run, "--guidance", 2, "--out", "x.png"), "--guidance is 2", "nothing is requested")
    mistake(call(sample, run, "--with", "red", "--guidance", -1, "--out", "x.png"), "must be at least 0")
    mistake(call(sample, run, "--with", "rad", "--out", "x.png"), "no attribute 'rad'", "red")
    mistake(call(sample, run, "--with", "red=4", "--out", "x.png"), "none has red=4")
    mistake(call(sample, run, "--with", "red", "--prior", "model", "--out", "x.png"), "model knows no attributes")
    mistake(call(sample, disc_run, "--with", "red", "--out", "x.png"), "flow-matching-steps is above 0")
    mistake(call(sample, run, "--with", "red", "--like", "test:1", "--out", "x.png"), "cannot be combined")


def test_a_hierarchy_draws_its_coarsest_level_on_request(disc_set, tmp_path):
    config = tiny_config(model=HVAE(hidden=12, latent=(3, 5)), train=train_config(flow_matching_steps=40))
    opened = untrained(config, disc_set)
    units = opened.vae.top_units(opened.params)
    folder = saved_run(
        tmp_path / "levels", config, disc_set, fitted_flow_matching=flow_matching_arrays(disc_set, units)
    )
    assert load(folder).sample(2, with_=("red",)).shape == (2, 16, 16, 3)
