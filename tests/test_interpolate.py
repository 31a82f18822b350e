import dataclasses
import json
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from conftest import mistake, tiny_config, untrained
from PIL import Image

from jaxvae import MLP, Autoencoder, DataConfig
from jaxvae.inference import encode_means as codes_of_pictures
from jaxvae.interpolate import interpolate
from jaxvae.latents.attributes.classifier import fit_classifier
from jaxvae.priors.fit_flow import FLOW_HIDDEN, FLOW_PAIRS
from jaxvae.priors.fit_mixture import fit_mixture
from jaxvae.priors.fitted import Fitted
from jaxvae.priors.flow import build_flow


@pytest.fixture(scope="module")
def made(disc_set, tmp_path_factory):
    """A model whose codes and pictures vary as those of a long run do, with fitted priors, and without the training."""
    model = MLP(hidden=(8,), latent=3, likelihood="bernoulli")
    data = DataConfig(name="discs", size=None, pixels="scaled", walk_from="red=0", walk_to="red=1")
    loaded = untrained(tiny_config(model=model, data=data), disc_set)
    params = jax.tree.map(lambda leaf: 1.5 * leaf, loaded.params)
    rows = np.asarray(codes_of_pictures(loaded.vae, params, disc_set.split("train").images))
    flow = build_flow(3, FLOW_PAIRS, FLOW_HIDDEN).init(jax.random.key(0))
    flow = jax.tree.map(lambda leaf: leaf + 0.01, flow) | {
        "center": rows.mean(axis=0),
        "log_scale": np.log(rows.std(axis=0)),
    }
    fitted = Fitted(vars(fit_mixture(rows, 2, seed=0)), flow)
    info = loaded.info._replace(run=tmp_path_factory.mktemp("runs") / "made", fitted=fitted)
    return loaded._replace(params=params, info=info)


@pytest.fixture
def lively(made, monkeypatch):
    """The folder of that model's run, as far as the command can tell."""
    monkeypatch.setattr("jaxvae.runs.presence.require_run", lambda run: None)
    monkeypatch.setattr("jaxvae.runs.run.load", lambda run: made)
    return made.info.run


