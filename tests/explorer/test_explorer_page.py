"""The explorer's page in a real browser: the walk, its ends and the sliders (make test-browser)."""

import pytest
from browsing import changed_by, errors, open_tool, opened, shown, slide
from conftest import saved_run, tiny_config
from PIL import Image

from jaxvae import HVAE

MOST_MILLISECONDS = 100

pytestmark = pytest.mark.browser
pytest_plugins = ["browser_fixtures"]


def test_the_page_opens_and_requests_nothing_from_elsewhere(page, address):
    assert page.inner_text("#about").startswith("run discs, step 40")
    assert page.locator(".end .original[src^='data:image/png']").count() == 2
    for name in page.locator("[role=tab]").evaluate_all("all => all.map(one => one.id.slice(4))"):
        open_tool(page, name)
    page.wait_for_selector("#drawn img", state="attached")
    assert page.locator("#drawn img").count() == 12
    assert all(url.startswith((address, f"blob:{address}", "data:")) for url in page.elsewhere)
    assert errors(page) == {}


def test_the_keys_of_the_path_slider_change_the_image(page):
    page.focus("#degree")
    assert changed_by(page, lambda: page.keyboard.press("End"))
    assert page.inner_text("#status") == "100 % of the way"
    assert changed_by(page, lambda: page.keyboard.press("Home"))


def test_every_slider_has_a_number_and_a_reset(page):
    before = shown(page)
    for group in ("attributes", "units"):
        open_tool(page, group)
        row = f"#panel-{group} .slider >> nth=0"
        number, reset = f"{row} >> input[type=number]", f"{row} >> .reset"
        assert page.is_disabled(reset)
        assert changed_by(page, lambda group=group: slide(page, f"#panel-{group} input[type=range]", 1.5))
        assert page.input_value(number) == "1.50"
        assert changed_by(page, lambda reset=reset: page.click(reset))
        assert shown(page) == before
        page.fill(number, "-2")
        assert changed_by(page, lambda: page.keyboard.press("Tab"))
        assert page.input_value(f"{row} >> input[type=range]") == "-2"
        assert changed_by(page, lambda row=row: page.dblclick(f"{row} >> input[type=range]"))
        assert page.input_value(number) == "0.00"
        assert changed_by(page, lambda group=group: slide(page, f"#panel-{group} input[type=range]", 1))
        assert changed_by(page, lambda group=group: page.click(f"#panel-{group} .reset-all"))
        assert shown(page) == before


def test_a_number_out_of_range_is_reported_at_its_sliders_until_one_of_them_works(page):
    number = "#panel-attributes .slider >> nth=0 >> input[type=number]"
    page.fill(number, "7")
    page.keyboard.press("Tab")
    assert errors(page) == {"panel-attributes": "red is 7, but must be between -2 and 2."}
    assert page.get_attribute("#panel-attributes .error", "role") == "alert"
    page.fill(number, "1")
    page.keyboard.press("Tab")
    assert errors(page) == {}


def test_the_tab_key_goes_from_the_ends_to_the_open_tool_and_arrows_between_tools(page):
    page.focus("#keep")
    visited = []
    for _ in range(14):
        page.keyboard.press("Tab")
        visited.append(page.evaluate("document.activeElement.ariaLabel || document.activeElement.textContent"))
    assert visited[:2] == ["Swap ends", "Save…"]
    at = visited.index("Attributes")
    assert visited[at + 1 : at + 3] == ["red", "red, as a number"]
    assert next(name for name in visited if "the last image" in name) == "Name of the last image"
    page.focus("#tab-attributes")
    page.keyboard.press("ArrowRight")
    assert page.is_visible("#panel-units")
    page.keyboard.press("End")
    assert page.is_visible("#panel-save")
    page.keyboard.press("ArrowRight")
    assert page.is_visible("#panel-attributes")


