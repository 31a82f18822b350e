"""Faces with other attributes: of a model with and without conditions, by the server and in a real browser."""

import json

import numpy as np
import pytest
from browsing import in_address, open_tool, opened
from conftest import saved_run, tiny_config
from serving import fetch, served

from jaxvae import MLP, load
from jaxvae.data.select import data_set
from jaxvae.explorer.ends import known_attributes
from jaxvae.explorer.faces import Exchanged, Mix
from jaxvae.explorer.moves import code_row, decode_rows
from jaxvae.explorer.session import open_session
from jaxvae.labels import UNKNOWN
from jaxvae.latents.attributes.exchange import Exchange
from jaxvae.latents.attributes.labels import labelled_split
from jaxvae.latents.attributes.request import parse_request

pytest_plugins = ["browser_fixtures"]
WANTED = (("red", "1"), ("width", "large"))


@pytest.fixture(scope="module")
def run(flow_matching_run):
    return flow_matching_run


@pytest.fixture(scope="module")
def session(run):
    return open_session(load(run), None, 3)


@pytest.fixture(scope="module")
def learned(session):
    return Exchange.learn(session.loaded, labelled_split(data_set(session.loaded.info.data), "train", 5000))


def request_of(session):
    return parse_request(session.loaded.info.data, [f"{name}={value}" for name, value in WANTED])


def test_attributes_of_images_of_the_data_set_are_known_and_of_no_other_face(session):
    data = session.loaded.info.data
    table = np.asarray(data_set(data).split("test").attributes)
    np.testing.assert_array_equal(known_attributes("test:3", data), table[3])
    first = np.flatnonzero(table[:, 0] == 1)[0]
    np.testing.assert_array_equal(known_attributes("red=1", data), table[first])
    for other in ("upload:0123", "draw:model:0:1:2&red=1", Mix((("test:0", 1.0), ("test:1", 1.0)))):
        assert (known_attributes(other, data) == UNKNOWN).all()


def test_the_code_moves_as_the_command_moves_it(session, learned):
    face, image = session.end(Exchanged("test:3", WANTED)), session.end("test:3").image
    known = known_attributes("test:3", session.loaded.info.data)
    expected = learned.images(image[None], known[None], request_of(session), np.ones(1))[0, 0]
    assert np.abs(face.image.astype(int) - expected).max() <= 1
    assert face.label == "red=1, width=large"


def test_an_exchanged_face_can_be_an_end_of_a_walk(session):
    move = {"first": "test:3", "last": {"face": "test:3", "with": dict(WANTED)}, "path": "linear", "degree": 1.0}
    with served(session) as at:
        status, content, _ = fetch(at, "/end", {"name": move["last"]})
        answer = json.loads(content)
        assert (status, answer["name"], answer["label"]) == (200, move["last"], "red=1, width=large")
        reached = json.loads(fetch(at, "/end", {"name": move | {"amounts": {}}})[1])
        assert reached["picture"] == answer["picture"]
        about = json.loads(fetch(at, "/about")[1])
        assert about["exchangeable"]["width"] == ["small", "medium", "large"]
        for wanted, phrase in (({"rad": "1"}, "no attribute 'rad'"), ({"width": "huge"}, "not a class of it")):
            status, content, _ = fetch(at, "/end", {"name": {"face": "test:3", "with": wanted}})
            assert status == 400
            assert phrase in content.decode()


@pytest.mark.slow
def test_a_conditional_model_is_told_and_its_image_encoded_anew(disc_set, tmp_path):
    model = MLP(hidden=(8,), latent=2, attributes=("red", "width"), attribute_values=3)
    run = saved_run(tmp_path / "run", tiny_config(model=model), disc_set)
    session = open_session(load(run), None, 3)
    learned = Exchange.learn(session.loaded, labelled_split(data_set(session.loaded.info.data), "train", 5000))
    face, image = session.end(Exchanged("test:3", WANTED)), session.end("test:3").image
    known = known_attributes("test:3", session.loaded.info.data)
    expected = learned.images(image[None], known[None], request_of(session), np.ones(1))[0, 0]
    np.testing.assert_array_equal(face.image, expected)
    np.testing.assert_array_equal(face.row, code_row(session.loaded, expected))
    assert decode_rows(session.loaded, face.row[None]).shape == (1, *image.shape)


@pytest.mark.browser
def test_a_face_is_exchanged_and_walked_to(browser, explorer_of, run):
    with explorer_of(run) as at, opened(browser, at) as page:
        open_tool(page, "exchange")
        assert page.is_hidden("#exchange-result")
        page.select_option("#exchange-wanted select[data-attribute=width]", "large")
        page.wait_for_selector("#exchange-picture[src]")
        in_address(page, "exchange", "width=large")
        picture = page.get_attribute("#exchange-picture", "src")
        page.reload()
        page.wait_for_function("now => document.querySelector('#exchange-picture')?.src === now", arg=picture)
        page.click("#exchange-walk")
        page.wait_for_function("now => document.querySelector('.end[data-end=last] img')?.src === now", arg=picture)
        assert page.is_hidden("#exchange-result")
        assert page.input_value("#exchange-wanted select[data-attribute=width]") == ""
        page.click("#undo")
        page.wait_for_selector("#exchange-result:not([hidden])")
