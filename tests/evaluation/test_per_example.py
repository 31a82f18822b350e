import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import flat_objective, tiny_config

from jaxvae import HVAE, MLP, Autoencoder, BernoulliLikelihood, DataConfig
from jaxvae.data.pixels import scale
from jaxvae.distributions.gaussian import Normal
from jaxvae.distributions.gaussian_mixture import GaussianMixture
from jaxvae.evaluation.per_example import build_draw_codes, build_measure, means, psnr, with_prior
from jaxvae.models import build
from jaxvae.objectives.bounds import elbo, variational_terms
from jaxvae.objectives.metrics import active_units

MODEL = MLP(hidden=(12,), latent=3)
KEY = jax.random.key(7)


def start(**changes):
    config = tiny_config(model=MODEL, **changes)
    vae = build(config.model, (16, 16, 3))
    return config, vae, vae.init(jax.random.key(1))


@pytest.fixture(scope="module")
def images(disc_set):
    return disc_set.split("test").images


def same(first, second):
    assert jax.tree.structure(first) == jax.tree.structure(second)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5), first, second)


@pytest.mark.parametrize(
    ("name", "sizes"), [("elbo", (5, 64)), ("iwae", (5, 64)), ("mmd", (5,)), ("autoencoder", (5,))]
)
def test_every_batch_size_gives_each_image_the_same_numbers(images, name, sizes):
    config, vae, params = start(objective=flat_objective(name=name))
    whole = build_measure(vae, config, 21)(params, KEY, images)
    assert {"log_likelihood_nats", "psnr_db"} <= set(whole.values)
    assert ("iwae_nats" in whole.values, "elbo_nats" in whole.values) == (name == "iwae", name != "autoencoder")
    assert {len(leaf) for leaf in jax.tree.leaves(whole[:3])} == {21}
    assert len(whole.units.variances) == 3
    for batch_size in sizes:
        same(build_measure(vae, config, batch_size)(params, KEY, images), whole)


def test_each_image_is_counted_once_and_in_order(images):
    config, vae, params = start()
    measured = build_measure(vae, config, 5)(params, KEY, images)
    each = [psnr(x, vae.decode(params, vae.encode(params, x).mean).mean) for x in scale(images)[:, None]]
    np.testing.assert_allclose(measured.values["psnr_db"], np.concatenate(each), rtol=1e-5)


