import dataclasses

import jax
import pytest
from conftest import discs, flat_objective, tiny_config, train_config, untrained

from jaxvae import MLP, DataConfig, NormalLikelihood
from jaxvae.data.prepared import write_prepared
from jaxvae.data.sources.base import SPLITS, Example, Source
from jaxvae.distributions.gaussian import Normal
from jaxvae.evaluation.features import build_features
from jaxvae.evaluation.report import Options, evaluate_run
from jaxvae.runs.run import load
from jaxvae.training import loop

pytestmark = pytest.mark.slow  # Each trains and evaluates a model.

MODEL = MLP(hidden=(32,), latent=3, activation="tanh")


def config(steps=1, pixels="dequantized", model=MODEL, **objective):
    train = train_config(
        steps=steps, validate_every=10_000, picture_every=10_000, learning_rate=3e-3, mixture_components=0,
        fitted_flow_steps=0,
    )  # fmt: skip
    data = DataConfig(name="discs", pixels=pixels)
    return tiny_config(model=model, data=data, train=train, objective=flat_objective(**objective))


def trained(config, prepared, run):
    loop.train(config, prepared, run)
    return load(run)


def doctor(loaded, prepared, **options):
    report, _ = evaluate_run(loaded, prepared, Options(k=2, **options), build_features("pixels"))
    return report, {each["name"]: each["sentence"] for each in report["doctor"]}


def test_a_heavy_kl_collapses_the_posterior(disc_set, tmp_path):
    report, found = doctor(trained(config(100, beta=1000.0), disc_set, tmp_path), disc_set)
    assert "posterior_collapse" in found
    assert "train_test_gap" not in found
    assert f"{report['rate_nats']['mean']:.3f} nats" in found["posterior_collapse"]
    assert report["rate_nats"]["mean"] < 1.0
    assert report["codes"]["active_units"] == 0


def test_few_images_are_memorised(tmp_path):
    splits = {
        name: (lambda name=name: (Example(each.image, ()) for each in discs(name)[: 8 if name == "train" else 21]))
        for name in SPLITS
    }
    prepared = write_prepared(tmp_path / "few", "few", {}, Source((), {}, splits, {}))
    loaded = trained(config(2000), prepared, tmp_path / "run")
    report, found = doctor(loaded, prepared)
    assert "train_test_gap" in found
    assert f"({report['elbo_nats']['mean']:.1f})" in found["train_test_gap"]
    # On the pictures that it was trained with there is nothing to compare them with.
    assert "train_test_gap" not in doctor(loaded, prepared, split="train")[1]


def test_codes_spread_beyond_the_prior_give_bad_samples_of_a_good_model(disc_set, tmp_path):
    larger = dataclasses.replace(MODEL, latent=16, hidden=(128,))  # Reconstructs well: 21 dB instead of 16.
    loaded = trained(config(400, name="autoencoder", model=larger), disc_set, tmp_path)
    vae = loaded.vae

    def encode(params, x):
        posterior = vae.encode(params, x)
        return Normal(20.0 * posterior.mean, posterior.log_variance, 1)

    # The same function of a picture, by way of codes that are twenty times as far apart.
    wide = vae._replace(encode=encode, decode=lambda params, z: vae.decode(params, z / 20.0))
    before = doctor(loaded, disc_set)[0]["pictures"]
    report, found = doctor(loaded._replace(vae=wide), disc_set)
    after = report["pictures"]
    assert set(found) == {"bad_samples"}
    assert before["psnr_db"]["mean"] == pytest.approx(after["psnr_db"]["mean"], rel=1e-4)
    assert after["frechet_samples"]["distance"] > 100 * after["frechet_reconstructions"]["distance"]
    assert after["frechet_samples"]["distance"] > before["frechet_samples"]["distance"]


@pytest.mark.parametrize(
    ("likelihood", "pixels", "name"),
    [
        ("bernoulli", "scaled", "grey_bernoulli"),
        ("normal", "scaled", "density_of_bytes"),
        ("bernoulli", "binarized", None),
    ],
)
def test_pixels_that_do_not_fit_the_likelihood_are_reported(disc_set, likelihood, pixels, name):
    model = dataclasses.replace(MODEL, likelihood=likelihood)
    report, found = doctor(untrained(config(pixels=pixels, model=model), disc_set), disc_set, n=5)
    assert {"grey_bernoulli", "density_of_bytes"} & set(found) == ({name} if name else set())
    assert (report["bits_per_dim"] is None) == (name is not None)


def test_scales_and_variances_at_their_bounds_are_detected(disc_set):
    loaded = untrained(
        config(model=dataclasses.replace(MODEL, likelihood=NormalLikelihood(scale="per_pixel"))), disc_set
    )
    large = {name: jax.tree.map(lambda leaf: 1e3 * leaf, loaded.params[name]) for name in ("encoder", "decoder")}
    params = loaded.params | large
    found = doctor(loaded._replace(params=params), disc_set, n=5)[1]
    assert {"posterior_variance_at_bound", "scale_at_bound"} <= set(found)
