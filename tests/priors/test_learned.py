import dataclasses
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import flat_model, tiny_config
from scipy.special import expit, logsumexp
from scipy.stats import multivariate_normal, norm

from jaxvae import MLP, Conv, FullMixturePrior, ModelConfig, VampPrior
from jaxvae.distributions.gaussian import Normal
from jaxvae.errors import UserError
from jaxvae.models import build
from jaxvae.objectives.bounds import elbo, variational_terms
from jaxvae.priors.fit_mixture import fit_mixture
from jaxvae.priors.vamp import DARKEST
from jaxvae.training.loop import train

SHAPE = (2, 2, 1)
PRIORS = ("standard_normal", "mixture", "full_mixture", "vamp", "flow")
RANDOM = np.random.default_rng(0)
X = jnp.asarray(RANDOM.uniform(size=(5, *SHAPE)), jnp.float32)


SIZES = {"latent": 2, "prior_components": 3, "flow_pairs": 2, "flow_hidden": 6, "scale": "fixed", "fixed_scale": 1.0}


def small(prior: str) -> ModelConfig:
    if prior == "full_mixture":  # Which configs of format 2 did not have.
        return dataclasses.replace(small("mixture"), prior=FullMixturePrior(components=3))
    return flat_model(network="mlp", hidden=(6,), prior=prior, **SIZES)


@cache
def begun(prior: str):
    """The model and parameters as training begins with."""
    vae = build(small(prior), SHAPE)
    return vae, jax.jit(vae.init)(jax.random.key(0))


def moved(prior: str):
    """The same away from that start, where a flow is N(0, I)."""
    vae, params = begun(prior)
    random = np.random.default_rng(1)
    return vae, jax.tree.map(lambda leaf: np.float32(leaf + random.normal(scale=0.3, size=leaf.shape)), params)


@pytest.mark.parametrize("name", PRIORS)
def test_each_prior_is_a_density_whose_draws_have_its_moments(name):
    vae, params = moved(name)
    axis = np.linspace(-20.0, 20.0, 401, dtype=np.float32)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)

    @jax.jit
    def sampled_and_weighed(params, key):
        prior = vae.prior(params)
        draws = prior.sample(key, (20_000,))
        return draws, prior.log_prob(jnp.concatenate([grid, draws]))

    draws, logs = map(np.float64, sampled_and_weighed(params, jax.random.key(2)))
    mass = np.exp(logs[: len(grid)]) * (axis[1] - axis[0]) ** 2
    assert mass.sum() == pytest.approx(1.0, abs=1e-3)

    def statistics(z, logs):
        return np.stack([z[:, 0], z[:, 1], z[:, 0] ** 2, z[:, 1] ** 2, z[:, 0] * z[:, 1], logs])

    sampled = statistics(draws, logs[len(grid) :])
    error = sampled.std(axis=1) / np.sqrt(len(draws))
    assert np.all(np.abs(sampled.mean(axis=1) - statistics(grid, logs[: len(grid)]) @ mass) < 5 * error)


def test_priors_differ_and_the_first_is_the_standard_normal():
    z = jnp.asarray(RANDOM.normal(size=(4, 2)), jnp.float32)
    values = {}
    for name in PRIORS:
        vae, params = moved(name)
        values[name] = np.asarray(jax.jit(lambda params, z, vae=vae: vae.prior(params).log_prob(z))(params, z))
    np.testing.assert_allclose(values["standard_normal"], norm.logpdf(z).sum(axis=1), rtol=1e-5)
    assert all(np.abs(values[name] - values["standard_normal"]).min() > 1e-3 for name in PRIORS[1:])


