from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import flat_model

from jaxvae import MLP, Conv
from jaxvae.networks.dense import product
from jaxvae.networks.layers import soft_clip
from jaxvae.networks.mlp import Hidden

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("over", ["one", "many"])
def test_a_dense_product_has_the_gradients_of_a_matrix_product(over):
    x, kernel, cotangent = (RANDOM.normal(size=shape).astype(np.float32) for shape in ((3, 5, 4), (4, 7), (3, 5, 7)))
    if over == "one":
        x, cotangent = x[0], cotangent[0]

    def pulled_back(function):
        way = function if over == "one" else jax.vmap(function, (0, None))
        value, pull = jax.vjp(way, x, kernel)
        return value, *pull(cotangent)

    for ours, plain in zip(pulled_back(product), pulled_back(jnp.matmul), strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-5, atol=1e-6)


def test_soft_clip_is_nearly_the_identity_inside_and_flat_outside():
    low, high = Conv().log_variance_range
    inside = jnp.linspace(-6.0, 0.0, 5)
    np.testing.assert_allclose(soft_clip(inside, low, high), inside, atol=0.02)
    assert float(soft_clip(jnp.asarray(-1e4), low, high)) >= low
    assert float(soft_clip(jnp.asarray(1e4), low, high)) <= high
    slope = jax.grad(soft_clip)(jnp.asarray(high + 1.0), low, high)
    assert 0.0 < float(slope) < 0.5


MODELS = {
    "mlp": MLP(hidden=(7, 5), latent=3),
    "mlp-tanh": MLP(hidden=(7, 5), latent=3, activation="tanh"),
    "mlp-gated": MLP(hidden=(7, 5), latent=3, activation="gated"),
    "stride-deconv": Conv(channels=(4, 6), latent=3),
    "max_pool-unpool": Conv(channels=(4, 6), latent=3, down="max_pool", up="unpool"),
    "avg_pool-deconv": Conv(channels=(4, 6), latent=3, down="avg_pool", up="deconv"),
    "spatial": Conv(channels=(4, 6), latent=3, latent_kind="spatial"),
    "spatial-pool": Conv(channels=(4, 6), latent=3, latent_kind="spatial", down="max_pool", up="unpool"),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("shape", [(8, 8, 3), (7, 10, 1), (1, 1, 3), (13, 5, 2)])
def test_every_network_accepts_every_size(name, shape):
    networks = MODELS[name].networks(shape, shape[2])
    params = jax.eval_shape(networks.init, *jax.random.split(jax.random.key(0)))
    x = jax.ShapeDtypeStruct((2, *shape), jnp.float32)
    mean, log_variance = jax.eval_shape(networks.encode, params, x)
    assert mean.shape == log_variance.shape == (2, *networks.latent_shape)
    assert jax.eval_shape(networks.decode, params, mean).shape == x.shape


def test_a_spatial_code_keeps_a_map_at_the_coarsest_size():
    assert MODELS["spatial"].networks((13, 6, 3), 3).latent_shape == (4, 2, 3)


@pytest.mark.parametrize("name", MODELS)
def test_jit_equals_eager_and_every_parameter_has_a_gradient(name):
    networks = MODELS[name].networks((8, 8, 3), 3)
    params = jax.jit(networks.init)(*jax.random.split(jax.random.key(1)))
    x = jnp.asarray(RANDOM.uniform(size=(3, 8, 8, 3)), jnp.float32)

    def total(params):
        mean, log_variance = networks.encode(params, x)
        return jnp.sum(jnp.square(networks.decode(params, mean + jnp.exp(log_variance))))

    jitted, gradients = jax.jit(jax.value_and_grad(total))(params)
    np.testing.assert_allclose(jitted, total(params), rtol=1e-5)
    for path, gradient in jax.tree.leaves_with_path(gradients):
        assert np.abs(gradient).max() > 0, jax.tree_util.keystr(path)


@pytest.mark.parametrize("name", ["mlp", "mlp-gated", "stride-deconv", "max_pool-unpool"])
def test_bfloat16_computes_close_to_float32_with_float32_parameters_and_results(name):
    x = jnp.asarray(RANDOM.uniform(size=(3, 8, 8, 3)), jnp.float32)
    results = []
    for dtype in ("float32", "bfloat16"):
        config = replace(MODELS[name], dtype=dtype)
        networks = config.networks((8, 8, 3), 3)
        params = jax.jit(networks.init)(*jax.random.split(jax.random.key(0)))
        assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype("float32")}
        mean, log_variance = jax.jit(networks.encode)(params, x)
        output = jax.jit(networks.decode)(params, mean)
        assert mean.dtype == log_variance.dtype == output.dtype == jnp.float32
        results.append(np.asarray(output))
    assert not np.array_equal(*results)
    np.testing.assert_allclose(*results, atol=0.05 * np.abs(results[0]).max())


def test_a_hidden_layer_by_hand():
    kernel, bias = np.float32([[1.0, -2.0, 0.5, 3.0], [0.0, 1.0, -1.0, 2.0]]), np.float32([0.1, 0.2, -0.3, 0.4])
    x = np.float32([[2.0, -1.0], [-0.5, 3.0]])
    dense = x @ kernel + bias
    gated = dense[:, :2] * (1.0 / (1.0 + np.exp(-dense[:, 2:])))
    expected = {"relu": np.where(dense > 0, dense, 0.0), "tanh": np.tanh(dense), "gated": gated}
    for activation, units in {"relu": 4, "tanh": 4, "gated": 2}.items():
        layer = Hidden(units, activation, jnp.float32)
        output = layer.apply({"params": {"Dense_0": {"kernel": kernel, "bias": bias}}}, x)
        np.testing.assert_allclose(output, expected[activation], rtol=1e-5)


@pytest.mark.parametrize("network", ["mlp", "conv"])
def test_the_log_variance_stays_within_the_bounds_of_the_config(network):
    config = flat_model(network=network, hidden=(5,), channels=(4,), latent=2, log_variance_range=(-9.0, 1.0))
    networks = config.networks((2, 2, 1), 1)
    params = jax.jit(networks.init)(*jax.random.split(jax.random.key(0)))
    _, log_variance = jax.jit(networks.encode)(params, 1e3 * RANDOM.normal(size=(50, 2, 2, 1)))
    assert float(log_variance.min()) == pytest.approx(-9.0, abs=1e-4)
    assert float(log_variance.max()) == pytest.approx(1.0, abs=1e-4)


def test_an_average_pool_at_an_odd_edge_averages_the_existing_pixels():
    networks = Conv(channels=(1,), latent=1, down="avg_pool").networks((3, 3, 1), 1)
    params = jax.jit(networks.init)(*jax.random.split(jax.random.key(0)))
    params["encoder"]["Down_0"]["Conv_0"] = {"kernel": jnp.zeros((3, 3, 1, 1)), "bias": jnp.ones(1)}
    params["encoder"]["Dense_0"] = {"kernel": jnp.ones((4, 2)), "bias": jnp.zeros(2)}
    mean, _ = jax.jit(networks.encode)(params, jnp.zeros((1, 3, 3, 1)))
    np.testing.assert_allclose(mean, [[4.0]])
