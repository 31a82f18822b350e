"""The bounds of hierarchies: on a linear model of two levels with known log p(x), and on both families."""

from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from conftest import stirred

from jaxvae import HVAE, IWAE, Adversarial, BernoulliLikelihood, FullMixturePrior, TopDown, VampPrior
from jaxvae.distributions.gaussian import Normal
from jaxvae.errors import UserError
from jaxvae.evaluation.linear_gaussian import exact_hierarchy
from jaxvae.objectives.importance import bound, doubly_reparameterized
from jaxvae.priors.fit_mixture import fit_mixture
from jaxvae.priors.fitted import Fitted
from jaxvae.vae import code_shape, over_whole_codes, with_prior

BOTTOM = jnp.asarray([[1.0, 0.5, 0.0], [-0.3, 0.8, 0.2], [0.2, -1.1, 0.4], [0.7, 0.1, -0.9], [0.0, 0.3, 0.6]])
TOP = jnp.asarray([[0.4, 0.0], [0.0, -0.6], [0.3, 0.3], [-0.5, 0.2], [0.1, 0.1]])
BETWEEN = jnp.asarray([[0.9, -0.2], [0.4, 1.1], [-0.6, 0.3]])
NOISE = 0.3
PARAMS = {"likelihood": {}, "prior": {}}  # The linear model has none to learn.
X = jnp.asarray(np.random.default_rng(0).normal(size=(6, 1, 1, 5)), jnp.float32)

SMALL_TOP_DOWN = TopDown(stem=(4,), channels=(6, 8), blocks=(2, 1), encoder_blocks=(1, 0), middle=4, latent=(2, 3))
SMALL_HVAE = HVAE(hidden=8, latent=(3, 4), likelihood=BernoulliLikelihood())
SMALL_CONV = HVAE(hidden=8, latent=(3, 4), layers="conv")
FAMILIES = [SMALL_TOP_DOWN, SMALL_HVAE]
SHAPE = (9, 7, 3)


def linear(shift=0.0):
    vae = exact_hierarchy(BOTTOM, TOP, BETWEEN, NOISE, shift)
    return vae._replace(infer=jax.jit(vae.infer, static_argnums=3))


def exact():
    both = np.asarray(BOTTOM @ BETWEEN + TOP)
    covariance = both @ both.T + np.asarray(BOTTOM @ BOTTOM.T) + NOISE * np.eye(5)
    return scipy.stats.multivariate_normal(np.zeros(5), covariance).logpdf(np.asarray(X.reshape(6, 5)))


@cache
def built(config, shape=SHAPE):
    vae = config.build(shape)
    infer = jax.jit(vae.infer, static_argnums=3)
    vae = vae._replace(encode=jax.jit(vae.encode), decode=jax.jit(vae.decode), infer=infer)
    # Away from the start, where the last layers of the priors are zero.
    return vae, stirred(vae.init(jax.random.key(0)), 0.1)


def images(count=4, shape=SHAPE):
    return jax.random.uniform(jax.random.key(5), (count, *shape))


def test_with_the_exact_posterior_each_weight_is_the_likelihood():
    drawn = linear().infer(PARAMS, jax.random.key(0), X, 7)
    np.testing.assert_allclose(drawn.log_weights, np.tile(exact(), (7, 1)), rtol=1e-5)


def test_elbo_below_importance_weighted_bound_below_log_likelihood():
    drawn = linear(0.2).infer(PARAMS, jax.random.key(1), X, 5000)
    elbo = jnp.mean(drawn.log_likelihood, axis=0) - drawn.kl
    bounds = [np.mean(bound(drawn.log_weights.reshape(-1, k, 6).swapaxes(0, 1).reshape(k, -1))) for k in (1, 10, 100)]
    assert np.mean(elbo) < bounds[1] < bounds[2] < np.mean(exact())
    np.testing.assert_allclose(np.mean(elbo), bounds[0], atol=0.02)
    np.testing.assert_allclose(bound(drawn.log_weights), exact(), atol=0.05)


