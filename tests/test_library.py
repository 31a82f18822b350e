import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from conftest import tiny_config, train_config
from PIL import Image

import jaxvae as jv
from jaxvae.data.select import from_file
from jaxvae.distributions.laplace import Laplace
from jaxvae.errors import UserError
from jaxvae.latents.paths.build import build_path

RANDOM = np.random.default_rng(0)
IMAGES = (RANDOM.uniform(size=(120, 1, 1, 1)) * np.ones((120, 12, 12, 1))).astype(np.float32)
LABELS = (IMAGES[:, 0, 0, 0] > 0.5).astype(int)


def config(tmp_path, **changes):
    train = train_config(steps=20, batch_size=16, validate_every=10, log_every=5, mixture_components=2)
    model = jv.MLP(hidden=(16,), latent=2)
    return jv.Config(model=model, train=train, data=jv.DataConfig(root=str(tmp_path / "data")), **changes)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("library")
    lines = []
    run = jv.fit(config(folder), IMAGES, run=folder / "run", callback=lambda *line: lines.append(line))
    return folder, run, lines


def test_the_callback_gets_every_line_of_the_metrics(fitted):
    _, _, lines = fitted
    assert [(step, kind) for step, kind, _ in lines] == [
        (5, "train"), (10, "train"), (10, "validation"), (15, "train"), (20, "train"), (20, "validation"), (20, "test"),
    ]  # fmt: skip
    assert all(isinstance(value, float) for _, _, metrics in lines for value in metrics.values())


def test_a_complete_run_is_opened_rather_than_trained_again(fitted):
    folder, run, _ = fitted
    lines = []
    again = jv.fit(config(folder), IMAGES, run=folder / "run", callback=lambda *line: lines.append(line))
    assert lines == []
    np.testing.assert_array_equal(again.encode(IMAGES[:4]), run.encode(IMAGES[:4]))


def test_another_config_in_the_same_folder_is_refused(fitted):
    folder, _, _ = fitted
    with pytest.raises(jv.UserError, match=r"objective.kind is 'elbo' there and 'iwae' here"):
        jv.fit(config(folder), IMAGES, run=folder / "run", objective=jv.IWAE())


def test_a_run_returns_numpy(fitted):
    _, run, _ = fitted
    codes = run.encode(IMAGES[:3])
    assert type(codes) is np.ndarray
    assert codes.shape == (3, 2)
    assert run.decode(codes).shape == (3, 12, 12, 1)
    np.testing.assert_array_equal(run.decode(codes), run.reconstruct(IMAGES[:3]))
    posterior = run.posterior(IMAGES[:3])
    np.testing.assert_allclose(posterior.mean, codes, rtol=1e-6)
    assert posterior.stddev.shape == codes.shape
    np.testing.assert_array_equal(run.sample(4, seed=1), run.sample(4, seed=1))
    walk = run.interpolate(IMAGES[0], IMAGES[1], steps=5)
    np.testing.assert_array_equal(walk[[0, -1]], run.reconstruct(IMAGES[:2]))


def test_the_log_likelihood_is_a_bound_that_tightens(fitted):
    _, run, _ = fitted
    one, many = (run.log_likelihood(IMAGES[:20], k=k) for k in (1, 200))
    assert one.shape == (20,)
    assert many.mean() > one.mean()


def test_bytes_floats_grey_and_single_images_encode_alike(fitted):
    _, run, _ = fitted
    stored = np.rint(IMAGES[:2] * 255).astype(np.uint8)
    codes = run.encode(stored)
    for images in (stored[..., 0], stored.astype(np.float64) / 255):
        np.testing.assert_array_equal(run.encode(images), codes)
    np.testing.assert_allclose(run.encode(stored[0]), codes[:1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (IMAGES * 255, "must lie between 0 and 1"),
        (IMAGES - 0.5, "must lie between 0 and 1"),
        (np.full((1, 12, 12, 1), np.nan), "must lie between 0 and 1"),
        (np.zeros((3, 5, 5, 1), np.uint8), r"\[3, 5, 5, 1\], but must have \[n, 12, 12, 1\]"),
        (np.zeros((3, 12, 12, 1), np.int64), "of type int64"),
    ],
)
def test_images_that_would_give_wrong_codes_are_refused(fitted, images, words):
    with pytest.raises(jv.UserError, match=words):
        fitted[1].encode(images)