def strip(path: str, side: int = 16) -> np.ndarray:
    """A PNG of small pictures, at their own size and with the gaps between them taken out: [rows, columns, h, w, c]."""
    with Image.open(path) as image:
        sheet = np.asarray(image)
    scale = 128 // side
    sheet = sheet[::scale, ::scale]
    rows, columns = ((length + 2) // (side + 2) for length in sheet.shape[:2])
    places = [[sheet[r * (side + 2) :, c * (side + 2) :][:side, :side] for c in range(columns)] for r in range(rows)]
    return np.asarray(places)


def test_a_loop_through_several_images_has_a_row_from_each_to_the_next(call, lively, disc_set):
    arguments = ["--from", "test:3", "--via", "test:1", "--to", "test:2", "--loop", "--steps", 4, "--path", "spherical"]
    code, out, err = call(interpolate, lively, *arguments, "--gif", "--npz", "--out", "x.png", "--json")
    assert code == 0, err
    result = json.loads(out)
    assert (result["gif"], result["npz"]) == ("x.gif", "x.npz")
    assert result["ends"] == ["test:3", "test:1", "test:2", "test:3"]
    assert result["walk"] == "test:3 → test:1 → test:2 → test:3 (loop), spherical, 4 steps per segment"
    rows, images = strip("x.png"), disc_set.split("test").images
    assert rows.shape[:2] == (3, 6)
    for row, (first, last) in zip(rows, [(3, 1), (1, 2), (2, 3)], strict=True):
        np.testing.assert_array_equal(row[0], images[first])
        np.testing.assert_array_equal(row[-1], images[last])
    with np.load("x.npz") as arrays:
        assert arrays["codes"].shape == (10, 3)
        np.testing.assert_allclose(arrays["codes"][0], arrays["codes"][-1], rtol=1e-6)
        np.testing.assert_allclose(arrays["degrees"], np.linspace(0, 1, 10))
        np.testing.assert_array_equal(arrays["pictures"][:4], rows[0, 1:-1])
        np.testing.assert_array_equal(arrays["pictures"][3:7], rows[1, 1:-1])
        first, last = (Image.fromarray(arrays["pictures"][index]) for index in (0, 3))
    with Image.open("x.gif") as animation:
        assert animation.n_frames == 3 * 40  # The first picture, come back to, is not shown twice.
        assert (animation.size, animation.info["duration"]) == ((256, 256), 60)
        for index, picture in ((0, first), (40, last)):
            animation.seek(index)
            shown = np.asarray(animation.convert("RGB").resize((16, 16), 0), float)
            assert np.abs(shown - np.asarray(picture)).mean() < 4


def test_an_animation_is_written_by_its_suffix(call, lively):
    asked = ["--from", "test:0", "--to", "test:1", "--frames", 5, "--seconds", 1, "--scale", 2]
    code, out, err = call(interpolate, lively, *asked, "--out", "walk.webp", "--json")
    assert code == 0, err
    result = json.loads(out)
    assert (result["animation"], result["walk"]) == ("walk.webp", "test:0 → test:1, linear, 5 frames")
    assert not Path("walk.png").exists()
    with Image.open("walk.webp") as animation:
        assert (animation.n_frames, animation.size) == (8, (32, 32))
        animation.load()
        assert animation.info["duration"] == 200
    code, _, err = call(interpolate, lively, *asked[:4], "--out", "walk.webp")
    assert (code, "walk.webp exists" in err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "phrase"),
    [
        (["--frames", 5, "--out", "x.png"], "--frames, --seconds and --scale are for animations"),
        (["--frames", 1, "--out", "x.gif"], "--frames is 1, but must be at least 2"),
        (["--seconds", 0, "--out", "x.gif"], "--seconds is 0, but must be above 0"),
        (["--scale", 100, "--out", "x.gif"], "--scale is 100, but must be at most 64"),
        (["--gif", "--out", "x.webp"], "x.webp, which is an animation already; use --gif with a .png"),
        (["--degree", "0.5", "--out", "x.gif"], "a GIF animates a path"),
    ],
)
def test_animations_that_make_no_sense(call, lively, arguments, phrase):
    mistake(call(interpolate, lively, "--from", "test:0", "--to", "test:1", *arguments), phrase)


def test_a_sheet_has_the_four_images_at_its_corners(call, lively):
    code, _, err = call(
        interpolate,
        lively,
        "--corners",
        "test:0",
        "test:1",
        "test:2",
        "test:3",
        "--steps",
        3,
        "--npz",
        "--out",
        "x.png",
    )
    assert code == 0, err
    sheet = strip("x.png")
    assert sheet.shape[:2] == (3, 3)
    for which, place in [("test:0", (0, 0)), ("test:1", (0, 2)), ("test:2", (2, 0)), ("test:3", (2, 2))]:
        arguments = ["--from", which, "--to", "test:9", "--degree", 0, "--overwrite", "--out", "one.png"]
        assert call(interpolate, lively, *arguments)[0] == 0
        np.testing.assert_allclose(sheet[place].astype(int), strip("one.png")[0, 1], atol=1)
    with np.load("x.npz") as arrays:
        np.testing.assert_array_equal(arrays["pictures"].reshape(sheet.shape), sheet)
        codes = arrays["codes"].reshape(3, 3, 3)
        np.testing.assert_allclose(codes[1, 1], codes[[0, 0, 2, 2], [0, 2, 0, 2]].mean(axis=0), rtol=1e-4)


