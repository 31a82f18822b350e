"""The explorer's tools in a real browser: samples, gallery, map, similar images, sheet, mix and files."""

from urllib.parse import parse_qs

import pytest
from browsing import errors, in_address, open_tool, settle, slide
from PIL import Image

pytestmark = pytest.mark.browser
pytest_plugins = ["browser_fixtures"]


def test_draws_follow_prior_temperature_and_seed(page):
    open_tool(page, "draws")
    page.wait_for_selector("#drawn img")
    for action in (
        lambda: page.select_option("#prior", "model"),
        lambda: slide(page, "#temperature", 0.3),
        lambda: page.click("#next-seed"),
    ):
        before = page.get_attribute("#drawn img", "src")
        action()
        page.wait_for_function("old => document.querySelector('#drawn img').src !== old", arg=before)
    in_address(page, "draw", "model,0.3,1")


def test_a_click_on_a_sample_sets_what_is_chosen(page):
    open_tool(page, "draws")
    page.wait_for_selector("#drawn img")
    sources = page.locator("#drawn img").evaluate_all("all => all.map(one => one.src)")
    page.click("#drawn button >> nth=3")
    page.wait_for_function("s => document.querySelector('.end[data-end=last] .original').src === s", arg=sources[3])
    page.click("#drawn button >> nth=4", modifiers=["Shift"])
    page.wait_for_function("s => document.querySelector('.end[data-end=first] .original').src === s", arg=sources[4])
    page.check("#target input[value=first]", force=True)
    page.click("#drawn button >> nth=5")
    page.wait_for_function("s => document.querySelector('.end[data-end=first] .original').src === s", arg=sources[5])
    page.check("#target input[value=shelf]", force=True)
    page.click("#drawn button >> nth=6")
    page.wait_for_selector("#kept li img:not([hidden])")
    assert page.get_attribute("#kept li img", "src") == sources[6]


def test_the_gallery_is_filtered_and_turned(page, disc_set):
    attributes = disc_set.split("test").attributes
    open_tool(page, "gallery")
    page.wait_for_selector("#images img")
    page.click("#filter summary")
    page.select_option("select[data-attribute=width]", "medium")
    count = int((attributes[:, 2] == 1).sum())
    page.wait_for_function("count => document.querySelectorAll('#images img').length === count", arg=count)
    page.select_option("select[data-attribute=red]", "1")
    count = int(((attributes[:, 2] == 1) & (attributes[:, 0] == 1)).sum())
    page.wait_for_function("count => document.querySelectorAll('#images img').length === count", arg=count)
    assert page.inner_text("#page-number") == f"{count} images, page 1 of 1"
    assert page.is_disabled("#next-page")


def test_a_point_of_the_map_is_shown_and_picked_with_pointer_and_keys(page):
    open_tool(page, "map")
    page.wait_for_selector("#map-legend li")
    page.wait_for_load_state("networkidle")
    page.focus("#map")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    name = page.inner_text("#map-tip span")
    page.keyboard.press("Enter")
    in_address(page, "to", name)
    page.keyboard.press("Escape")
    assert page.is_hidden("#map-tip")
    box = page.locator("#map").bounding_box()
    for x in range(10, int(box["width"]), 8):
        page.mouse.move(box["x"] + x, box["y"] + box["height"] / 2)
        if page.is_visible("#map-tip"):
            break
    name = page.inner_text("#map-tip span")
    page.check("#target input[value=first]", force=True)
    page.mouse.click(box["x"] + x, box["y"] + box["height"] / 2)
    in_address(page, "from", name)


def test_similar_images_follow_the_face_in_the_middle(page):
    open_tool(page, "like")
    page.wait_for_function("() => document.querySelectorAll('#nearest img').length === 8")
    slide(page, "#degree", 0)
    page.fill(".end[data-end=first] .name", "test:9")
    page.keyboard.press("Tab")
    page.wait_for_selector("#nearest figure:first-child button[aria-label^='test:9,']")
    page.click("#nearest button >> nth=1")
    page.wait_for_function("() => /to=test:[0-9]+/.test(location.hash)")