@pytest.mark.slow
def test_the_kl_of_each_level_in_closed_form_is_that_of_many_draws():
    vae = linear(0.2)
    drawn = vae.infer(PARAMS, jax.random.key(1), X, 20_000)
    assert list(drawn.kl_levels) == ["z2", "z1"]
    np.testing.assert_allclose(sum(drawn.kl_levels.values()), drawn.kl, rtol=1e-5)
    np.testing.assert_allclose(np.mean(drawn.log_posterior - drawn.log_prior, axis=0), drawn.kl, atol=0.1)
    top = vae.encode(PARAMS, X).top
    np.testing.assert_allclose(drawn.kl_levels["z2"], top.kl(Normal(jnp.zeros(2), jnp.zeros(2), 1)), rtol=1e-5)


def test_draws_from_the_prior_have_the_moments_of_the_model():
    vae = linear()
    z = vae.prior(PARAMS).sample(jax.random.key(2), (200_000,))
    mean = np.asarray(vae.decode(PARAMS, z).mean).reshape(-1, 5)
    both = np.asarray(BOTTOM @ BETWEEN + TOP)
    expected = both @ both.T + np.asarray(BOTTOM @ BOTTOM.T)
    np.testing.assert_allclose(np.cov(mean, rowvar=False), expected, atol=0.06)


@pytest.mark.slow
def test_the_doubly_reparameterized_gradient_agrees_with_the_plain_one():
    vae, params = built(SMALL_HVAE)

    def gradients(doubly, key):
        def mean_bound(bias):
            own = params["networks"]["posterior_top"]["Dense_0"] | {"bias": bias}
            networks = params["networks"] | {"posterior_top": {"Dense_0": own}}
            draw = doubly_reparameterized if doubly else lambda vae, *arguments: vae.infer(*arguments)
            return jnp.mean(bound(draw(vae, params | {"networks": networks}, key, images(2), 5).log_weights))

        return jax.grad(mean_bound)(params["networks"]["posterior_top"]["Dense_0"]["bias"])

    keys = jax.random.split(jax.random.key(3), 4000)
    plainly, doubly = (
        np.asarray(jax.jit(jax.vmap(lambda key, doubly=doubly: gradients(doubly, key)))(jax.random.clone(keys)))
        for doubly in (False, True)
    )
    error = np.sqrt((np.var(plainly, axis=0) + np.var(doubly, axis=0)) / len(keys))
    assert (np.abs(np.mean(plainly, axis=0) - np.mean(doubly, axis=0)) < 4 * error).all()
    assert np.mean(np.var(doubly, axis=0)) < np.mean(np.var(plainly, axis=0))


