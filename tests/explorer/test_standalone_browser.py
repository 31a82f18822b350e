"""The exported page in a real browser, from a server that knows only files (make test-browser)."""

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from browsing import changed_by, errors, open_tool, opened, shown, slide
from conftest import saved_run, tiny_config
from PIL import Image
from serving import free_port

from jaxvae import HVAE, MLP, DataConfig
from jaxvae.data.in_memory import prepare_arrays
from jaxvae.explorer import moves
from jaxvae.explorer.onnxruntime_web import read_onnxruntime_web
from jaxvae.explorer.session import open_session
from jaxvae.explorer.standalone_page import UNITS, write_page
from jaxvae.inference import encode_means
from jaxvae.runs.run import load

pytestmark = pytest.mark.browser
pytest_plugins = ["browser_fixtures"]


@contextlib.contextmanager
def hosted(run, folder):
    """The address of the page of a run, exported into the folder `inner` of another."""
    pytest.importorskip("onnxruntime")
    package = os.environ.get("ONNXRUNTIME_WEB")
    if not package:
        pytest.skip("ONNXRUNTIME_WEB does not name the npm package onnxruntime-web")
    folder = folder / "inner"
    write_page(load(run), folder, read_onnxruntime_web(Path(package)), faces=6)
    # Not at the root of the host, where absolute addresses would go unnoticed.
    command = [
        sys.executable,
        "-m",
        "http.server",
        "--bind",
        "127.0.0.1",
        "--directory",
        folder.parent,
        str(free_port()),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={
        **os.environ, "PYTHONUNBUFFERED": "1"
    }) as server:  # fmt: skip
        assert "Serving" in server.stdout.readline()
        yield f"http://127.0.0.1:{command[-1]}/inner/"
        server.terminate()


@pytest.fixture(scope="module")
def site(fitted_run, tmp_path_factory):
    with hosted(fitted_run, tmp_path_factory.mktemp("site")) as address:
        yield address


@contextlib.contextmanager
def page_at(browser, site, end="", **options):
    with opened(browser, site + end, **options) as page:
        yield page


def pixels(page, selector="#picture"):
    """The image in the middle, [h, w, c]."""
    import base64

    return np.asarray(Image.open(io.BytesIO(base64.b64decode(shown(page, selector).split(",")[1]))).convert("RGB"), int)


def expected(run, row):
    return moves.decode_rows(load(run), row[None])[0].astype(int)


def test_the_page_walks_as_the_command_does_and_requests_nothing_from_elsewhere(browser, site, fitted_run, disc_set):
    run = load(fitted_run)
    first, last = np.asarray(encode_means(run.vae, run.params, disc_set.split("test").images[:2]))
    sliders = [each for group in open_session(run, None, UNITS).sliders.values() for each in group]
    spherical = moves.path_rows(run, moves.build_named_path(run, "spherical"), first, last)
    with page_at(browser, site, "#from=test:0&to=test:1&at=0.25") as page:
        assert np.abs(pixels(page) - expected(fitted_run, 0.75 * first + 0.25 * last)).max() <= 1
        changed_by(page, lambda: page.select_option("#path", "spherical"))
        assert np.abs(pixels(page) - expected(fitted_run, spherical[25])).max() <= 1
        changed_by(page, lambda: slide(page, "#panel-attributes input[type=range]", 1.5))
        row = moves.apply_sliders(spherical[25], sliders, [(sliders[0].key, 1.5)])
        assert np.abs(pixels(page) - expected(fitted_run, row)).max() <= 1
        for name in page.locator("[role=tab]").evaluate_all("all => all.map(one => one.id.slice(4))"):
            open_tool(page, name)
        page.wait_for_selector("#cells img", state="attached")
        assert page.locator("[role=tab]").all_inner_texts() == [
            "Attributes", "Units", "Samples", "Gallery", "Sheet", "Mix", "Save",
        ]  # fmt: skip
        assert not page.is_visible("#save-animation")
        assert not page.is_visible("text=Upload…")
        assert all(url.startswith((site, f"blob:{site[:22]}", "data:", "blob:")) for url in page.elsewhere)
        assert errors(page) == {}


