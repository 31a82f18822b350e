"""Samples on request: of a prior that knows attributes, by the server and in a real browser."""

import json

import numpy as np
import pytest
from browsing import in_address, open_tool, opened
from serving import fetch, served

from jaxvae import load
from jaxvae.explorer.ends import draw_name, parse_draw_name
from jaxvae.explorer.requests import DrawRequest
from jaxvae.explorer.session import open_session

pytest_plugins = ["browser_fixtures"]
KIND = "fitted_flow_matching"
DRAW = {"prior": KIND, "seed": 1, "temperature": 1.0}


@pytest.fixture(scope="module")
def run(flow_matching_run):
    return flow_matching_run


@pytest.fixture(scope="module")
def session(run):
    return open_session(load(run), None, 3)


@pytest.fixture(scope="module")
def address(session):
    with served(session) as at:
        yield at


def test_the_page_knows_what_can_be_requested(address):
    about = json.loads(fetch(address, "/about")[1])
    assert about["requestable"] == {"red": ["1", "0"], "high": ["1", "0"], "width": ["small", "medium", "large"]}


def test_requested_samples_are_those_of_the_library(address, session):
    answer = json.loads(fetch(address, "/draw", DRAW | {"wanted": {"width": "large", "red": "1"}})[1])
    names = [each["name"] for each in answer]
    assert names[3] == f"draw:{KIND}:1:1:3&red=1&width=large"
    free = json.loads(fetch(address, "/draw", DRAW)[1])
    assert [each["picture"] for each in answer] != [each["picture"] for each in free]
    again = session.end(names[3])
    same = session.draws(DrawRequest(prior=KIND, seed=1, temperature=1.0, wanted=("red=1", "width=large")))[3]
    np.testing.assert_array_equal(again.image, same.image)


def test_names_of_requested_samples_are_read_back():
    request = DrawRequest(prior=KIND, seed=3, temperature=0.5, wanted=("hair colour=a&b", "odd:name=1"))
    assert parse_draw_name(draw_name(request, 4)) == (request, 4)


@pytest.mark.parametrize("wanted", [{"rad": "1"}, {"red": "7"}, {"width": "huge"}, ["red"], {"red": 1}])
def test_what_is_not_known_is_refused(address, wanted):
    assert fetch(address, "/draw", DRAW | {"wanted": wanted})[0] == 400


def test_another_prior_takes_no_request(address):
    status, content, _ = fetch(address, "/draw", DRAW | {"prior": "model", "wanted": {"red": "1"}})
    assert status == 400
    assert b"model knows no attributes" in content


@pytest.mark.browser
def test_selects_request_attributes_and_the_address_keeps_them(browser, explorer_of, run):
    with explorer_of(run) as at, opened(browser, at) as page:
        open_tool(page, "draws")
        page.wait_for_selector("#drawn img")
        before = page.get_attribute("#drawn img", "src")
        page.click("#request summary")
        page.select_option("#wanted select[data-attribute=red]", "1")
        page.wait_for_function("old => document.querySelector('#drawn img').src !== old", arg=before)
        in_address(page, "draw", f"{KIND},1,0,red=1")
        drawn = page.get_attribute("#drawn img", "src")
        page.reload()
        page.wait_for_function("now => document.querySelector('#drawn img')?.src === now", arg=drawn)
        assert page.input_value("#wanted select[data-attribute=red]") == "1"
        page.select_option("#prior", "model")
        page.wait_for_function("now => document.querySelector('#drawn img').src !== now", arg=drawn)
        assert page.input_value("#wanted select[data-attribute=red]") == ""