@pytest.mark.parametrize("config", FAMILIES, ids=lambda config: f"{config.kind}-{getattr(config, 'layers', '')}")
class TestFamilies:
    @pytest.mark.slow
    def test_the_likelihood_of_the_pass_is_that_of_the_decoded_draw(self, config):
        vae, params = built(config)
        drawn = vae.infer(params, jax.random.key(2), images())
        np.testing.assert_allclose(vae.decode(params, drawn.z).log_prob(images()), drawn.log_likelihood, rtol=1e-4)
        shapes = jax.tree.map(lambda leaf: leaf.shape[1:], drawn.z)
        assert shapes == jax.tree.map(lambda leaf: leaf.shape, code_shape(vae, params))
        assert len(drawn.z) == len(vae.levels)

    def test_the_kl_agrees_with_many_draws(self, config):
        vae, params = built(config)
        drawn = jax.jit(lambda key, x: vae.infer(params, key, x, 3000))(jax.random.key(2), images(2))
        sampled = drawn.log_posterior - drawn.log_prior
        error = 5 * np.std(np.asarray(sampled) - drawn.kl[None], axis=0) / 3000**0.5
        assert (np.abs(np.mean(sampled, axis=0) - drawn.kl) < error + 1e-3 * drawn.kl).all()

    @pytest.mark.slow
    def test_several_draws_are_those_of_one_key_per_image_in_any_batch(self, config):
        vae, params = built(config)
        keys = jax.random.split(jax.random.key(7), 4)
        whole = vae.infer(params, jax.random.clone(keys), images(), 2)
        part = vae.infer(params, keys[1:3], images()[1:3], 2)
        np.testing.assert_allclose(whole.log_weights[:, 1:3], part.log_weights, rtol=2e-4)
        for level, of_part in zip(whole.z, part.z, strict=True):
            np.testing.assert_allclose(level[:, 1:3], of_part, rtol=2e-3, atol=2e-4)

    def test_levels_that_are_missing_are_at_their_prior_mean(self, config):
        vae, params = built(config)
        z = vae.encode(params, images()).mean
        zeros = tuple(jnp.zeros_like(level) for level in z[1:])
        np.testing.assert_allclose(
            vae.decode(params, z[:1]).mean, vae.decode(params, (z[0], *zeros)).mean, rtol=1e-5, atol=1e-6
        )

    def test_temperature_0_is_deterministic_and_one_for_each_level_acts_there(self, config):
        vae, params = built(config)
        prior, levels = vae.prior(params), len(vae.levels)
        for still in (0.0, (0.0,) * levels):
            assert all(not np.asarray(level).any() for level in prior.sample(jax.random.key(0), (2,), still))
        cold_top = prior.sample(jax.random.key(0), (2,), (0.0, *(1.0,) * (levels - 1)))
        warm = prior.sample(jax.random.key(0), (2,))
        assert not np.asarray(cold_top[0]).any()
        np.testing.assert_array_equal(cold_top[-1], warm[-1])

    @pytest.mark.slow
    def test_the_gradient_reaches_every_parameter(self, config):
        vae, params = built(config)

        def loss(params):
            drawn = vae.infer(params, jax.random.key(2), images())
            return -jnp.mean(drawn.log_likelihood - drawn.kl)

        for path, gradient in jax.tree_util.tree_leaves_with_path(jax.jit(jax.grad(loss))(params)):
            assert np.isfinite(gradient).all(), path
            assert np.asarray(gradient).any(), path

    @pytest.mark.slow
    def test_a_fitted_prior_of_the_top_has_a_density_over_whole_codes(self, config):
        vae, params = built(config)
        rows = np.random.default_rng(0).normal(size=(300, vae.top_units(params)))
        fitted = Fitted(dict(vars(fit_mixture(rows, 2, 0))))
        prior = over_whole_codes(vae, params, fitted.prior("fitted_mixture", vae.top(code_shape(vae, params))))
        drawn = with_prior(vae, prior).infer(params, jax.random.key(2), images(), 3)
        own = vae.infer(params, jax.random.key(2), images(), 3)
        top, below = vae.top(drawn.z), vae.prior(params).parts[vae.top_levels :]
        rest = sum(
            (part.log_prob(level) for part, level in zip(below, drawn.z[vae.top_levels :], strict=True)),
            start=jnp.zeros((3, 4)),
        )
        np.testing.assert_allclose(drawn.log_prior, prior.top.log_prob(top) + rest, rtol=1e-4)
        np.testing.assert_allclose(drawn.log_likelihood, own.log_likelihood, rtol=1e-5)
        np.testing.assert_allclose(drawn.kl, np.mean(drawn.log_posterior - drawn.log_prior, axis=0), rtol=0.5)


@pytest.mark.slow
def test_blocks_scanned_as_on_accelerators_compute_what_unrolled_ones_do(monkeypatch):
    params = built(SMALL_TOP_DOWN)[1]

    def bound_and_gradient():
        def mean_elbo(params):
            drawn = SMALL_TOP_DOWN.build(SHAPE).infer(params, jax.random.key(2), images())
            return jnp.mean(drawn.log_likelihood - drawn.kl)

        return jax.jit(jax.value_and_grad(mean_elbo))(params)

    unrolled = bound_and_gradient()
    monkeypatch.setattr(jax.lax, "platform_dependent", lambda *arrays, cpu, default: default(*arrays))
    scanned = bound_and_gradient()
    for one, other in zip(jax.tree.leaves(unrolled), jax.tree.leaves(scanned), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-2 * np.abs(one).max())


