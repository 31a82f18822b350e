import json
from dataclasses import replace

import numpy as np
import pytest
from conftest import DENSE, tiny_config, untrained

from jaxvae import Autoencoder, Conv, KLAutoencoder, VampPrior
from jaxvae.evaluation.diffusability import channel_numbers, coders, is_map, latent_numbers, latent_rows
from jaxvae.evaluation.features import build_features
from jaxvae.evaluation.report import Options, evaluate_run, table
from jaxvae.inference import posteriors

SMALL = KLAutoencoder(channels=(4, 8), groups=2, latent=3)


def test_channels_that_say_nothing_by_hand():
    # Variances over images: 4, 1e-4, and 4 between positions alone, which says nothing of the image.
    signs = np.asarray([1.0, -1.0, 1.0, -1.0])[:, None, None]
    means = np.zeros((4, 2, 2, 3), np.float32)
    means[..., 0] = 2.0 * signs
    means[..., 1] = 0.01 * signs
    means[..., 2] = np.asarray([[2.0, -2.0], [2.0, -2.0]])[None]
    # The second channel is small, but its noise is smaller still.
    noise = np.asarray([0.5, 1e-6, 1.0], np.float32)
    found = channel_numbers(means, np.broadcast_to(np.log(noise), means.shape))
    np.testing.assert_allclose(found["signal_variance"], [4.0, 1e-4, 0.0], rtol=1e-5)
    np.testing.assert_allclose(found["signal_to_noise"], [8.0, 100.0, 0.0], rtol=1e-4)
    assert (found["channels"], found["active_channels"], found["idle"]) == (3, 2, [2])
    silent = channel_numbers(means, np.full_like(means, -1e4))  # Of variance 0, after rounding.
    assert (silent["active_channels"], np.isfinite(silent["signal_to_noise"]).all()) == (2, True)
    plain = channel_numbers(means, None)
    assert (plain["active_channels"], plain["idle"], plain["signal_to_noise"]) == (1, [1, 2], None)
    assert plain["active_channel_rule"].startswith("Var_x(E[z|x]) > 0.01")


def test_which_codes_are_maps():
    assert is_map(np.zeros((5, 2, 2, 3)))
    assert not is_map(np.zeros((5, 3)))
    assert not is_map((np.zeros((5, 2, 2, 3)),))


@pytest.fixture(scope="module")
def loaded(disc_set):
    return untrained(tiny_config(model=SMALL), disc_set)


@pytest.fixture(scope="module")
def images(disc_set):
    return np.asarray(disc_set.split("test").images)


@pytest.fixture(scope="module")
def numbers(loaded, images):
    return latent_numbers(loaded, posteriors(loaded.vae, loaded.params, images), images)


@pytest.mark.slow
def test_the_latents_of_a_model(loaded, images, numbers):
    assert json.loads(json.dumps(numbers, allow_nan=False)) == numbers
    assert numbers["shape"] == [8, 8, 3]
    means = posteriors(loaded.vae, loaded.params, images).mean.astype(np.float64)
    scale = numbers["scale"]
    assert scale["scaling_factor"] == pytest.approx(1 / means.std(), rel=1e-6)
    assert scale["shift_factor"] == pytest.approx(means.mean(), rel=1e-6)
    np.testing.assert_allclose(scale["latents_std"], means.std(axis=(0, 1, 2)), rtol=1e-6)
    # Discs of one colour: most of the power is at low frequencies.
    assert numbers["spectrum"]["images"]["slope"] < -1.0
    largest = numbers["largest_activation"]
    assert largest["encoder"] >= np.abs(means).max() * (1 - 1e-5)
    assert largest["decoder"] > 0.0
    moved = numbers["equivariance"]
    assert moved.pop("n") == 21
    for each in moved.values():
        assert each["error"] > 0.01
        assert 0.0 < each["psnr_db"]["mean"] < 100.0


def test_the_flip_is_that_of_the_model_itself(loaded, images, numbers):
    def encode(x):
        return posteriors(loaded.vae, loaded.params, np.ascontiguousarray(x)).mean.astype(np.float64)

    there, expected = encode(images[:, :, ::-1]), encode(images)[:, :, ::-1]
    spread = np.square(expected - expected.mean(axis=(0, 1, 2))).sum()
    error = (np.square(there - expected).sum() / spread) ** 0.5
    assert numbers["equivariance"]["flip"]["error"] == pytest.approx(error, rel=1e-4)


@pytest.mark.slow
def test_networks_of_a_fixed_size_take_no_other_and_a_prior_does_not_matter(loaded, disc_set):
    assert coders(loaded)((8, 8, 3)) is not None
    assert coders(loaded)((8, 8, 1)) is None
    dense = untrained(tiny_config(model=DENSE), disc_set)
    assert coders(dense)((16, 16, 3)) is not None
    assert coders(dense)((8, 8, 3)) is None
    with_images = untrained(tiny_config(model=replace(SMALL, prior=VampPrior(components=2))), disc_set)
    assert coders(with_images)((8, 8, 3)) is not None


def test_the_lines_of_the_table(numbers):
    lines = dict(latent_rows(numbers))
    assert set(lines) == {
        "latents: spectrum, slope", "latents: high_frequency_share", "latents: equivariance, downscaling",
        "latents: equivariance, rotation", "latents: equivariance, flip", "latents: active_channels",
        "latents: scaling_factor", "latents: largest activation",
    }  # fmt: skip
    assert lines["latents: active_channels"] == f"{numbers['channels']['active_channels']} of 3"
    nothing = {"spectrum": {each: {"slope": None, "high_frequency_share": None} for each in ("latents", "images")},
               "equivariance": {"n": 3, "flip": None}, "channels": {"channels": 1, "active_channels": 0},
               "scale": {"scaling_factor": None, "shift_factor": 0.0},
               "largest_activation": {"encoder": 1234.56, "decoder": 0.25}}  # fmt: skip
    assert dict(latent_rows(nothing)) == {
        "latents: active_channels": "0 of 1",
        "latents: largest activation": "encoder 1,234.6   decoder 0.2   float16 ends at 65,504",
    }


@pytest.mark.parametrize("objective", [Autoencoder(), None])
def test_evaluate_reports_the_latents_of_models_whose_code_is_a_map(disc_set, objective):
    model = Conv(latent_kind="spatial", latent=2, channels=(4, 4))
    config = tiny_config(model=model, **({} if objective is None else {"objective": objective}))
    loaded = untrained(config, disc_set)
    report = evaluate_run(loaded, disc_set, Options(k=1, n=12), build_features("pixels")).report
    latents = report["latents"]
    assert (latents["shape"], latents["equivariance"]["n"]) == ([4, 4, 2], 12)
    assert (latents["channels"]["signal_to_noise"] is None) == (objective is not None)
    assert "latents: scaling_factor" in table(report)
