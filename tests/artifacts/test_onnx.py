"""ONNX files compute what the models do: operation by operation, and family by family."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import tiny_config
from jax import lax

from jaxvae import (
    HVAE,
    MLP,
    ContinuousBernoulliLikelihood,
    Conv,
    DataConfig,
    KLAutoencoder,
    TinyAutoencoder,
    TopDown,
    UserError,
    build,
)

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from jaxvae.artifacts import onnx_check
from jaxvae.artifacts.folder import onnx_bytes
from jaxvae.artifacts.onnx_check import onnx_error
from jaxvae.artifacts.parts import Part, Port, parts_of
from jaxvae.keys import key_shape
from jaxvae.likelihoods import DiscretizedLogisticMixtureLikelihood
from jaxvae.networks.strided_convolution import conv_transpose, convolve
from jaxvae.priors.fitted import Fitted
from jaxvae.runs.run import Info, Loaded
from jaxvae.vae import code_shape

RANDOM = np.random.default_rng(0)


def numbers(*shape):
    return RANDOM.normal(size=shape).astype(np.float32)


KERNEL, MATRIX, MAP = numbers(4, 4, 3, 5), numbers(3, 7), numbers(6, 5, 3)
LAYOUT = ("NHWC", "HWIO", "NHWC")


def summed(x):
    def step(total, row):
        return total + row, total * row

    total, products = lax.scan(step, jnp.zeros((x.shape[0], 3)), jnp.moveaxis(x[:, :, 0], 1, 0), reverse=True)
    return total + jnp.moveaxis(products, 0, 1).sum(axis=1)


# Functions of x [b, 6, 5, 3].
FUNCTIONS = {
    "arithmetic": lambda x: (
        (x * 2 - 1) / (jnp.abs(x) + 0.5) + x**2 + x**3 - jnp.maximum(x, 0) + jnp.minimum(x, MAP[None])
    ),
    "functions": lambda x: jnp.exp(x) + jnp.log1p(x**2) + jnp.tanh(x) + lax.rsqrt(x**2 + 1) + jnp.expm1(x) + lax.erf(x),
    "more functions": lambda x: (
        jnp.sqrt(jnp.abs(x)) + jnp.sign(x) + jnp.floor(x) + lax.exp2(x) + lax.erfc(x) + jnp.cos(x)
    ),
    "choices": lambda x: jnp.where((x > 0.2) | (x <= -0.3), x, jnp.where(x != x, 1.0, -x)) + jnp.clip(x, -0.5, 0.5),
    "softmax": lambda x: jax.nn.softmax(x, axis=2) + jax.nn.softplus(x) + jax.nn.logsumexp(x, axis=1, keepdims=True),
    "normalisation": lambda x: (x - x.mean((1, 2), keepdims=True)) / jnp.std(x, axis=(1, 2), keepdims=True),
    "cuts": lambda x: jnp.concatenate([x[:, 1:4], x[:, ::-1][:, :2], x[:, 0::2][:, :, 2:3].repeat(5, 2)], axis=1),
    "one column": lambda x: x[:, :, 2] * x[..., 0, :1] + x[:, -1, None, 0],
    "padding": lambda x: jnp.pad(x, ((0, 0), (1, 0), (0, 2), (0, 0)), constant_values=0.5)[:, :, 1:],
    "shapes": lambda x: (
        jnp.transpose(x.reshape(x.shape[0], 3, 2, -1), (0, 2, 3, 1)) + jnp.arange(3.0)[None, None, None]
    ),
    "merged batch": lambda x: (x.reshape(-1, 3) @ MATRIX).reshape(x.shape[0], -1),
    "stacks": lambda x: jnp.stack(jnp.split(x, (1, 2), axis=-1), axis=1),
    "products": lambda x: jnp.einsum("bhwc,bvwc->bhv", x, x) + jnp.einsum("bhwc,co->bho", x, MATRIX)[..., :1],
    "batched product": lambda x: jnp.einsum("bhwc,bhwd->bwcd", x, x),
    "transposed factor": lambda x: lax.dot_general(x, MATRIX.T, (((3,), (1,)), ((), ()))),
    "equal for all": lambda x: jnp.broadcast_to(MAP[None], (x.shape[0], 6, 5, 3)).reshape(x.shape[0], -1),
    "zeros": lambda x: jnp.concatenate([x, jnp.zeros((x.shape[0], 6, 1, 3))], axis=2) + jnp.ones((x.shape[0], 1, 1, 1)),
    "convolution": lambda x: lax.conv_general_dilated(x, KERNEL, (2, 1), ((1, 2), (0, 3)), dimension_numbers=LAYOUT),
    "dilated": lambda x: lax.conv_general_dilated(
        x, KERNEL, (1, 1), ((2, 3), (4, 2)), rhs_dilation=(2, 1), dimension_numbers=LAYOUT
    ),
    "depthwise": lambda x: lax.conv_general_dilated(
        x, KERNEL[:, :, :1, :3], (1, 1), "SAME", dimension_numbers=LAYOUT, feature_group_count=3
    ),
    "transposed": lambda x: lax.conv_general_dilated(
        x, KERNEL, (1, 1), ((2, 3), (1, 0)), lhs_dilation=(2, 3), dimension_numbers=LAYOUT
    ),
    "halved": lambda x: convolve(x, KERNEL),
    "doubled": lambda x: conv_transpose(x, KERNEL.swapaxes(2, 3)),
    "largest": lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 3, 1), (1, 2, 2, 1), "SAME"),
    "sums": lambda x: lax.reduce_window(x, 0.0, lax.add, (1, 2, 2, 1), (1, 1, 2, 1), "SAME"),
    "loop": summed,
    "placed": lambda x: lax.dynamic_update_slice(x, x[:, :2, :2] + 1.0, (0, 3, 9, 0)),
    "recomputed": lambda x: jax.checkpoint(lambda y: jax.nn.silu(y) * y)(x),
}


def part_of(function, *shape):
    out = jax.eval_shape(function, jax.ShapeDtypeStruct((1, *shape), jnp.float32)).shape[1:]
    return Part("decoder", lambda x: {"y": function(x)}, (Port("x", shape, ""),), (Port("y", out, ""),))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_operation_in_onnx_equals_that_of_jax(name):
    part = part_of(FUNCTIONS[name], 6, 5, 3)
    assert onnx_error(onnx_bytes(part, "mine"), part, numbers(3, 6, 5, 3)) < 1e-5


FAMILIES = {
    "mlp": MLP(hidden=(8,), latent=3, activation="gated"),
    "conv": Conv(latent=4, channels=(8, 12)),
    "conv with pooling": Conv(latent=2, channels=(4,), down="avg_pool", up="unpool", latent_kind="spatial"),
    "kl_autoencoder": KLAutoencoder(channels=(2,), groups=2, latent=2),
    "tiles": TinyAutoencoder(
        latent=2, encoder_channels=2, decoder_channels=2, encoder_blocks=(0, 0), decoder_blocks=(0, 0), tile=4
    ),
    "tiny_autoencoder": TinyAutoencoder(
        latent=2, encoder_channels=4, decoder_channels=4, encoder_blocks=(1, 1), decoder_blocks=(1, 0), middle_pool=True
    ),
    "hvae": HVAE(hidden=8, latent=(3, 4)),
    "top_down": TopDown(stem=(), channels=(4, 4), blocks=(2, 1), encoder_blocks=(1, 0), middle=2, latent=1),
    "continuous_bernoulli": MLP(hidden=(4,), latent=3, likelihood=ContinuousBernoulliLikelihood()),
    "mixture of logistics": MLP(hidden=(4,), latent=3, likelihood=DiscretizedLogisticMixtureLikelihood(components=2)),
}  # fmt: skip


def loaded(model, pixels):
    """As if it had been trained: none of the parameters is 0, which would hide what is wrong."""
    vae = build(model, (7, 6, 3))
    params = jax.tree.map(lambda leaf: 0.4 * numbers(*leaf.shape), jax.eval_shape(vae.init, key_shape()))
    config = tiny_config(model=model, data=DataConfig(pixels=pixels))
    return Loaded(vae, params, Info(Path("made"), 0, config, {"shape": [7, 6, 3]}, {}, "last", Fitted()))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_in_onnx_equals_the_model(name):
    run = loaded(FAMILIES[name], "scaled" if name == "mixture of logistics" else "dequantized")
    encoder, decoder = parts_of(run)
    codes = [numbers(3, *leaf.shape) for leaf in jax.tree.leaves(code_shape(run.vae, run.params))]
    assert onnx_error(onnx_bytes(encoder, name), encoder, RANDOM.random((3, 7, 6, 3), np.float32)) < 1e-5
    assert onnx_error(onnx_bytes(decoder, name), decoder, *codes) < 1e-5


REFUSED = {
    "sort": (lambda x: jnp.sort(x, axis=1), "the operation 'sort'"),
    "over the batch": (lambda x: x - x.mean(axis=0, keepdims=True), "a reduction over the batch"),
    "positions": (lambda x: x * jnp.argmax(x, axis=1, keepdims=True), "the operation 'argmax'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_onnx_form_is_refused_in_a_sentence(name):
    function, why = REFUSED[name]
    with pytest.raises(UserError, match=f"the decoder of a model of kind 'mine' has no ONNX form: it contains .*{why}"):
        onnx_bytes(part_of(function, 6, 5, 3), "mine")


def test_a_file_that_differs_from_the_model_is_refused(monkeypatch):
    part = part_of(jnp.tanh, 2)
    content = onnx_bytes(part, "mine")
    with pytest.raises(UserError, match=r"the ONNX form of the decoder differs from the model by .*; nothing was"):
        onnx_error(content, part_of(jnp.sin, 2), numbers(3, 2))
    monkeypatch.setattr(onnx_check, "TOLERANCE", 0.0)
    with pytest.raises(UserError, match="more than 0"):
        onnx_error(onnx_bytes(part_of(jax.nn.softplus, 9), "mine"), part_of(jax.nn.softplus, 9), numbers(3, 9))
