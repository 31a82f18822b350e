"""The explorer's state in its address, and the shelf."""

import subprocess
import sys

import numpy as np
import pytest
from browsing import errors, in_address, open_tool, opened, settle, shown, slide, snapshot
from PIL import Image

from jaxvae.latents.code_files import read_codes
from jaxvae.runs.run import load
from jaxvae.vae import code_shape

pytestmark = pytest.mark.browser
pytest_plugins = ["browser_fixtures"]


def test_a_face_is_found_kept_exported_and_there_again_at_its_address(page, browser, disc_run, tmp_path):
    slide(page, "#panel-attributes input[type=range]", 1.5)
    slide(page, "#degree", 0.3)
    open_tool(page, "gallery")
    page.wait_for_selector("#images img")
    page.click("#images button >> nth=7")
    in_address(page, "to", "test:7")
    page.wait_for_function("() => document.querySelector('#status').textContent === '30 % of the way'")
    page.wait_for_load_state("networkidle")
    page.click("#keep")
    page.wait_for_selector("#kept li img:not([hidden])")
    page.click(".end[data-end=last] .keep")
    page.wait_for_selector("#kept li >> nth=1 >> img:not([hidden])")
    open_tool(page, "mix")
    for choice in ("3", "4"):  # The kept faces.
        page.select_option("#mix-choice", choice)
        page.click("#mix-add")
    slide(page, "#mixed input[type=range]", 1)
    page.wait_for_selector("#mix-result:not([hidden])")
    page.wait_for_function("() => new URLSearchParams(location.hash.slice(1)).get('mix')?.includes(',1]')")
    with page.expect_download() as download:
        page.click("#save-codes")
    download.value.save_as(tmp_path / "shelf.npz")
    vae, params, _ = load(disc_run)
    saved = read_codes(tmp_path / "shelf.npz", code_shape(vae, params))
    assert saved.names == ("0-walk, 30 %, 1 change", "1-test:7")
    command = [sys.executable, "-m", "jaxvae.decode", disc_run, tmp_path / "shelf.npz", "--out", tmp_path / "shelf.png"]
    assert subprocess.run(command, capture_output=True).returncode == 0
    with Image.open(tmp_path / "shelf.png") as image:
        decoded = np.asarray(image)[:128, :128]

    before = snapshot(page)
    assert shown(page, "#kept img") == before["picture"]
    for again in (page, None):
        if again is None:  # Another browser, which has stored nothing.
            with opened(browser, page.url) as elsewhere:
                assert snapshot(elsewhere) == before
        else:
            again.reload()
            settle(again)
            assert snapshot(again) == before
    page.click("#open-save")
    page.select_option("#side", "128")
    page.select_option("#enlarge", "nearest")
    with page.expect_download() as download:
        page.click("#save-picture")
    download.value.save_as(tmp_path / "face.png")
    with Image.open(tmp_path / "face.png") as image:
        assert np.max(np.abs(np.asarray(image).astype(int) - decoded)) <= 1


def test_back_and_forward_and_undo_and_redo_go_through_the_steps(page):
    start = snapshot(page)
    assert page.is_disabled("#undo")
    for value in (0.6, 0.7, 0.8, 0.9):  # Dragging is one step.
        slide(page, "#degree", value)
    in_address(page, "at", "0.9")
    slide(page, "#panel-attributes input[type=range]", 2)
    page.wait_for_function("() => location.hash.includes('move=')")
    page.wait_for_load_state("networkidle")
    end = snapshot(page)
    page.go_back()
    page.wait_for_function("() => !location.hash.includes('move=')")
    assert page.input_value("#panel-attributes input[type=range]") == "0"
    page.click("#undo")
    page.wait_for_function("() => document.querySelector('#degree').value === '0.5'")
    page.wait_for_load_state("networkidle")
    assert snapshot(page) == start
    assert page.is_disabled("#undo")
    page.go_forward()
    page.wait_for_function("() => document.querySelector('#degree').value === '0.9'")
    page.reload()
    settle(page)
    page.click("#redo")
    page.wait_for_function("() => document.querySelector('#panel-attributes input[type=range]').value === '2'")
    assert snapshot(page) == end
    assert page.is_disabled("#redo")
    page.focus("#degree")
    page.keyboard.press("Control+z")
    page.wait_for_function("() => document.querySelector('#panel-attributes input[type=range]').value === '0'")


def test_undo_takes_back_a_change_that_is_not_yet_a_step(page):
    slide(page, "#degree", 0.9)
    page.wait_for_function("() => document.querySelector('#status').textContent === '90 % of the way'")
    page.wait_for_timeout(600)
    slide(page, "#degree", 0.2)
    page.keyboard.press("Control+z")
    page.wait_for_function("() => document.querySelector('#degree').value === '0.9'")


@pytest.mark.parametrize(
    "hash_",
    [
        "#from=%7B&to=%7B%5D&at=7&path=winding&move=%7B%22unit:0%22:%22x%22%7D&draw=a,b,c&kept=%5B1%5D&mix=7&corners=1",
        "#at=NaN&move=null&kept=null&mix=%5B%5B%5D%5D&tool=__proto__&draw=model,1,-1",
        "#%%%",
    ],
)
def test_a_damaged_address_opens_the_page_as_it_is_at_first(browser, address, hash_):
    with opened(browser, address) as fresh, opened(browser, f"{address}/{hash_}") as page:
        assert snapshot(page) == snapshot(fresh)
        assert errors(page) == {}


def test_an_upload_in_an_address_of_an_earlier_start_is_explained_at_its_end(browser, address):
    with opened(browser, address) as page:
        page.goto(f"{address}/#from=upload:0123456789abcdef&to=test:1&kept=%5B%22upload:0123456789abcdef%22%5D")
        page.reload()
        page.wait_for_selector(".end[data-end=first] .error:not([hidden])")
        assert list(errors(page)) == ["first"]
        assert "kept in memory until the explorer stops" in errors(page)["first"]
        assert "kept in memory until the explorer stops" in page.inner_text("#kept .lost")
        assert "Choose both ends" in page.inner_text("#status")
        page.fill(".end[data-end=first] .name", "test:2")
        page.keyboard.press("Tab")
        page.wait_for_selector("#picture[data-milliseconds]")
        assert errors(page) == {}


def test_the_shelf_is_remembered_and_its_faces_become_ends(page, address):
    slide(page, "#degree", 0.25)
    page.click("#keep")
    page.wait_for_selector("#kept li img:not([hidden])")
    kept = page.get_attribute("#kept img", "src")
    page.goto("about:blank")
    page.goto(address)
    settle(page)
    page.wait_for_selector("#kept li img:not([hidden])")
    assert page.get_attribute("#kept img", "src") == kept
    page.click("#kept button >> text=From")
    page.wait_for_function("s => document.querySelector('.end[data-end=first] .original').src === s", arg=kept)
    assert page.inner_text(".end[data-end=first] .label") == "walk, 25 %"
    page.click("#kept .remove")
    assert page.locator("#kept li").count() == 0
    # An address with other faces leaves those that are stored here alone.
    page.click("#keep")
    page.wait_for_selector("#kept li")
    page.goto("about:blank")
    page.goto(f"{address}/#from=test:1&to=test:2&kept=%5B%22test:3%22%5D")
    settle(page)
    page.click("#restore")
    page.wait_for_function("() => document.querySelectorAll('#kept li').length === 2")
    assert page.is_hidden("#restore")