def test_what_was_done_is_said(call, lively):
    ends = ["--from", "test:0", "--to", "test:1", "--overwrite", "--out", "x.png"]
    for arguments, line in (
        (["--steps", 3], "walk: test:0 → test:1, linear, 3 steps"),
        (["--degree", 0.25, "--path", "prior"], "walk: test:0 → test:1, prior (fitted_flow), the image at degree 0.25"),
        (["--via", "test:2", "--steps", 2], "walk: test:0 → test:2 → test:1, linear, 2 steps per segment"),
    ):
        code, out, err = call(interpolate, lively, *ends, *arguments)
        assert code == 0, err
        assert out.splitlines()[:2] == ["picture: x.png", line]
        assert "from:" not in out
    corners = ["--corners", "test:0", "test:1", "test:2", "test:3", "--steps", 2, "--out", "y.png"]
    assert (
        "sheet: test:0 to test:1 above, test:2 to test:3 below, linear, 2 x 2 images"
        in call(interpolate, lively, *corners)[1]
    )


def test_one_image_stands_between_its_ends(call, lively, disc_set):
    arguments = ["--from", "test:3", "--via", "test:1", "--to", "test:2", "--degree", 0.5, "--out", "x.png"]
    assert call(interpolate, lively, *arguments)[0] == 0
    rows, images = strip("x.png"), disc_set.split("test").images
    assert rows.shape[:2] == (1, 3)
    np.testing.assert_array_equal(rows[0, [0, 2]], images[[3, 2]])


def codes_of(call, run, *arguments) -> np.ndarray:
    code, _, err = call(interpolate, run, "--npz", "--steps", 5, "--overwrite", "--out", "x.png", *arguments)
    assert code == 0, err
    with np.load("x.npz") as arrays:
        return arrays["codes"]


def test_every_path_joins_the_same_codes_in_its_own_way(call, lively):
    flags = [
        ["linear"],
        ["spherical"],
        ["geodesic"],
        ["prior"],
        ["prior", "--prior", "fitted_mixture"],
        ["prior", "--prior", "model"],
    ]
    made = [codes_of(call, lively, "--path", *each) for each in flags]
    for codes in made:
        np.testing.assert_allclose(codes[[0, -1]], made[0][[0, -1]], atol=1e-6)
    middles = np.stack([codes[2] for codes in made])
    distances = np.linalg.norm(middles[:, None] - middles[None], axis=2) + np.eye(len(middles))
    assert distances.min() > 1e-4


def test_codes_are_means_unless_a_seed_requests_samples(call, lively):
    means, again, first, second = (codes_of(call, lively, *each) for each in ([], [], ["--seed", 1], ["--seed", 2]))
    np.testing.assert_array_equal(means, again)
    assert not np.allclose(means, first, atol=1e-3)
    assert not np.allclose(first, second, atol=1e-3)
    np.testing.assert_array_equal(first, codes_of(call, lively, "--seed", 1))


def test_the_report_does_not_depend_on_the_number_of_images_shown(call, lively, disc_set, monkeypatch):
    classifier = fit_classifier(disc_set)
    monkeypatch.setattr("jaxvae.latents.paths.walk_report.fit_classifier", lambda prepared: classifier)
    found = []
    for steps in (2, 5):
        arguments = ["--from", "red=0", "--via", "test:4", "--to", "red=1", "--report", "--steps", steps]
        code, out, err = call(interpolate, lively, *arguments, "--out", f"{steps}.png", "--json")
        assert code == 0, err
        found.append(json.loads(out)["smoothness"])
    few, many = found
    for name in ("arc", "chord", "arc_over_chord", "largest_over_mean_step"):
        assert few[name] == pytest.approx(many[name], rel=1e-4)
    first, second = few["stretches"]
    assert (first["from"], first["to"], second["to"]) == ("red=0", "test:4", "red=1")
    assert few["arc"] == pytest.approx(first["arc"] + second["arc"])
    assert few["chord"] == pytest.approx(first["chord"] + second["chord"])
    assert few["arc_over_chord"] >= 1.0
    assert few["classifier_accuracy"]["red"] > 0.9


