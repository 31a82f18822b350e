"""The explorer's page in a real browser: a headless Chromium, driven by Playwright (make test-browser)."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from urllib.parse import parse_qs

import numpy as np
import pytest
from PIL import Image

from jaxvae.latents.code_files import read_codes
from jaxvae.runs.run import load
from jaxvae.vae import code_shape

pytestmark = pytest.mark.browser

MOST_MILLISECONDS = 100
TOOLS = ["attributes", "units", "draws", "gallery", "map", "like", "sheet", "mix", "save"]
WIDTHS = {1280: 800, 390: 844, 320: 640}
SMALLEST_TARGET = 36  # Pixels; 44 where a finger points.


@contextlib.contextmanager
def explorer(run, port):
    command = [sys.executable, "-m", "jaxvae.explore", run, "--no-open", "--port", str(port)]
    environment = {**os.environ, "JAX_NUM_CPU_DEVICES": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert "opening" in server.stdout.readline()
        assert f"http://127.0.0.1:{port}" in server.stdout.readline()
        yield f"http://127.0.0.1:{port}"
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=30)
    assert server.returncode == 0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def address(disc_run):
    with explorer(disc_run, free_port()) as at:
        yield at


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = os.environ.get("CHROMIUM") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextlib.contextmanager
def opened(browser, address, **options):
    """The page in a browser of its own, without what other pages have stored; no error of its own may come up."""
    context = browser.new_context(**options)
    page = context.new_page()
    page.elsewhere, failures = [], []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.on("request", lambda request: page.elsewhere.append(request.url))
    page.goto(address)
    settle(page)
    yield page
    context.close()
    assert failures == []


def settle(page):
    page.wait_for_selector("body[data-ready]")
    page.wait_for_selector("#picture[data-milliseconds]")


@pytest.fixture
def page(browser, address):
    with opened(browser, address) as page:
        yield page


def shown(page, selector="#picture"):
    """The pixels of an image, by default of the one in the middle."""
    return page.evaluate(
        """async selector => {
          const picture = document.querySelector(selector), canvas = document.createElement("canvas");
          await picture.decode();
          [canvas.width, canvas.height] = [picture.naturalWidth, picture.naturalHeight];
          canvas.getContext("2d").drawImage(picture, 0, 0);
          return canvas.toDataURL();
        }""",
        selector,
    )


def changed_by(page, action):
    """Whether the picture is another one when the answer to what the action requests has come."""
    before, source = shown(page), page.get_attribute("#picture", "src")
    action()
    page.wait_for_function("source => document.querySelector('#picture').src !== source", arg=source)
    return shown(page) != before


def slide(page, selector, value):
    page.evaluate(
        """([selector, value]) => {
          const input = document.querySelector(selector);
          input.value = value;
          input.dispatchEvent(new Event("input"));
        }""",
        [selector, value],
    )


def open_tool(page, name):
    page.click(f"#tab-{name}")
    page.wait_for_selector(f"#panel-{name}:not([hidden])")


def in_address(page, name, value):
    """Waits until the address has a field of this value."""
    page.wait_for_function(
        "([name, value]) => new URLSearchParams(location.hash.slice(1)).get(name) === value", arg=[name, value]
    )


def errors(page):
    """The errors on the page: the id, or the end, of the part that each is in, and its words."""
    return dict(
        page.evaluate(
            """() => [...document.querySelectorAll(".error:not([hidden])")].map(error => {
              const part = error.closest("[data-end], [id]");
              return [part.dataset.end || part.id, error.textContent];
            })"""
        )
    )


def test_the_page_opens_and_requests_nothing_from_elsewhere(page, address):
    assert page.inner_text("#about").startswith("run discs, step 40")
    assert page.locator(".end .original[src^='data:image/png']").count() == 2
    for name in TOOLS:
        open_tool(page, name)
    page.wait_for_selector("#drawn img", state="attached")
    assert page.locator("#drawn img").count() == 12
    assert all(url.startswith((address, f"blob:{address}", "data:")) for url in page.elsewhere)
    assert errors(page) == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_sticks_out_and_everything_has_a_name_and_a_size(browser, address, width, scheme):
    options = {"viewport": {"width": width, "height": WIDTHS[width]}, "color_scheme": scheme, "has_touch": width < 1000}
    with opened(browser, address, **options) as page:
        page.click("#keep")
        page.wait_for_selector("#kept li img:not([hidden])")
        for name in TOOLS:
            open_tool(page, name)
            if name == "mix":
                page.click("#mix-add")
                page.wait_for_selector("#mixed li")
            if name == "gallery":
                page.click("#filter summary")
            page.wait_for_load_state("networkidle")
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
            tracks = page.locator("input[type=range]:visible").evaluate_all("all => all.map(one => one.clientWidth)")
            assert min(tracks) >= 120, name
            assert unnamed(page) == [], name
            smallest = SMALLEST_TARGET if width > 1000 else 44
            assert small_targets(page, smallest) == [], name
            assert pale_texts(page) == [], name
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).map(Number)")
        assert (max(dark) < 60) == (scheme == "dark")
        assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light dark"


CONTROLS = "button, select, summary, input, canvas, a, [role=tab]"


def unnamed(page):
    """The visible controls, and images with something to say, without an accessible name."""
    return page.evaluate(
        f"""() => [...document.querySelectorAll("{CONTROLS}")].filter(one => one.checkVisibility()).filter(one => {{
          const labelled = one.ariaLabel || one.textContent.trim() || [...(one.labels || [])].map(
            label => label.textContent.trim()).join("");
          return !labelled;
        }}).map(one => one.outerHTML).concat([...document.images].filter(one => one.getAttribute("alt") === null).map(
          one => one.outerHTML))"""
    )


def small_targets(page, smallest):
    """Visible controls that a finger misses; cells of the sheet, and points of the map, are as large as they can be."""
    return page.evaluate(
        f"""smallest => [...document.querySelectorAll("{CONTROLS}")].filter(one => one.checkVisibility()
          && !one.closest("#cells")).filter(one => {{
            const {{ width, height }} = one.getBoundingClientRect();
            return height < smallest - 0.5 || width < Math.min(smallest, 36) - 0.5;
        }}).map(one => `${{one.outerHTML.slice(0, 90)}} ${{one.clientWidth}} x ${{one.clientHeight}}`)""",
        smallest,
    )


def pale_texts(page):
    """Visible texts whose contrast to their background is below 4.5 to 1 (WCAG AA); disabled controls may be."""
    return page.evaluate(
        """() => {
          const light = ([r, g, b]) => [r, g, b].map(value => value / 255).map(value =>
            value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
            .reduce((sum, value, i) => sum + value * [0.2126, 0.7152, 0.0722][i], 0);
          const color = text => text.match(/[0-9.]+/g).map(Number);
          const ground = node => {
            for (let at = node; at; at = at.parentElement) {
              const [r, g, b, a = 1] = color(getComputedStyle(at).backgroundColor);
              if (a > 0) return [r, g, b];
            }
            return [255, 255, 255];
          };
          return [...document.querySelectorAll("body *")].filter(node => node.checkVisibility() && !node.disabled
            && [...node.childNodes].some(child => child.nodeType === 3 && child.textContent.trim())).filter(node => {
              const [one, other] = [light(color(getComputedStyle(node).color)), light(ground(node))];
              return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05) < 4.5;
            }).map(node => node.outerHTML.slice(0, 120));
        }"""
    )


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


def snapshot(page):
    """What the page shows of all that its address holds."""
    page.wait_for_function("() => [...document.querySelectorAll('#kept img, #mixed img')].every(image => image.src)")
    page.wait_for_load_state("networkidle")
    return {
        "picture": shown(page),
        "ends": page.locator(".end .original").evaluate_all("all => all.map(one => one.src)"),
        "kept": page.locator("#kept img").evaluate_all("all => all.map(one => one.src)"),
        "controls": page.locator("input:not([type=file], [type=radio]), select:not(#mix-choice, .corner select)"
                                 ).evaluate_all("all => all.map(one => one.value)"),
        "tool": page.inner_text("[role=tab][aria-selected=true]"),
    }  # fmt: skip


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
        page.goto(f"{address}/#from=upload:0123456789abcdef&to=test:1")
        page.reload()
        page.wait_for_selector(".end[data-end=first] .error:not([hidden])")
        assert list(errors(page)) == ["first"]
        assert "kept in memory until the explorer stops" in errors(page)["first"]
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