@pytest.mark.parametrize(
    ("codes", "words"), [(np.zeros((3, 4)), r"shape \(3, 4\)"), (np.full((1, 2), np.inf), "not finite")]
)
def test_codes_that_cannot_be_decoded_are_refused(fitted, codes, words):
    with pytest.raises(jv.UserError, match=words):
        fitted[1].decode(codes)


def test_arguments_out_of_range_are_named(fitted):
    run = fitted[1]
    for call, words in (
        (lambda: run.sample(0), "n is 0"),
        (lambda: run.interpolate(IMAGES[0], IMAGES[1], steps=1), "steps is 1"),
        (lambda: run.log_likelihood(IMAGES, k=0), "k is 0"),
        (lambda: run.sample(prior="fitted_mix"), "did you mean 'fitted_mixture'"),
    ):
        with pytest.raises(jv.UserError, match=words):
            call()


def test_a_run_unpacks_into_pure_functions(fitted):
    vae, params, info = fitted[1]
    assert set(params) == {"encoder", "decoder", "likelihood", "prior"}
    assert info.config.model == jv.MLP(hidden=(16,), latent=2)
    assert vae.decode(params, vae.encode(params, IMAGES[:2]).mean).mean.shape == (2, 12, 12, 1)


def test_arrays_become_a_prepared_dataset_with_attributes(tmp_path):
    prepared = jv.prepare_dataset(IMAGES, attributes={"bright": LABELS}, root=str(tmp_path))
    assert prepared.attributes == ("bright",)
    for split in ("train", "validation", "test"):
        images, attributes = prepared.split(split)
        np.testing.assert_array_equal(attributes[:, 0], images[:, 0, 0, 0] > 127)
    assert jv.prepare_dataset(IMAGES, attributes={"bright": LABELS}, root=str(tmp_path)).path == prepared.path
    assert jv.prepare_dataset(IMAGES[:100], root=str(tmp_path)).path != prepared.path


def test_arrays_by_split_keep_their_splits(tmp_path):
    parts = {"train": IMAGES[:60], "validation": IMAGES[60:80], "test": IMAGES[80:]}
    prepared = jv.prepare_dataset(parts, root=str(tmp_path))
    np.testing.assert_array_equal(prepared.split("test").images, np.rint(IMAGES[80:] * 255).astype(np.uint8))


@pytest.mark.parametrize(
    ("images", "attributes", "words"),
    [
        (IMAGES * 2, None, "between 0 and 1"),
        (IMAGES[0, 0], None, "must have"),
        ({"training": IMAGES}, None, "splits training"),
        (IMAGES, {"a": LABELS[:5]}, r"integers \[120\]"),
        (IMAGES, {"a": LABELS * -1}, "outside 0 to 32767"),
        (IMAGES[:1], None, "1 image"),
    ],
)
def test_arrays_that_cannot_be_prepared_are_refused(tmp_path, images, attributes, words):
    with pytest.raises(jv.UserError, match=words):
        jv.prepare_dataset(images, attributes=attributes, root=str(tmp_path))
    assert not any(tmp_path.iterdir())


def test_dir_lists_public_names_and_importing_does_not_load_jax():
    assert set(jv.__all__) <= set(dir(jv))
    assert all(getattr(jv, name) is not None for name in dir(jv))
    assert not {"train", "sample", "encode", "decode", "interpolate", "evaluate"} & set(jv.__all__)
    script = "import sys, jaxvae; jaxvae.Config(); assert 'jax' not in sys.modules; print(jaxvae.__version__)"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_script_without_a_main_guard_prepares_in_worker_processes(tmp_path):
    script = tmp_path / "script.py"
    # More images than are read without workers.
    script.write_text(
        "import numpy as np\nfrom PIL import Image\nimport jaxvae as jv\n"
        "import pathlib; pathlib.Path('images').mkdir()\n"
        "[Image.fromarray(np.full((4, 4), i % 256, np.uint8)).save(f'images/{i}.png') for i in range(600)]\n"
        "print(jv.prepare_dataset('./images', size=4).shape)\n"
    )
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "(4, 4, 1)"


