import hashlib
import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import flat_objective, tiny_config, train_config, untrained

from jaxvae import MLP, Autoencoder, Conv
from jaxvae.data.pixels import scale
from jaxvae.distributions.laplace import Laplace
from jaxvae.evaluation.features import build_features
from jaxvae.evaluation.log_likelihood import importance_bounds
from jaxvae.evaluation.per_example import build_measure
from jaxvae.evaluation.report import Options, evaluate_run
from jaxvae.keys import key_for
from jaxvae.latents.encoding import encode_split
from jaxvae.latents.units.rates import unit_rates
from jaxvae.runs.run import load, prior_of
from jaxvae.sharing.numbers import numbers_of
from jaxvae.training import loop
from jaxvae.vae import compose

pytestmark = pytest.mark.slow  # Each trains and evaluates a model.

MLP = MLP(hidden=(8,), latent=3)
# The same means, taken over arrays of what each picture contributes.
BEHIND = {"elbo_nats": "elbo_nats", "rate_nats": "kl_nats"}


def evaluated(loaded, prepared, **options):
    return evaluate_run(loaded, prepared, Options(**options), build_features("pixels"))


def split_key():
    # That of the noise of posteriors and pixels, from the seed 0.
    return jax.random.split(key_for("evaluate", 0), 2)[0]


@pytest.fixture(scope="module")
def loaded(mlp_run):
    return load(mlp_run)


@pytest.fixture(scope="module")
def whole(loaded, disc_set):
    return evaluated(loaded, disc_set, k=60)


def test_a_report_is_json_with_a_protocol(whole, loaded, disc_set):
    report = whole.report
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert set(report) == {
        "format_version", "protocol", "elbo_nats", "rate_nats", "distortion_nats", "log_likelihood_nats",
        "bits_per_dim", "codes", "pictures", "doctor", "notes",
    }  # fmt: skip
    assert set(report["pictures"]) == {
        "psnr_db",
        "ssim",
        "squeeze_distance",
        "frechet_reconstructions",
        "frechet_samples",
    }
    assert [number.kind for number in numbers_of(report)] == [
        "elbo_nats", "rate_nats", "distortion_nats", "log_likelihood_nats", "bits_per_dim", "psnr_db", "ssim",
        "frechet_reconstructions", "frechet_samples",
    ]  # fmt: skip
    assert {"active_units", "rate_per_unit_nats", "mutual_information_nats", "aggregate_kl_nats"} < set(report["codes"])
    protocol = report["protocol"]
    assert set(protocol) == {
        "run", "step", "parameters", "data", "data_sha256", "split", "n", "shape", "pixels", "binarization",
        "bit_depth", "likelihood", "prior", "trained_with", "k", "seed", "versions", "versions_in_training", "backend",
    }  # fmt: skip
    digest = hashlib.sha256((disc_set.path / "test.npy").read_bytes()).hexdigest()
    assert (protocol["data"], protocol["data_sha256"], protocol["split"]) == ("discs", digest, "test")
    assert (protocol["n"], protocol["shape"], protocol["k"], protocol["seed"]) == (21, [16, 16, 3], 60, 0)
    assert (protocol["run"], protocol["step"], protocol["parameters"]) == (str(loaded.info.run), 20, "last")
    assert (protocol["pixels"], protocol["bit_depth"], protocol["binarization"]) == ("dequantized", 8, None)
    assert (protocol["likelihood"], protocol["prior"], protocol["backend"]) == ("normal", "standard_normal", "cpu")


def test_the_parts_of_a_report_are_consistent(whole):
    report = whole.report
    rate = report["rate_nats"]["mean"]
    assert report["elbo_nats"]["mean"] == pytest.approx(-report["distortion_nats"]["mean"] - rate, rel=1e-6)
    assert sum(report["codes"]["rate_per_unit_nats"]) == pytest.approx(rate, rel=1e-4)
    bounds = report["log_likelihood_nats"]
    assert [row["k"] for row in bounds] == [1, 10, 60]
    assert bounds[0]["mean"] < bounds[1]["mean"] < bounds[2]["mean"]
    assert bounds[0]["effective_samples"] == pytest.approx(1.0)
    bits = 8 - bounds[2]["mean"] / (16 * 16 * 3 * math.log(2))
    assert report["bits_per_dim"]["mean"] == pytest.approx(bits, rel=1e-6)
    information, aggregate = (report["codes"][name] for name in ("mutual_information_nats", "aggregate_kl_nats"))
    # The closed form and one sample of it are as far apart as the errors of the samples say.
    error = 4 * (information["standard_error"] + aggregate["standard_error"])
    assert information["mean"] + aggregate["mean"] == pytest.approx(rate, abs=error)
    assert information["mean"] <= information["at_most"] == pytest.approx(math.log(21))


def test_the_numbers_are_the_means_of_the_arrays(whole):
    report, arrays = whole
    behind = {name: report[name] for name in BEHIND}
    behind |= {name: report["codes"][name] for name in ("mutual_information_nats", "aggregate_kl_nats")}
    behind |= {name: report["pictures"][name] for name in ("psnr_db", "ssim")}
    for name, number in behind.items():
        values = arrays[BEHIND.get(name, name)].astype(np.float64)
        assert values.shape == (21,)
        assert number["mean"] == pytest.approx(values.mean(), rel=1e-9)
        assert number["standard_error"] == pytest.approx(values.std(ddof=1) / math.sqrt(21), rel=1e-6)
    assert report["distortion_nats"]["mean"] == pytest.approx(-arrays["log_likelihood_nats"].mean(), rel=1e-6)
    assert arrays["k"].tolist() == [1, 10, 60]
    for column, row in enumerate(report["log_likelihood_nats"]):
        assert row["mean"] == pytest.approx(arrays["log_likelihood_bounds_nats"][:, column].mean(), rel=1e-9)
        assert row["effective_samples"] == pytest.approx(arrays["effective_samples"][:, column].mean(), rel=1e-9)


