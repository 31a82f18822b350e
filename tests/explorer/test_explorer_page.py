"""The explorer's page in a real browser: a headless Chromium, driven by Playwright (make test-browser)."""

import os
import shutil
import signal
import socket
import subprocess
import sys

import pytest
from PIL import Image

pytestmark = pytest.mark.browser

MOST_MILLISECONDS = 100


@pytest.fixture(scope="module")
def address(disc_run):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "jaxvae.explore", disc_run, "--no-open", "--port", str(port)]
    environment = {**os.environ, "JAX_NUM_CPU_DEVICES": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert "opening" in server.stdout.readline()
        assert f"http://127.0.0.1:{port}" in server.stdout.readline()
        yield f"http://127.0.0.1:{port}"
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=30)
    assert server.returncode == 0


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = os.environ.get("CHROMIUM") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser, address):
    """The page, opened, with all that it shows at first; no error of its own may come up."""
    page = browser.new_page()
    page.elsewhere, failures = [], []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.on("request", lambda request: page.elsewhere.append(request.url))
    page.goto(address)
    page.wait_for_selector("#picture[data-milliseconds]")
    page.wait_for_selector("#drawn img")
    yield page
    page.close()
    assert failures == []


def shown(page):
    """The pixels of the picture in the middle."""
    return page.evaluate(
        """async () => {
          const picture = document.querySelector("#picture"), canvas = document.createElement("canvas");
          await picture.decode();
          [canvas.width, canvas.height] = [picture.naturalWidth, picture.naturalHeight];
          canvas.getContext("2d").drawImage(picture, 0, 0);
          return canvas.toDataURL();
        }"""
    )


def changed_by(page, action):
    """Whether the picture is another one when the answer to what the action asks has come."""
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


def test_the_page_opens_and_requests_nothing_from_elsewhere(page, address):
    assert page.inner_text("#about").startswith("run discs, step 40")
    assert page.locator(".end img[src^='data:image/png']").count() == 2
    assert page.locator("#drawn img").count() == 12
    assert all(url.startswith((address, f"blob:{address}", "data:")) for url in page.elsewhere)
    assert page.is_hidden("#error")


def test_the_keys_of_the_path_slider_change_the_image(page):
    page.focus("#degree")
    assert changed_by(page, lambda: page.keyboard.press("End"))
    assert page.inner_text("#status") == "100 % of the way"
    assert changed_by(page, lambda: page.keyboard.press("Home"))


def test_every_slider_changes_the_image_and_reset_undoes_it(page):
    before = shown(page)
    for group in ("attributes", "units"):
        slider = f"#group-{group} .slider input"
        assert changed_by(page, lambda slider=slider: slide(page, slider, 2))
        assert changed_by(page, lambda group=group: page.click(f"#group-{group} button"))
        assert shown(page) == before


def test_a_move_takes_less_than_a_tenth_of_a_second(page):
    times = []
    for percent in range(0, 100, 4):
        changed_by(page, lambda percent=percent: slide(page, "#degree", percent / 100))
        times.append(float(page.get_attribute("#picture", "data-milliseconds")))
    assert sorted(times)[len(times) // 2] < MOST_MILLISECONDS


def test_every_path_is_walked(page):
    for path in page.locator("#path option").evaluate_all("options => options.map(option => option.value)")[1:]:
        answer = page.expect_response("**/move")
        with answer as response:
            page.select_option("#path", path)
        assert response.value.ok, path


def test_images_are_chosen_by_name_or_at_random_and_samples_by_a_click(page):
    assert changed_by(page, lambda: (page.fill(".end[data-end=first] .name", "test:5"), page.keyboard.press("Tab")))
    with page.expect_response("**/end") as response:
        page.click(".end[data-end=last] .another")
    assert response.value.ok
    source = page.get_attribute("#drawn img >> nth=3", "src")
    page.click("#drawn button >> nth=3")
    assert page.get_attribute(".end[data-end=last] img", "src") == source
    page.fill(".end[data-end=first] .name", "rad=1")
    page.keyboard.press("Tab")
    page.wait_for_selector("#error:not([hidden])")
    assert "did you mean 'red'" in page.inner_text("#error")


def test_draws_follow_prior_temperature_and_seed(page):
    def drawn():
        return page.get_attribute("#drawn img", "src")

    for action in (
        lambda: page.select_option("#prior", "model"),
        lambda: slide(page, "#temperature", 0.3),
        lambda: page.click("#next-seed"),
    ):
        before = drawn()
        action()
        page.wait_for_function("old => document.querySelector('#drawn img').src !== old", arg=before)


def test_a_bad_file_gets_an_error_message_and_a_good_one_is_accepted(page, tmp_path):
    bad, good = tmp_path / "letter.png", tmp_path / "face.jpg"
    bad.write_text("no picture at all")
    Image.new("RGB", (70, 50), "red").save(good)
    source = page.get_attribute(".end[data-end=first] img", "src")
    page.set_input_files(".end[data-end=first] .file", bad)
    page.wait_for_selector("#error:not([hidden])")
    assert page.inner_text("#error") == (
        "letter.png cannot be read as an image; expected a PNG, JPEG or another format that Pillow supports."
    )
    assert page.get_attribute(".end[data-end=first] img", "src") == source
    assert changed_by(page, lambda: page.set_input_files(".end[data-end=first] .file", good))
    assert page.inner_text(".end[data-end=first] .label") == "face.jpg"
    assert page.is_hidden("#error")


def test_results_are_downloaded(page, tmp_path):
    for button, name, format_ in (
        ("#save-picture", "picture.png", "PNG"), ("#save-animation", "walk.gif", "GIF"),
        ("#save-draws", "draws.png", "PNG"),
    ):  # fmt: skip
        with page.expect_download() as download:
            page.click(button)
        assert download.value.suggested_filename == name
        download.value.save_as(tmp_path / name)
        with Image.open(tmp_path / name) as image:
            assert image.format == format_