def test_a_full_mixture_is_that_of_scipy_and_begins_near_n_0_i():
    vae, params = moved("full_mixture")
    mixture = vae.prior(params).rows
    z = RANDOM.normal(size=(6, 2)).astype(np.float32)
    logits, means, log_scales, lower = (
        np.float64(each) for each in (mixture.logits, mixture.means, mixture.log_scales, mixture.lower)
    )
    roots = np.exp(log_scales)[:, :, None] * (np.eye(2) + np.tril(lower, -1))
    parts = [
        log_weight + multivariate_normal(mean, np.linalg.inv(root.T @ root)).logpdf(z)
        for log_weight, mean, root in zip(logits - logsumexp(logits), means, roots, strict=True)
    ]
    np.testing.assert_allclose(vae.prior(params).log_prob(z), logsumexp(parts, axis=0), rtol=1e-4)
    np.testing.assert_allclose(mixture.with_factors.log_prob(z), logsumexp(parts, axis=0), rtol=1e-4)
    # Each Gaussian's covariance counts: without it the density is another.
    for i in range(3):
        diagonal = dataclasses.replace(mixture, lower=mixture.lower * (np.arange(3) != i)[:, None, None])
        assert not np.array_equal(diagonal.log_prob(z), mixture.log_prob(z))
    np.testing.assert_array_equal(np.asarray(mixture.with_factors.factors)[:, 0, 1], 0.0)
    # Whatever stands on and above the diagonal of L counts for nothing.
    cluttered = dataclasses.replace(mixture, lower=mixture.lower + jnp.triu(jnp.ones((2, 2)))[None])
    np.testing.assert_array_equal(cluttered.log_prob(z), mixture.log_prob(z))
    np.testing.assert_array_equal(cluttered.with_factors.factors, mixture.with_factors.factors)
    vae, params = begun("full_mixture")
    assert np.abs(vae.prior(params).log_prob(z) - norm.logpdf(z).sum(axis=1)).max() < 0.5


def test_a_refitted_full_mixture_is_the_one_that_expectation_maximisation_finds():
    vae, params = begun("full_mixture")
    codes = np.concatenate(
        [RANDOM.normal(size=(900, 2)) @ [[1.0, 0.8], [0.0, 0.3]] - 6.0, RANDOM.normal(size=(300, 2))]
    )
    refitted = vae.refit(params, codes.astype(np.float32))
    assert jax.tree.map(jnp.shape, refitted) == jax.tree.map(jnp.shape, params)
    for part in ("encoder", "decoder", "likelihood"):
        assert refitted[part] is params[part]
    theirs = fit_mixture(codes.astype(np.float32), 3, 0)
    z = np.float32(codes[::60])
    np.testing.assert_allclose(vae.prior(refitted).log_prob(z), theirs.log_prob(z), rtol=1e-3, atol=1e-3)
    # From three codes a single Gaussian is fitted, and the other two have no weight; from one code nothing is.
    few = vae.refit(params, codes[:3].astype(np.float32))
    theirs = fit_mixture(codes[:3].astype(np.float32), 3, 0)
    assert len(theirs.weights) == 1
    np.testing.assert_allclose(vae.prior(few).log_prob(z[:2]), theirs.log_prob(z[:2]), rtol=1e-3, atol=1e-3)
    assert vae.refit(params, codes[:1].astype(np.float32))["prior"] is params["prior"]


def test_a_full_mixture_over_a_large_map_is_refused():
    with pytest.raises(UserError, match="a code has 2048 units, and full covariances are for at most 1024"):
        FullMixturePrior().build((16, 16, 8), SHAPE)


@pytest.mark.parametrize("name", ["mixture", "full_mixture", "flow"])
def test_priors_over_maps_sample_maps_and_score_them(name):
    prior = small(name).prior.build((2, 1, 3), SHAPE)
    distribution = prior.distribution(jax.jit(prior.init)(jax.random.key(0)), lambda x: None)
    draws = jax.jit(lambda p, key: p.sample(key, (4, 5)))(distribution, jax.random.key(1))
    assert draws.shape == (4, 5, 2, 1, 3)
    log_prob = jax.jit(lambda p, z: p.log_prob(z))
    logs = log_prob(distribution, draws)
    assert logs.shape == (4, 5)
    np.testing.assert_allclose(log_prob(distribution, draws[1, 2]), logs[1, 2], rtol=1e-5)


def test_the_vamp_prior_is_the_mean_of_the_posteriors_of_its_pseudo_inputs():
    vae, params = moved("vamp")
    z = RANDOM.normal(size=(7, 2)).astype(np.float32)
    pseudo = expit(np.asarray(params["prior"]["pseudo_inputs"]))
    assert pseudo.shape == (3, *SHAPE)
    posterior = jax.jit(vae.encode)(params, pseudo)
    logs = [
        norm.logpdf(z, mean, np.exp(0.5 * np.asarray(log_variance))).sum(axis=1)
        for mean, log_variance in zip(posterior.mean, posterior.log_variance, strict=True)
    ]
    ours = jax.jit(lambda params: vae.prior(params).log_prob(z))(params)
    np.testing.assert_allclose(ours, logsumexp(logs, axis=0) - np.log(3), rtol=1e-5)