@pytest.mark.parametrize("kind", ["fitted_mixture", "fitted_flow"])
def test_a_fitted_prior_replaces_the_models_own(loaded, disc_set, whole, kind):
    report, arrays = evaluated(loaded, disc_set, k=10, prior=kind)
    assert report["protocol"]["prior"] == kind
    # The draws of the codes are the same: the pictures decoded from them are as likely as before.
    np.testing.assert_allclose(arrays["log_likelihood_nats"], whole.per_example["log_likelihood_nats"], rtol=1e-5)
    assert "one sample" in report["rate_nats"]["estimator"]
    prior, images = prior_of(loaded, kind), disc_set.split("test").images
    vae, params, info = loaded
    measured = build_measure(vae, info.config)(params, split_key(), images)
    z = jnp.asarray(measured.z)
    expected = measured.posterior.log_prob(z) - prior.log_prob(z)
    np.testing.assert_allclose(arrays["kl_nats"], expected, rtol=1e-3, atol=1e-3)
    bounds = importance_bounds(vae, info.config.data.pixels, params, prior, split_key(), images, 10)
    np.testing.assert_allclose(arrays["log_likelihood_bounds_nats"], bounds.log_likelihood_nats.T, rtol=1e-5)
    own = whole.per_example["log_likelihood_bounds_nats"][:, :2]
    assert np.mean(np.abs(arrays["log_likelihood_bounds_nats"] - own)) > 0.01


def test_a_subset_of_images_gets_the_same_numbers_as_in_the_whole_set(loaded, disc_set, whole):
    report, arrays = evaluated(loaded, disc_set, k=60, n=5)
    assert report["protocol"]["n"] == 5
    for name in ("elbo_nats", "kl_nats", "psnr_db", "ssim", "log_likelihood_bounds_nats", "effective_samples"):
        np.testing.assert_allclose(arrays[name], whole.per_example[name][:5], rtol=1e-4)


def test_one_image_has_no_errors_and_no_distances(loaded, disc_set):
    report, _ = evaluated(loaded, disc_set, k=1, n=1)
    assert report["elbo_nats"]["standard_error"] is None
    assert report["pictures"]["frechet_samples"] is report["pictures"]["frechet_reconstructions"] is None
    json.dumps(report, allow_nan=False)


def test_another_seed_draws_different_noise(loaded, disc_set, whole):
    _, arrays = evaluated(loaded, disc_set, k=1, seed=1)
    np.testing.assert_allclose(arrays["psnr_db"], whole.per_example["psnr_db"], rtol=1e-5)
    assert np.all(arrays["elbo_nats"] != whole.per_example["elbo_nats"])


def trained(objective, prepared, run):
    few = train_config(steps=2, validate_every=9, picture_every=9, warmup_steps=0, mixture_components=0)
    config = tiny_config(model=MLP, objective=objective, train=few)
    loop.train(config, prepared, run)
    return load(run)


@pytest.mark.parametrize("name", ["iwae", "beta_tcvae", "mmd"])
def test_the_bound_is_evaluated_whatever_the_training_objective(disc_set, tmp_path, name):
    loaded = trained(flat_objective(name=name), disc_set, tmp_path)
    report, arrays = evaluated(loaded, disc_set, k=2, n=6)
    assert report["protocol"]["trained_with"] == name
    expected = -report["distortion_nats"]["mean"] - report["rate_nats"]["mean"]
    assert report["elbo_nats"]["mean"] == pytest.approx(expected, rel=1e-5)
    assert report["rate_nats"]["estimator"] == "closed form"
    assert "iwae_nats" not in arrays


def test_an_autoencoder_is_evaluated_without_bounds(disc_set, tmp_path):
    report, arrays = evaluated(trained(Autoencoder(), disc_set, tmp_path), disc_set, k=5)
    assert set(report) == {"format_version", "protocol", "distortion_nats", "pictures", "doctor", "notes"}
    assert set(arrays) == {"log_likelihood_nats", "psnr_db", "ssim"}
    assert report["distortion_nats"]["mean"] == pytest.approx(-arrays["log_likelihood_nats"].mean(), rel=1e-6)


def test_a_map_of_codes_is_evaluated_unit_by_unit(disc_set):
    model = Conv(latent_kind="spatial", channels=(3,), latent=2)
    report, _ = evaluated(untrained(tiny_config(model=model), disc_set), disc_set, k=1, n=4)
    assert report["codes"]["units"] == len(report["codes"]["rate_per_unit_nats"]) == 8 * 8 * 2


def test_a_posterior_of_another_family_is_evaluated_and_encoded(disc_set):
    loaded = untrained(tiny_config(model=MLP), disc_set)

    def encode(params, x):
        posterior = loaded.vae.encode(params, x)
        return Laplace(posterior.mean, 0.5 * posterior.log_variance, 1)

    vae = loaded.vae
    own = loaded._replace(vae=compose(vae.init, encode, vae.decode, vae.prior))
    report = evaluated(own, disc_set, k=3, n=12).report
    assert report["rate_nats"]["mean"] > 0
    assert report["codes"]["rate_per_unit_nats"] is None
    encoded = encode_split(own, disc_set, "test")
    spread = np.sqrt(np.asarray(encode(loaded.params, scale(disc_set.split("test").images)).variance))
    np.testing.assert_allclose(encoded.standard_deviation, spread, rtol=1e-4)
    rates = unit_rates(own, disc_set.split("test").images)
    assert np.isfinite(rates.values).all()