def test_samples_depend_on_the_seed_and_have_the_mean_of_the_prior(browser, site, fitted_run):
    with page_at(browser, site) as page:
        open_tool(page, "draws")
        page.wait_for_selector("#drawn img")
        sources = "all => all.map(one => one.src)"
        before = page.locator("#drawn img").evaluate_all(sources)
        assert len(set(before)) == 12
        page.click("#next-seed")
        page.wait_for_function("old => document.querySelector('#drawn img').src !== old", arg=before[0])
        page.fill("#seed", "0")
        page.keyboard.press("Tab")
        page.wait_for_function("old => document.querySelector('#drawn img').src === old", arg=before[0])
        assert page.locator("#drawn img").evaluate_all(sources) == before
        rows = page.evaluate(
            """async () => {
              const { drawRow } = await import("./prior.js");
              const make = seed => [...drawRow({ prior: "fitted_mixture", seed, temperature: 1, index: 0 })];
              return Array.from({ length: 20000 }, (_, seed) => make(seed));
            }"""
        )
    prior = load(fitted_run).info.fitted.prior("fitted_mixture", np.zeros(3)).rows
    deviation = np.sqrt(prior.variance)
    assert np.abs(np.mean(rows, axis=0) - prior.mean).max() < 0.03 * deviation.max()
    np.testing.assert_allclose(np.std(rows, axis=0), deviation, rtol=0.03)


def test_a_sample_becomes_an_end_is_kept_and_saved_and_the_address_brings_it_back(browser, site):
    with page_at(browser, site) as page:
        open_tool(page, "draws")
        page.wait_for_selector("#drawn img")
        assert changed_by(page, lambda: page.click("#drawn button >> nth=3"))
        page.click("#keep")
        page.wait_for_selector("#kept li img:not([hidden])")
        page.click("#open-save")
        with page.expect_download() as waited:
            page.click("#save-picture")
        with Image.open(waited.value.path()) as saved:
            assert saved.size == (512, 512)
        page.wait_for_function("() => location.hash.includes('draw:fitted_mixture')")
        picture, place = shown(page), page.url
        page.goto("about:blank")
        page.goto(place)
        page.wait_for_selector("#picture[data-milliseconds]")
        assert shown(page) == picture
        assert page.locator("#kept li").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_telephone(browser, site, scheme):
    options = {"viewport": {"width": 390, "height": 844}, "color_scheme": scheme, "has_touch": True}
    with page_at(browser, site, **options) as page:
        for name in ("attributes", "draws", "gallery", "sheet", "save"):
            open_tool(page, name)
            page.wait_for_load_state("networkidle")
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name


def test_an_unknown_image_is_reported_at_its_end(browser, site):
    with page_at(browser, site) as page:
        page.fill(".end[data-end=last] .name", "test:999")
        page.keyboard.press("Tab")
        page.wait_for_selector(".error:not([hidden])")
        assert errors(page) == {"last": "test:999 is not one of the 8 images of this page; see the gallery."}


def test_a_hierarchy_turns_each_level_by_itself_and_keeps_as_much_of_it_as_asked(browser, disc_set, tmp_path):
    run = load(saved_run(tmp_path / "run", tiny_config(model=HVAE(hidden=4, latent=(3, 4))), disc_set))
    first, last = (moves.code_row(run, image) for image in disc_set.split("test").images[:2])
    row = moves.path_rows(run, moves.build_named_path(run, "spherical"), first, last)[50]
    row = moves.apply_sliders(row, moves.level_sliders(run), [("level:z1", -0.5)])
    with (
        hosted(tmp_path / "run", tmp_path / "site") as address,
        page_at(browser, address, "#from=test:0&to=test:1&path=spherical") as page,
    ):
        open_tool(page, "levels")
        changed_by(page, lambda: slide(page, "#panel-levels input[data-key='level:z1']", 0.5))
        assert np.abs(pixels(page) - expected(tmp_path / "run", row)).max() <= 1


def test_a_grey_image_is_shown_in_grey(browser, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 1), np.uint8)
    grey = prepare_arrays(images, None, DataConfig(size=None, root=str(tmp_path / "data")))
    run = load(saved_run(tmp_path / "run", tiny_config(model=MLP(hidden=(4,), latent=2)), grey))
    (row,) = np.asarray(encode_means(run.vae, run.params, grey.split("test").images[:1]))
    with (
        hosted(tmp_path / "run", tmp_path / "site") as address,
        page_at(browser, address, "#from=test:0&at=0") as page,
    ):
        assert np.abs(pixels(page) - expected(tmp_path / "run", row)).max() <= 1