def test_the_metrics_of_an_image_are_the_terms_at_noise_from_its_own_key(images):
    config, vae, params = start()
    measured = build_measure(vae, config, 5)(params, KEY, images)
    for place in (0, 4, 20):
        pixel_key, noise_key = jax.random.split(jax.random.fold_in(KEY, place))
        x = (images[place][None] + jax.random.uniform(pixel_key, (1, 16, 16, 3))) / 256.0
        terms = variational_terms(vae, params, noise_key, x)
        np.testing.assert_allclose(measured.values["elbo_nats"][place], elbo(terms)[0], rtol=1e-5)
        np.testing.assert_allclose(measured.z[place], terms.z[0], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(measured.posterior.mean[place], terms.posterior.mean[0], rtol=1e-4, atol=1e-5)


def test_statistics_of_the_units_are_those_of_all_images(images):
    config, vae, params = start()
    measured = build_measure(vae, config, 5)(params, KEY, images)
    mean, log_variance = (
        np.asarray(part, np.float64) for part in (measured.posterior.mean, measured.posterior.log_variance)
    )
    np.testing.assert_allclose(measured.units.variances, mean.var(axis=0), rtol=1e-9)
    kl = 0.5 * (np.exp(log_variance) + mean**2 - 1 - log_variance)
    np.testing.assert_allclose(measured.units.rates, kl.mean(axis=0), rtol=1e-5)


@pytest.mark.slow
def test_of_a_hierarchy_only_the_coarsest_level_is_kept_image_by_image(images):
    config = tiny_config(model=HVAE(hidden=4, latent=(2, 3)))
    vae = build(config.model, (16, 16, 3))
    params = vae.init(jax.random.key(1))
    measured = build_measure(vae, config, 5)(params, KEY, images)
    assert measured.z.shape == measured.posterior.mean.shape == (21, 2)
    assert len(measured.units.variances) == len(measured.units.rates) == 5
    assert np.sum(measured.units.rates) == pytest.approx(np.mean(measured.values["kl_nats"]), rel=1e-5)
    np.testing.assert_allclose(measured.units.variances[:2], np.var(measured.posterior.mean, axis=0), rtol=1e-5)


def test_the_noise_of_an_image_depends_only_on_its_index(images):
    config, vae, params = start()
    measure = build_measure(vae, config, 8)
    whole, few = measure(params, KEY, images), measure(params, KEY, images[:9])
    np.testing.assert_allclose(few.values["elbo_nats"], whole.values["elbo_nats"][:9], rtol=1e-5)
    copies = measure(params, KEY, np.repeat(images[:1], 3, axis=0))
    assert len(set(copies.values["elbo_nats"].tolist())) == 3
    assert not np.allclose(measure(params, jax.random.key(8), images).z, whole.z)


def test_means_are_over_images_and_not_over_batches(images):
    config, vae, params = start()
    measured = build_measure(vae, config)(params, KEY, images)  # 16, as in training, and 5.
    summed = means(measured)
    assert summed["n"] == 21
    assert summed["active_units"] == float(active_units(measured.posterior.mean))
    for name, values in measured.values.items():
        assert summed[name] == pytest.approx(float(np.sum(values.astype(np.float64))) / 21, rel=1e-12)
    assert summed["elbo_nats"] == pytest.approx(summed["log_likelihood_nats"] - summed["kl_nats"], rel=1e-6)
    assert summed["bits_per_dim"] == pytest.approx(8 - summed["elbo_nats"] / (768 * np.log(2)), rel=1e-6)


def test_another_prior_changes_the_rate_and_nothing_else(images):
    config, vae, params = start()
    shifted = Normal(jnp.full(3, 2.0), jnp.zeros(3), 1)
    own = build_measure(vae, config, 8)(params, KEY, images)
    other = build_measure(with_prior(vae, shifted), config, 8)(params, KEY, images)
    np.testing.assert_allclose(other.values["log_likelihood_nats"], own.values["log_likelihood_nats"], rtol=1e-6)
    # KL to N(2, 1) less KL to N(0, 1), unit by unit: ((m - 2)^2 - m^2) / 2.
    expected = own.values["kl_nats"] + np.sum(2.0 - 2.0 * own.posterior.mean, axis=1)
    np.testing.assert_allclose(other.values["kl_nats"], expected, rtol=1e-4)


def test_without_a_closed_form_the_rate_is_that_of_the_code_drawn(images):
    config, vae, params = start()
    mixture = GaussianMixture(jnp.zeros(2), jnp.asarray([[1.0] * 3, [-1.0] * 3]), jnp.zeros((2, 3)))
    measured = build_measure(with_prior(vae, mixture), config, 8)(params, KEY, images)
    assert measured.units.rates is None
    expected = measured.posterior.log_prob(measured.z) - mixture.log_prob(jnp.asarray(measured.z))
    np.testing.assert_allclose(measured.values["kl_nats"], expected, rtol=1e-4, atol=1e-4)


def test_codes_are_sampled_for_each_image_in_order(images):
    config, vae, params = start()  # Batches of 16, so that the second is ragged.
    posterior = vae.encode(params, scale(images))
    draw = build_draw_codes(vae, config)
    drawn = np.stack([draw(params, jax.random.key(seed), images) for seed in range(200)])
    white = (drawn - posterior.mean[None]) * np.exp(-0.5 * posterior.log_variance)[None]
    assert drawn.shape == (200, 21, 3)
    np.testing.assert_allclose(white.mean(axis=0), 0.0, atol=0.35)
    np.testing.assert_allclose(white.std(axis=0), 1.0, atol=0.25)


def test_the_codes_of_an_autoencoder_are_its_means(images):
    config, vae, params = start(objective=Autoencoder(), data=DataConfig(name="discs", pixels="scaled"))
    rows = build_draw_codes(vae, config)(params, KEY, images)
    np.testing.assert_allclose(rows, vae.encode(params, scale(images)).mean, rtol=1e-4, atol=1e-5)


def test_a_binarised_model_encodes_binary_and_not_grey_pixels():
    model = MLP(hidden=(12,), latent=3, likelihood=BernoulliLikelihood())
    config = tiny_config(model=model, data=DataConfig(name="discs", pixels="binarized"))
    vae, grey = build(model, (16, 16, 1)), np.full((40, 16, 16, 1), 128, np.uint8)
    params = vae.init(jax.random.key(1))
    # With tiny variances the codes are the means: of grey images all alike, of their coins all different.
    sharp = vae._replace(encode=lambda params, x: Normal(vae.encode(params, x).mean, jnp.full((len(x), 3), -20.0), 1))
    codes = build_draw_codes(sharp, config)(params, KEY, grey)
    assert np.std(codes, axis=0).min() > 1e-3


@pytest.mark.parametrize("name", ["elbo", "iwae", "autoencoder"])
def test_the_objective_is_evaluated_with_its_final_weight(images, name):
    options = {"beta": 4.0, "warmup_steps": 10} if name == "elbo" else {}
    config, vae, params = start(objective=flat_objective(name=name, **options))
    values = build_measure(vae, config, 5)(params, KEY, images).values
    expected = {
        "elbo": lambda: values["log_likelihood_nats"] - 4.0 * values["kl_nats"],
        "iwae": lambda: values["iwae_nats"],
        "autoencoder": lambda: values["log_likelihood_nats"],
    }[name]()
    np.testing.assert_allclose(values["objective_nats"], expected, rtol=1e-6)
