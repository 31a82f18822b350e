"""The page that is exported: what is written, and what is refused."""

import io
import json
import tarfile
from pathlib import Path

import jax
import numpy as np
import pytest
from conftest import mistake
from PIL import Image

from jaxvae import FlowPrior, FullMixturePrior, MixturePrior, UserError
from jaxvae.distributions.gaussian import standard_normal
from jaxvae.distributions.levels import Levels
from jaxvae.explorer import page_files
from jaxvae.explorer.mixtures import as_mixture
from jaxvae.explorer.onnxruntime_web import ABOUT, FILES, read_onnxruntime_web
from jaxvae.export import export
from jaxvae.inference import encode_means
from jaxvae.runs.run import load


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A folder like that of the npm package, with nothing in its programs."""
    folder = tmp_path_factory.mktemp("npm") / "package"
    (folder / "dist").mkdir(parents=True)
    (folder / ABOUT).write_text(json.dumps({"name": "onnxruntime-web", "version": "1.30.0", "license": "MIT"}))
    for name in FILES:
        (folder / "dist" / name).write_text(f"// {name}")
    return folder


def test_the_page_has_the_codes_directions_and_priors_of_the_run(call, package, fitted_run, disc_set):
    pytest.importorskip("onnxruntime")
    code, out, err = call(
        export, fitted_run, "--page", "site", "--onnxruntime-web", package, "--page-images", 5, "--json"
    )
    assert code == 0, err
    told = json.loads(out)
    assert (told["priors"], told["images"]) == (["fitted_mixture", "model"], 7)
    described = json.loads(Path("site/explorer.json").read_text())
    numbers = np.fromfile("site/arrays.bin", "<f4")

    def array(name):
        place = described["arrays"][name]
        return numbers[place["start"] :][: np.prod(place["shape"])].reshape(place["shape"])

    names = [face["name"] for face in described["faces"]]
    assert names[:5] == [f"test:{index}" for index in range(5)]
    assert {described["about"]["first"], described["about"]["last"]} == {"red=0", "red=1"}
    assert (described["about"]["served"], described["about"]["test_images"]) == (False, 5)
    vae, params, info = load(fitted_run)
    images = disc_set.split("test").images[:5]
    np.testing.assert_allclose(array("codes")[:5], encode_means(vae, params, images), atol=1e-6)
    np.testing.assert_array_equal(array("fitted_mixture:means"), info.fitted.fitted_mixture["means"])
    assert array("model:factors").tolist() == [[1.0, 1.0, 1.0]]
    assert array("directions").shape == (len(described["sliders"]), 3)
    np.testing.assert_array_equal(np.asarray(Image.open("site/faces/2.png"))[::8, ::8], images[2])
    files = {path.name for path in Path("site").iterdir()}
    assert files >= {"index.html", "decoder.onnx", *page_files.STANDALONE_FILES}
    assert Path("site/server.js").read_text() == (page_files.STANDALONE / "server.js").read_text()
    assert {path.name for path in Path("site/onnxruntime").iterdir()} == {*FILES, ABOUT}
    mistake_again = call(export, fitted_run, "--page", "site", "--onnxruntime-web", package)
    assert (mistake_again[0], "site already exists; choose another --page" in mistake_again[2]) == (2, True)


def test_without_images_the_walk_is_between_draws(call, package, fitted_run):
    pytest.importorskip("onnxruntime")
    arguments = ("--page", "site", "--onnxruntime-web", package, "--page-images", 0)
    assert call(export, fitted_run, *arguments)[0] == 0
    described = json.loads(Path("site/explorer.json").read_text())
    about = described["about"]
    assert (about["first"], about["last"]) == ("draw:fitted_mixture:0:1:0", "draw:fitted_mixture:0:1:1")
    assert (about["test_images"], described["faces"]) == (0, [])
    assert not Path("site/faces").exists()


def test_the_exported_files_are_those_of_the_folders_and_name_each_other():
    for folder, names in (
        (page_files.PAGE, page_files.PAGE_FILES), (page_files.STANDALONE, page_files.STANDALONE_FILES),
    ):  # fmt: skip
        assert sorted(names) == sorted(path.name for path in folder.iterdir())
    known = {*page_files.PAGE_FILES, *page_files.STANDALONE_FILES, "onnxruntime/ort.wasm.min.mjs"}
    for name in page_files.STANDALONE_FILES:
        text = (page_files.STANDALONE / name).read_text()
        imported = {line.split('"./')[1].rstrip('";\n') for line in text.splitlines() if line.startswith("import ")}
        assert imported <= known
    # Absolute addresses would not be found where the folder is not at the root of its host.
    texts = [(page_files.PAGE / name).read_text() for name in page_files.PAGE_FILES if name.endswith(".html")]
    assert not any('="/' in text for text in texts)


PRIORS = {"mixture": MixturePrior(components=3), "full": FullMixturePrior(components=2, refit_every=0)}


def prior_of(config):
    """A prior over three units, as it begins."""
    learned = config.build((3,), (4, 4, 1))
    return learned.distribution(jax.jit(learned.init)(jax.random.key(0)), None)


@pytest.mark.parametrize("name", PRIORS)
def test_a_prior_as_gaussians_has_its_mean_and_variance(name):
    prior = prior_of(PRIORS[name])
    weights, means, factors = as_mixture(prior)
    mean = weights @ means
    spread = np.square(factors).sum(axis=2) if factors.ndim == 3 else np.square(factors)
    variance = weights @ (spread + np.square(means - mean[None]))
    rows = getattr(prior, "rows", prior)
    np.testing.assert_allclose(mean, rows.mean, atol=1e-5)
    np.testing.assert_allclose(variance, rows.variance, atol=1e-5)


def test_a_hierarchys_prior_is_that_of_its_top_and_a_flow_is_none():
    top = as_mixture(Levels((standard_normal((3,)), standard_normal((2, 2)))))
    assert (top.means.tolist(), top.factors.tolist()) == ([[0.0] * 3], [[1.0] * 3])
    assert as_mixture(Levels((standard_normal((3,)), prior_of(PRIORS["mixture"])))) is None
    assert as_mixture(prior_of(FlowPrior(pairs=1, hidden=2))) is None


def packed(package, path, **members):
    with tarfile.open(path, "w:gz") as archive:
        for file in sorted(package.rglob("*")):
            name = f"package/{file.relative_to(package)}"
            if file.is_file() and name not in members:
                archive.add(file, name)
        for member in members.values():
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return path


def test_the_runtime_is_read_from_an_archive_a_folder_or_where_npm_puts_it(package, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = read_onnxruntime_web(package)
    assert sorted(found) == sorted([*FILES, ABOUT])
    assert read_onnxruntime_web(packed(package, tmp_path / "web.tgz")) == found
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "onnxruntime-web").symlink_to(package)
    assert read_onnxruntime_web(None) == found


def test_what_is_not_the_runtime_is_refused(package, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def refused(path, *phrases):
        with pytest.raises(UserError) as told:
            read_onnxruntime_web(path)
        assert all(phrase in str(told.value) for phrase in (*phrases, "npm pack onnxruntime-web"))

    refused(None, "the page needs onnxruntime-web")
    refused(Path("nowhere"), "nowhere is not the npm package onnxruntime-web of version 1.20 or newer")
    Path("text").write_text("hello")
    refused(Path("text"), "text is not the npm package")
    link = tarfile.TarInfo(f"package/dist/{FILES[0]}")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    refused(packed(package, tmp_path / "link.tgz", **{link.name: link}), "is not a regular file")
    other = tmp_path / "other"
    (other / "dist").mkdir(parents=True)
    for name in FILES:
        (other / "dist" / name).write_text("")
    (other / ABOUT).write_text('{"name": "left-pad"}')
    refused(other, "other is the npm package of something else")


def test_flags_of_the_page_and_of_the_files_are_kept_apart(call, dense_run, package):
    mistake(call(export, dense_run, "--page", "p", "--out", "o"), "--page writes the page alone; leave out --out")
    mistake(call(export, dense_run, "--out", "o", "--page-images", 3), "--page-images is for the page; add --page")
    mistake(call(export, dense_run, "--page", "p", "--page-images", -1), "--page-images is -1, but must be at least 0")
    mistake(call(export, dense_run, "--page", "p"), "the page needs onnxruntime-web", "npm pack onnxruntime-web")
    mistake(call(export, "nowhere", "--page", "p", "--onnxruntime-web", package), "the run nowhere does not exist")