def test_a_cell_of_the_sheet_becomes_an_end_and_corners_are_changed(page):
    open_tool(page, "sheet")
    page.wait_for_function("() => document.querySelectorAll('#cells img').length === 49")
    corners = page.locator("#corners img").evaluate_all("all => all.map(one => one.src)")
    assert len(set(corners)) > 1
    page.click("#cells button >> nth=24")
    page.wait_for_function("() => location.hash.includes('to=%7B')")
    assert page.inner_text(".end[data-end=last] .label") == "walk, 50 %"
    before = page.get_attribute("#cells img", "src")
    page.click("#corners button >> nth=0")
    open_tool(page, "gallery")
    assert page.inner_text("#corner-target") == "sets the top left corner"
    page.click("#images button >> nth=11")
    open_tool(page, "sheet")
    page.wait_for_function("old => document.querySelector('#cells img').src !== old", arg=before)
    page.wait_for_function(
        "() => JSON.parse(new URLSearchParams(location.hash.slice(1)).get('corners'))[0] === 'test:11'"
    )
    with page.expect_download() as download:
        page.click("#save-sheet")
    assert download.value.suggested_filename == "sheet.png"


def test_a_mix_is_weighted_and_used(page):
    open_tool(page, "mix")
    for choice in ("0", "1"):
        page.select_option("#mix-choice", choice)
        page.click("#mix-add")
    page.wait_for_selector("#mix-result:not([hidden])")
    page.fill("#mixed input[type=number] >> nth=0", "0.25")
    page.keyboard.press("Tab")
    shares = page.locator("#mixed .share").evaluate_all("all => all.map(one => one.textContent)")
    assert shares == ["33 %", "67 %"]
    page.click("#mix-add")
    page.wait_for_selector("#panel-mix .error:not([hidden])")
    assert errors(page) == {"panel-mix": "This face is in the mix already."}
    page.click("#mix-first")
    page.wait_for_function("() => location.hash.includes('from=%7B')")
    assert page.inner_text(".end[data-end=first] .label") == "mix of 2"
    page.click("#mix-keep")
    page.wait_for_selector("#kept li img:not([hidden])")
    assert parse_qs(page.url.split("#")[1])["mix"]


def test_results_are_downloaded(page, tmp_path):
    open_tool(page, "save")
    for format_, kind in ((".gif", "GIF"), (".webp", "WEBP")):
        page.select_option("#format", format_)
        with page.expect_download() as download:
            page.click("#save-animation")
        assert download.value.suggested_filename == f"walk{format_}"
        download.value.save_as(tmp_path / f"walk{format_}")
        with Image.open(tmp_path / f"walk{format_}") as image:
            assert (image.format, image.size) == (kind, (512, 512))
    open_tool(page, "draws")
    with page.expect_download() as download:
        page.click("#save-draws")
    assert download.value.suggested_filename == "samples.png"


def test_without_ffmpeg_videos_are_disabled_with_the_reason(page, address):
    page.route("**/about", lambda route: route.fulfill(
        json={**route.fetch().json(), "missing_formats": {".mp4": "writing MP4 needs ffmpeg."}}))  # fmt: skip
    page.reload()
    settle(page)
    open_tool(page, "save")
    assert page.locator("#format option[value='.mp4']").is_disabled()
    assert page.inner_text("#missing-formats") == "MP4 is not available: writing MP4 needs ffmpeg."


def test_without_the_dataset_the_page_offers_what_is_left(page):
    draws = [f"draw:fitted_mixture:0:1:{index}" for index in (0, 1)]
    less = {"test_images": 0, "attributes": {}, "sliders": {}, "first": draws[0], "last": draws[1], "notes": ["Gone."]}
    page.route("**/about", lambda route: route.fulfill(json={**route.fetch().json(), **less}))
    page.goto("about:blank")
    page.goto(page.elsewhere[0])
    settle(page)
    assert page.locator("[role=tab]").evaluate_all("all => all.map(one => one.id)") == [
        "tab-draws", "tab-sheet", "tab-mix", "tab-save"
    ]  # fmt: skip
    assert page.inner_text("#notes") == "Gone."
    assert page.is_hidden(".end[data-end=first] .another")
    open_tool(page, "sheet")
    page.wait_for_function("() => document.querySelectorAll('#cells img').length === 49")
    assert errors(page) == {}
