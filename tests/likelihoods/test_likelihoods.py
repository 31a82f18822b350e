import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import flat_model, tiny_config

from jaxvae import (
    Config,
    Conv,
    DataConfig,
    DiscretizedLogisticLikelihood,
    LaplaceLikelihood,
    ModelConfig,
    NormalLikelihood,
)
from jaxvae.data.pixels import to_float
from jaxvae.errors import UserError
from jaxvae.likelihoods import StoredBits
from jaxvae.models import build
from jaxvae.objectives.metrics import bits_per_dim
from jaxvae.training import loop

DENSITIES = ("normal", "laplace")
KINDS = {
    **{f"{name}-{scale}": {"likelihood": name, "scale": scale}
       for name in DENSITIES for scale in ("shared", "per_pixel", "fixed")},
    **{name: {"likelihood": name} for name in
       ("bernoulli", "continuous_bernoulli", "discretized_logistic", "discretized_logistic_mixture")},
}  # fmt: skip
BYTES = jnp.asarray(np.random.default_rng(0).integers(256, size=(2, 4, 5, 3)), jnp.uint8)


def model(kind: str, **more) -> ModelConfig:
    return flat_model(network="mlp", hidden=(8,), latent=3, logistics=2, **KINDS[kind], **more)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("colors", [1, 3])
def test_every_likelihood_has_log_prob_mean_sample_and_finite_gradients(kind, colors):
    vae = build(model(kind), (4, 5, colors))
    params = vae.init(jax.random.key(0))
    x = to_float(jax.random.key(1), BYTES[..., :colors], "scaled")
    z = jnp.ones((2, 3))
    likelihood = jax.jit(vae.decode)(params, z)
    assert likelihood.mean.shape == x.shape
    assert jax.jit(likelihood.sample)(jax.random.key(2)).shape == x.shape

    def total(params):
        values = vae.decode(params, z).log_prob(x)
        assert values.shape == (2,)
        return values.sum()

    gradients = jax.jit(jax.grad(total))(params)
    for path, leaf in jax.tree.leaves_with_path(gradients["decoder"] | gradients["likelihood"]):
        assert np.isfinite(leaf).all(), jax.tree_util.keystr(path)


@pytest.mark.parametrize("kind", KINDS)
def test_extreme_outputs_of_the_decoder_stay_finite(kind):
    likelihood = model(kind).likelihood.build(3)
    x = to_float(jax.random.key(1), BYTES, "scaled")
    value_and_grad = jax.jit(
        jax.value_and_grad(lambda each: likelihood.distribution(likelihood.params, each).log_prob(x).sum())
    )
    for size in (-1e3, 1e3):
        output = jnp.full((2, 4, 5, likelihood.outputs), size)
        value, gradient = value_and_grad(output)
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("kind", KINDS)
def test_log_prob_is_float32_when_the_networks_compute_in_bfloat16(kind):
    x = to_float(jax.random.key(1), BYTES, "scaled")
    z = jnp.ones((2, 3))
    values = []
    for dtype in ("float32", "bfloat16"):
        vae = build(model(kind, dtype=dtype), (4, 5, 3))
        log_prob = jax.jit(lambda params, vae=vae: vae.decode(params, z).log_prob(x))
        values.append(log_prob(vae.init(jax.random.key(0))))
    assert values[1].dtype == jnp.float32
    np.testing.assert_allclose(values[0], values[1], rtol=0.05, atol=2.0)


def test_a_fixed_scale_is_the_given_one():
    normal = NormalLikelihood(scale=0.25).build(3)
    distribution = normal.distribution({}, jnp.zeros((1, 1, 1, 3)))
    np.testing.assert_allclose(jnp.exp(distribution.log_variance), 0.0625, rtol=1e-5)
    laplace = LaplaceLikelihood(scale=0.25).build(3)
    np.testing.assert_allclose(jnp.exp(laplace.distribution({}, jnp.zeros((1, 1, 1, 3))).log_scale), 0.25, rtol=1e-5)


def test_a_scale_per_pixel_follows_the_decoder():
    normal = NormalLikelihood(scale="per_pixel").build(1)
    output = jnp.asarray([0.3, 1.0, 0.3, -1.0]).reshape(1, 1, 2, 2)
    distribution = normal.distribution({}, output)
    np.testing.assert_allclose(distribution.mean.ravel(), [0.3, 0.3], rtol=1e-6)
    np.testing.assert_allclose(distribution.log_variance.ravel(), [-3.0, -5.0], atol=0.02)


@pytest.mark.parametrize(
    ("likelihood", "pixels", "bits"),
    [
        ("normal", "dequantized", StoredBits(8, 8)),
        ("normal", "scaled", None),
        ("bernoulli", "binarized", StoredBits(1, 0)),
        ("bernoulli", "scaled", None),
        ("discretized_logistic", "scaled", StoredBits(8, 0)),
        ("discretized_logistic_mixture", "scaled", StoredBits(8, 0)),
    ],
)
def test_bits_are_known_only_where_log_p_is_a_probability(likelihood, pixels, bits):
    config = Config(model=Conv(likelihood=likelihood), data=DataConfig(pixels=pixels))
    assert config.model.likelihood.stored_bits(config.data.pixels) == bits


def test_a_broad_logistic_and_a_broad_dequantised_gaussian_cost_about_the_same_bits():
    # Two ways to 8 bits per dimension: a nearly flat density, and nearly equal probabilities.
    logistic = DiscretizedLogisticLikelihood().build(3)
    flat = logistic.distribution({}, jnp.zeros((2, 4, 5, 6)).at[..., 3:].set(1.0))
    probability = bits_per_dim(flat.log_prob(to_float(jax.random.key(0), BYTES, "scaled")), StoredBits(8, 0), 60)
    normal = NormalLikelihood(scale=0.35).build(3)
    dequantized = to_float(jax.random.key(0), BYTES, "dequantized")
    density = normal.distribution({}, jnp.full((2, 4, 5, 3), 0.5)).log_prob(dequantized)
    for bits in (probability, bits_per_dim(density, StoredBits(8, 8), 60)):
        assert ((bits > 7.9) & (bits < 9.5)).all()


@pytest.mark.parametrize(
    ("likelihood", "pixels"),
    [("normal", "binarized"), ("laplace", "binarized"), ("bernoulli", "dequantized"),
     ("discretized_logistic", "dequantized"), ("discretized_logistic_mixture", "binarized")],
)  # fmt: skip
def test_a_likelihood_that_does_not_fit_the_pixels_is_refused(likelihood, pixels):
    with pytest.raises(
        UserError, match=f"data.pixels is '{pixels}', but must be .* model.likelihood is '{likelihood}'"
    ):
        Config(model=Conv(likelihood=likelihood), data=DataConfig(pixels=pixels))


@pytest.mark.slow
@pytest.mark.parametrize("likelihood", ["discretized_logistic_mixture", "continuous_bernoulli"])
def test_training_with_other_likelihoods_produces_images(disc_set, tmp_path, likelihood):
    base = tiny_config()
    config = tiny_config(
        model=flat_model(network="mlp", hidden=(16,), latent=3, likelihood=likelihood, logistics=2),
        data=dataclasses.replace(base.data, pixels="scaled"),
        train=dataclasses.replace(base.train, steps=12, validate_every=6),
    )
    assert all(path.exists() for path in loop.train(config, disc_set, tmp_path / "run"))
