import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import DENSE, flat_objective, tiny_config, untrained

from jaxvae.distributions.gaussian import Normal, standard_normal
from jaxvae.distributions.gaussian_mixture import GaussianMixture
from jaxvae.evaluation.per_example import build_measure
from jaxvae.keys import key_for
from jaxvae.latents.units import rates as module
from jaxvae.latents.units.marginals import Gaussians
from jaxvae.latents.units.rates import unit_rates


def made(disc_set, mean, log_variance, prior, objective="elbo"):
    """A model whose posterior is known: brightness times these means, whatever else the picture shows."""
    loaded = untrained(tiny_config(model=DENSE, objective=flat_objective(name=objective)), disc_set)
    config = dataclasses.replace(loaded.info.config, data=dataclasses.replace(loaded.info.config.data, pixels="scaled"))

    def encode(params, x):
        means = jnp.mean(x, axis=(1, 2, 3))[:, None] * jnp.asarray(mean)[None]
        return Normal(means, jnp.broadcast_to(jnp.asarray(log_variance)[None], means.shape), 1)

    vae = loaded.vae._replace(encode=encode, prior=lambda params: prior)
    return loaded._replace(vae=vae, info=loaded.info._replace(config=config))


MEAN, LOG_VARIANCE = [0.5, 3.0, 0.0], [-1.0, -2.0, 0.0]


def by_hand(images):
    """KL to N(0, 1) of each unit of that model."""
    means = (images / 255.0).mean(axis=(1, 2, 3))[:, None] * np.asarray(MEAN)
    return 0.5 * (np.exp(LOG_VARIANCE) + means**2 - 1 - np.asarray(LOG_VARIANCE)).mean(axis=0)


def test_units_are_ordered_by_a_kl_that_is_known(disc_set):
    images = disc_set.split("test").images
    rates = unit_rates(made(disc_set, MEAN, LOG_VARIANCE, standard_normal((3,))), images)
    np.testing.assert_allclose(rates.values, by_hand(images), rtol=1e-5, atol=1e-7)
    assert rates.order.tolist() == [1, 0, 2]
    assert rates.name == "rate_nats"


def test_rates_match_those_of_evaluate(disc_set):
    """With dequantised pixels, whose noise moves the posterior."""
    loaded = untrained(tiny_config(model=DENSE), disc_set)
    images = disc_set.split("test").images
    measured = build_measure(loaded.vae, loaded.info.config)(
        loaded.params, jax.random.split(key_for("evaluate", 0), 2)[0], images
    )
    np.testing.assert_allclose(unit_rates(loaded, images).values, measured.units.rates, rtol=1e-4)


def test_quadrature_matches_the_closed_form_for_identical_components(disc_set):
    images = disc_set.split("test").images
    twice = GaussianMixture(jnp.asarray([0.3, -1.0]), jnp.full((2, 3), 0.7), jnp.full((2, 3), 0.4))
    once = Normal(jnp.full(3, 0.7), jnp.full(3, 0.4), 1)
    first = unit_rates(made(disc_set, MEAN, LOG_VARIANCE, twice), images)
    second = unit_rates(made(disc_set, MEAN, LOG_VARIANCE, once), images)
    np.testing.assert_allclose(first.values, second.values, rtol=1e-4, atol=1e-5)
    assert ("quadrature" in first.description, "closed form" in second.description) == (True, True)


def test_quadrature_matches_the_mean_of_many_samples():
    prior = Gaussians(np.asarray([0.25, 0.75]), np.asarray([[-2.0], [1.0]]), np.asarray([[0.5], [1.5]]))
    mean, log_variance = np.asarray([[0.3], [-1.5]]), np.asarray([[-1.0], [-3.0]])
    value = module._by_quadrature(mean, log_variance, prior).mean(axis=0)
    noise = np.random.default_rng(0).normal(size=200_000)
    z = mean + np.exp(0.5 * log_variance) * noise[None]
    log_q = -0.5 * (noise**2 + np.log(2 * np.pi))[None] - 0.5 * log_variance
    parts = [w / s * np.exp(-0.5 * ((z - m) / s) ** 2) for w, m, s in zip(
        prior.weights, prior.means[:, 0], prior.deviations[:, 0], strict=True
    )]  # fmt: skip
    log_p = np.log(sum(parts)) - 0.5 * np.log(2 * np.pi)
    assert value == pytest.approx(np.mean(log_q - log_p), abs=0.01)


def test_a_prior_known_by_samples_is_approximated_by_a_gaussian_with_their_moments(disc_set):
    class Drawn(NamedTuple):
        center: jax.Array

        def sample(self, key, shape=()):
            return self.center + 2.0 * jax.random.normal(key, (*shape, 3))

        def log_prob(self, value):
            raise NotImplementedError

    images = disc_set.split("test").images
    rates = unit_rates(made(disc_set, MEAN, LOG_VARIANCE, Drawn(jnp.asarray(5.0))), images)
    gaussian = Normal(jnp.full(3, 5.0), jnp.full(3, 2 * jnp.log(2.0)), 1)
    expected = unit_rates(made(disc_set, MEAN, LOG_VARIANCE, gaussian), images)
    np.testing.assert_allclose(rates.values, expected.values, rtol=0.05)
    assert "mean and variance" in rates.description


def test_an_autoencoder_is_ordered_by_variance_and_reports_it(disc_set):
    images = disc_set.split("test").images
    rates = unit_rates(made(disc_set, [1.0, -4.0, 2.0], LOG_VARIANCE, None, "autoencoder"), images)
    brightness = (images / 255.0).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(rates.values, brightness.var() * np.asarray([1.0, 16.0, 4.0]), rtol=1e-4)
    assert rates.order.tolist() == [1, 2, 0]
    assert (rates.name, "no KL" in rates.description) == ("variance", True)