def test_the_vamp_prior_accepts_an_encoder_of_maps():
    def encode(x):
        return Normal(jnp.stack([x, -x], axis=-1), jnp.zeros((*x.shape, 2)), 4)

    prior = small("vamp").prior.build((2, 2, 1, 2), SHAPE)
    distribution = prior.distribution(prior.init(jax.random.key(0)), encode)
    draws = jax.eval_shape(lambda key: distribution.sample(key, (4, 6)), jax.random.key(1))
    assert draws.shape == (4, 6, 2, 2, 1, 2)
    assert jax.eval_shape(distribution.log_prob, draws).shape == (4, 6)


def test_pseudo_inputs_start_as_the_first_images():
    vae, params = begun("vamp")
    assert vae.start_images == 3
    pictures = RANDOM.uniform(0.1, 0.9, size=(3, *SHAPE)).astype(np.float32)
    pictures[0, 0, 0], pictures[2, 1, 1] = 0.0, 1.0
    started = vae.start(params, pictures)
    pseudo = expit(np.asarray(started["prior"]["pseudo_inputs"]))
    np.testing.assert_allclose(pseudo, pictures, atol=DARKEST + 1e-6)
    np.testing.assert_allclose(pseudo[1], pictures[1], atol=1e-6)
    assert started["prior"]["pseudo_inputs"].dtype == jnp.float32
    assert all(started[name] is params[name] for name in params if name != "prior")
    assert not np.array_equal(params["prior"]["pseudo_inputs"], started["prior"]["pseudo_inputs"])


@pytest.mark.parametrize("name", ["standard_normal", "mixture", "flow"])
def test_priors_without_pseudo_inputs_are_left_unchanged(name):
    vae, params = begun(name)
    assert vae.start_images == 0
    assert vae.start(params, np.zeros((0, *SHAPE), np.float32)) is params


def test_more_pseudo_inputs_than_images_are_refused_with_both_numbers(disc_set, tmp_path):
    count = len(disc_set.split("train").images)
    config = tiny_config(model=MLP(hidden=(6,), latent=2, prior=VampPrior(components=count + 1)))
    with pytest.raises(UserError, match=rf"model\.prior\.components is {count + 1}, but must be at most {count},"):
        train(config, disc_set, tmp_path / "run")


@pytest.mark.parametrize("name", PRIORS[1:])
def test_the_gradient_of_the_elbo_reaches_every_parameter_of_the_prior(name):
    vae, params = moved(name)

    @jax.jit
    def value(prior):
        return jnp.mean(elbo(variational_terms(vae, params | {"prior": prior}, jax.random.key(3), X)))

    gradient = jax.tree.map(np.asarray, jax.jit(jax.grad(value))(params["prior"]))
    for path, leaf in jax.tree.leaves_with_path(gradient):
        # Of a stack of couplings each is reached.
        parts = leaf if "pairs" in params["prior"] and leaf.ndim > 1 else leaf[None]
        assert all(np.abs(part).max() > 0 for part in parts), jax.tree_util.keystr(path)

    # One finite difference, along the gradient itself.
    length = np.sqrt(sum(np.sum(np.square(leaf)) for leaf in jax.tree.leaves(gradient)))
    up, down = (
        value(jax.tree.map(lambda p, g, step=step: p + np.float32(step / length) * g, params["prior"], gradient))
        for step in (3e-3, -3e-3)
    )
    assert float(up - down) / 6e-3 == pytest.approx(length, rel=2e-2)


@pytest.mark.parametrize(
    ("name", "reached"), [("vamp", True), ("mixture", False), ("full_mixture", False), ("flow", False)]
)
def test_only_the_vamp_prior_trains_the_encoder_through_log_p_of_z(name, reached):
    vae, params = moved(name)
    z = jnp.asarray(RANDOM.normal(size=(4, 2)), jnp.float32)
    gradient = jax.jit(jax.grad(lambda params: jnp.sum(vae.prior(params).log_prob(z))))(params)["encoder"]
    assert all((np.abs(leaf).max() > 0) == reached for leaf in jax.tree.leaves(gradient))


def test_a_flow_over_a_map_of_a_single_unit_is_refused():
    config = Conv(latent=1, latent_kind="spatial", channels=(4, 4), prior="flow")
    with pytest.raises(UserError, match="at least 2"):
        build(config, (4, 4, 1))
    assert build(config, (8, 8, 1)).init(jax.random.key(0))