def test_a_move_takes_less_than_a_tenth_of_a_second(page):
    times = []
    for percent in range(0, 100, 4):
        changed_by(page, lambda percent=percent: slide(page, "#degree", percent / 100))
        times.append(float(page.get_attribute("#picture", "data-milliseconds")))
    assert sorted(times)[len(times) // 2] < MOST_MILLISECONDS


def test_every_path_is_walked(page):
    for path in page.locator("#path option").evaluate_all("options => options.map(option => option.value)")[1:]:
        with page.expect_response("**/move") as response:
            page.select_option("#path", path)
        assert response.value.ok, path


def test_what_takes_long_says_so(page):
    page.route("**/move", lambda route: (page.wait_for_timeout(600), route.continue_()))
    slide(page, "#degree", 0.9)
    page.wait_for_selector("#walk .busy:text('Computing…')")
    page.wait_for_function("() => document.querySelector('#walk .busy').textContent === ''")
    assert page.inner_text("#status") == "90 % of the way"


def test_an_error_is_shown_at_its_end_until_another_image_is_chosen(page):
    assert changed_by(page, lambda: (page.fill(".end[data-end=first] .name", "test:5"), page.keyboard.press("Tab")))
    page.fill(".end[data-end=first] .name", "rad=1")
    page.keyboard.press("Tab")
    page.wait_for_selector(".end[data-end=first] .error:not([hidden])")
    assert list(errors(page)) == ["first"]
    assert "did you mean 'red'" in errors(page)["first"]
    with page.expect_response("**/end") as response:
        page.click(".end[data-end=last] .another")
    assert response.value.ok
    assert list(errors(page)) == ["first"]
    page.fill(".end[data-end=first] .name", "test:6")
    page.keyboard.press("Tab")
    page.wait_for_function("() => !document.querySelector('.error:not([hidden])')")


def test_errors_of_tools_are_shown_in_them(page):
    open_tool(page, "save")
    page.fill("#frames", "1")
    page.click("#save-animation")
    page.wait_for_selector("#save-animation-part .error:not([hidden])")
    assert errors(page) == {"save-animation-part": "frames is 1, but must be between 2 and 200."}
    page.fill("#frames", "3")
    with page.expect_download():
        page.click("#save-animation")
    page.wait_for_function("() => !document.querySelector('.error:not([hidden])')")
    open_tool(page, "draws")
    page.fill("#seed", "-3")
    page.keyboard.press("Tab")
    assert "whole number" in errors(page)["panel-draws"]
    page.click("#keep")
    page.click("#keep")
    page.wait_for_selector("#shelf .error:not([hidden])")
    assert errors(page)["shelf"] == "This face is kept already."


def test_originals_are_shown_beside_their_reconstructions(page):
    assert page.locator(".decoded:visible").count() == 2
    assert page.inner_text(".end[data-end=first] .decoded").strip().endswith("dB")
    open_tool(page, "draws")
    page.click("#drawn button >> nth=0")
    page.wait_for_selector(".end[data-end=last] .decoded", state="hidden")


def test_a_bad_file_gets_an_error_message_and_a_good_one_is_accepted(page, tmp_path):
    bad, good = tmp_path / "letter.png", tmp_path / "face.jpg"
    bad.write_text("no picture at all")
    Image.new("RGB", (70, 50), "red").save(good)
    source = page.get_attribute(".end[data-end=first] .original", "src")
    page.set_input_files(".end[data-end=first] .file", bad)
    page.wait_for_selector(".end[data-end=first] .error:not([hidden])")
    assert errors(page) == {
        "first": "letter.png cannot be read as an image; expected a PNG, JPEG or another format that Pillow supports."
    }
    assert page.get_attribute(".end[data-end=first] .original", "src") == source
    assert changed_by(page, lambda: page.set_input_files(".end[data-end=first] .file", good))
    assert page.inner_text(".end[data-end=first] .label") == "face.jpg"
    assert errors(page) == {}


def test_a_hierarchy_has_a_slider_for_how_much_of_each_level_is_kept(browser, explorer_of, disc_set, tmp_path):
    run = saved_run(tmp_path / "levels", tiny_config(model=HVAE(hidden=8, latent=(2, 3))), disc_set)
    with explorer_of(run) as at, opened(browser, at) as page:
        before = shown(page)
        open_tool(page, "levels")
        number = "#panel-levels .slider >> nth=1 >> input[type=number]"
        assert page.input_value(number) == "1.00"
        assert changed_by(page, lambda: slide(page, "#panel-levels .slider:nth-of-type(2) input[type=range]", 0))
        assert page.input_value(number) == "0.00"
        page.wait_for_url("**z1**")  # The address keeps it.
        assert changed_by(page, lambda: page.click("#panel-levels .reset-all"))
        assert shown(page) == before
        page.fill(number, "2")
        page.keyboard.press("Tab")
        assert errors(page) == {"panel-levels": "z1 is 2, but must be between 0 and 1."}