def test_files_in_the_run_are_named_after_the_request(call, lively):
    names = set()
    ends = ["--from", "test:0", "--to", "test:1", "--steps", 2]
    for arguments in (
        [*ends, "--path", "prior"], [*ends, "--path", "prior", "--prior", "model"], [*ends, "--seed", 3],
        [*ends, "--via", "test:5"], [*ends, "--loop"], [*ends, "--degree", 0.5], ends, ends[:4],
        ["--corners", "test:0", "test:1", "test:2", "test:3", "--steps", 2],
    ):  # fmt: skip
        code, out, err = call(interpolate, lively, *arguments)
        assert code == 0, err
        path = Path(out.splitlines()[0].removeprefix("picture: "))
        assert path.exists()
        names.add(path.name)
    assert len(names) == 9
    assert "interpolation-test-0-test-1-prior-fitted_flow-2-steps.png" in names


MISTAKES = {
    "prior": (["--prior", "model"], "--prior model has no effect with --path linear"),
    "corners": (["--corners", "a", "b", "c", "d", "--loop"], "it cannot be combined with other ends"),
    "three corners": (["--corners", "a", "b", "c"], "corners"),
    "video of one": (["--degree", "0.5", "--mp4"], "a MP4 animates a path"),
    "report of one": (["--degree", "0.5", "--report"], "--report measures a path"),
    "seed": (["--seed", "-1"], "--seed is -1"),
    "nowhere": (["--via", "test:0", "test:999"], "test has images 0 to 20"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_errors_are_reported_in_one_sentence(call, lively, name):
    arguments, phrase = MISTAKES[name]
    mistake(call(interpolate, lively, "--gif" if name == "nowhere" else "--npz", "--out", "x.png", *arguments), phrase)


def test_an_autoencoder_has_no_posterior_to_draw_from(call, lively, made, monkeypatch):
    config = dataclasses.replace(made.info.config, objective=Autoencoder())
    monkeypatch.setattr("jaxvae.runs.run.load", lambda run: made._replace(info=made.info._replace(config=config)))
    mistake(call(interpolate, lively, "--seed", 1, "--out", "x.png"), "is an autoencoder, which has no posterior")
    assert call(interpolate, lively, "--path", "prior", "--steps", 2, "--out", "x.png")[0] == 0


def test_no_file_next_to_the_image_is_replaced_unless_requested(call, lively):
    Path("x.npz").write_text("precious")
    code, _, err = call(interpolate, lively, "--npz", "--out", "x.png")
    assert (code, Path("x.npz").read_text(), Path("x.png").exists()) == (2, "precious", False)
    assert "x.npz exists" in err


def test_a_video_without_its_package_leaves_nothing(call, lively, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    mistake(call(interpolate, lively, "--mp4", "--out", "x.png"), "pip install 'jaxvae[video]'")


def test_saved_codes_can_be_the_ends(call, lively, made, disc_set):
    rows = np.asarray(codes_of_pictures(made.vae, made.params, disc_set.split("test").images[:3]))
    np.savez("codes.npz", mean=rows)
    np.save("codes.npy", rows)
    assert call(interpolate, lively, "--from", "codes.npz:1", "--to", "codes.npy:2", "--out", "a.png")[0] == 0
    assert call(interpolate, lively, "--from", "test:1", "--to", "test:2", "--out", "b.png")[0] == 0
    # The same path; only the ends show what is decoded instead of the originals.
    np.testing.assert_array_equal(strip("a.png")[:, 1:-1], strip("b.png")[:, 1:-1])
    for name in ("codes.npz", "codes.npy"):
        code, _, err = call(interpolate, lively, "--from", f"{name}:7", "--out", "c.png")
        assert code == 2
        assert f"{name}:7 does not exist; {name} has codes 0 to 2" in err