def test_the_console_command_dispatches(tmp_path):
    def run(*arguments):
        command = [sys.executable, "-m", "jaxvae", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert jv.__version__ in run("--version").stdout
    assert "did you mean 'train'?" in run("trian").stderr
    assert run("trian").returncode == 2
    assert "--model.latent" in run("train", "--help").stdout
    wrong = run("sample", "--n", "0")
    assert wrong.returncode == 2
    assert "--n is 0" in wrong.stderr


def test_kinds_by_name_and_fields_with_typos():
    assert jv.Config(objective="iwae").objective == jv.IWAE()
    with pytest.raises(jv.UserError, match="did you mean 'iwae'"):
        jv.Config(objective="iwea")
    with pytest.raises(jv.UserError, match=r"no field 'model.chanels': did you mean 'channels'"):
        jv.Conv(chanels=(8,))
    with pytest.raises(jv.UserError, match=r"model\.down is 'strid'"):
        jv.Conv(down="strid")
    assert jv.Conv(channels=[8, 8]).channels == (8, 8)
    assert tiny_config().model.kind in ("conv", "mlp")


@pytest.mark.parametrize(
    ("images", "value_range"),
    [
        (np.linspace(-1, 1, 12, dtype=np.float32), (-1, 1)),
        (np.linspace(0, 255, 12, dtype=np.float32), (0, 255)),
        (np.linspace(0, 4095, 12).astype(np.uint16), (0, 4095)),
    ],
)
def test_images_in_memory_of_any_range_are_scaled_by_a_declared_one(tmp_path, images, value_range):
    images = images.reshape(-1, 1, 1) * np.ones((1, 8, 8), images.dtype)
    with pytest.raises(UserError, match=r"value_range=\(LOW, HIGH\)"):
        jv.prepare_dataset(images, root=str(tmp_path))
    prepared = jv.prepare_dataset(images, root=str(tmp_path), value_range=value_range)
    found = [prepared.split(split).images[:, 0, 0, 0] for split in ("train", "validation", "test")]
    expected = np.rint((images[:, 0, 0] - value_range[0]) * (255 / (value_range[1] - value_range[0])))
    assert np.abs(np.sort(np.concatenate(found)) - np.sort(expected)).max() <= 1
    assert prepared.info["origin"]["value_range"] == list(value_range)


def test_one_colour_image_in_memory_is_not_many_grey_ones(tmp_path):
    with pytest.raises(UserError, match=r"looks like one colour image; a data set of one image is \[1, 64, 64, 3\]"):
        jv.prepare_dataset(np.zeros((64, 64, 3), np.uint8), root=str(tmp_path))


@pytest.mark.slow
def test_images_of_many_bands_train_reconstruct_and_are_shown(tmp_path):
    images = RANDOM.integers(0, 256, (60, 8, 8, 5), np.uint8)
    data = jv.prepare_dataset(images, root=str(tmp_path / "data"), size=None)
    assert data.shape == (8, 8, 5)
    settings = config(tmp_path)
    train = dataclasses.replace(settings.train, steps=2, picture_every=2)
    run = jv.fit(dataclasses.replace(settings, train=train), data, run=tmp_path / "run")
    assert run.reconstruct(images[:2]).shape == (2, 8, 8, 5)
    with Image.open(tmp_path / "run" / "samples" / "reconstructions.png") as shown:
        assert shown.mode == "RGB"
    with pytest.raises(UserError, match="have 5 bands, which no image file has"):
        from_file(tmp_path / "photo.png", data.data)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"temperature": float("nan")}, "temperature is nan, but must be at least 0 and finite"),
        ({"temperature": -1.0}, "temperature is -1, but must be at least 0 and finite"),
        ({"guidance": float("inf")}, "guidance is inf, but must be at least 0 and finite"),
    ],
)
def test_numbers_that_no_sample_can_have_are_refused(fitted, arguments, told):
    with pytest.raises(UserError, match=told):
        fitted[1].sample(2, **arguments)


def test_an_unknown_path_and_one_through_a_prior_without_a_map_are_refused(fitted):
    run = fitted[1]
    with pytest.raises(UserError, match="there is no path 'spherica': did you mean 'spherical'"):
        run.interpolate(IMAGES[0], IMAGES[1], path="spherica")
    with pytest.raises(UserError, match="no transport to N\\(0, I\\) is registered for Laplace"):
        build_path("prior", run.vae, run.params, Laplace(np.zeros(2), np.zeros(2), 1))