@pytest.mark.slow
def test_blocks_in_bfloat16_keep_codes_and_bound_in_float32():
    vae, params = built(replace(SMALL_TOP_DOWN, dtype="bfloat16"))
    found, exact = (each.infer(params, jax.random.key(2), images()) for each in (vae, built(SMALL_TOP_DOWN)[0]))
    assert {leaf.dtype for leaf in jax.tree.leaves(found)} == {jnp.dtype("float32")}
    # Not only their type: few of the numbers are ones that bfloat16 has.
    for each in (*found.posterior.mean, vae.decode(params, found.z).mean):
        assert np.mean(np.asarray(each.astype(jnp.bfloat16).astype(jnp.float32) == each)) < 0.1
    np.testing.assert_allclose(found.log_likelihood, exact.log_likelihood, rtol=0.1)


@pytest.mark.slow
def test_convolutions_may_stand_next_to_the_images():
    vae, params = built(SMALL_CONV)
    drawn = vae.infer(params, jax.random.key(2), images())
    np.testing.assert_allclose(vae.decode(params, drawn.z).log_prob(images()), drawn.log_likelihood, rtol=1e-4)
    assert [level.shape for level in drawn.z] == [(4, 3), (4, 4)]


@pytest.mark.parametrize("prior", [VampPrior(components=5), FullMixturePrior(components=2)])
@pytest.mark.slow
def test_a_learned_prior_belongs_to_the_top(prior):
    vae, params = built(HVAE(hidden=8, latent=(3, 4), prior=prior, likelihood=BernoulliLikelihood()))
    drawn = vae.infer(params, jax.random.key(2), images(), 2000)
    assert drawn.kl_units[0] is None
    assert drawn.kl_units[1].shape == (4, 4)
    np.testing.assert_allclose(np.sum(drawn.kl_units[1], axis=1), drawn.kl_levels["z1"], rtol=1e-4)
    np.testing.assert_allclose(np.mean(drawn.log_posterior - drawn.log_prior, axis=0), drawn.kl, rtol=0.1)
    log_top = vae.prior(params).top.log_prob(drawn.z[0])
    np.testing.assert_allclose(drawn.log_prior, log_top + vae.prior(params).parts[1].log_prob(drawn.z[1]), rtol=1e-4)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (
            {"blocks": (1,) * 6, "channels": (4,) * 6},
            "model.blocks is (1, 1, 1, 1, 1, 1), but must be at most 5 levels",
        ),
        ({"channels": (4, 4)}, "model.channels is (4, 4), but must be one number for each of the 4 levels"),
        (
            {"blocks": (3, 3, 2, 2)},
            "model.blocks is (3, 3, 2, 2), but must be one number for each level, 1 for the coarsest",
        ),
        ({"channels": ()}, "model.channels is (), but must be one number for each of the 4 levels"),
        ({"latent": ()}, "model.latent is (), but must be one number for each of the 4 levels"),
        ({"encoder_blocks": ()}, "model.encoder_blocks is (), but must be one number for each of the 4 levels"),
        ({"blocks": (1, 0, 1, 1)}, "model.blocks is (1, 0, 1, 1), but must be numbers of at least 1"),
    ],
)
def test_levels_that_do_not_fit_are_refused(fields, told):
    with pytest.raises(UserError) as caught:
        TopDown(stem=(), **fields).build((9, 16, 3))
    assert told in str(caught.value)


@pytest.mark.parametrize("objective", [IWAE(samples=2), Adversarial()], ids=lambda each: each.kind)
def test_every_bound_names_the_kl_of_each_level(objective):
    vae, params = built(SMALL_HVAE)
    built_objective = objective.build(4)
    metrics = built_objective.metrics(built_objective.terms(vae, params, jax.random.key(0), images()))
    levels = metrics["kl_nats/z2"] + metrics["kl_nats/z1"]
    np.testing.assert_allclose(levels, metrics["kl_nats"], rtol=1e-5)
