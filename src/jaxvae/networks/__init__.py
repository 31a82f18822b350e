"""The encoder and the decoder as pure functions: the only place that knows flax."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxvae.config import ModelConfig
from jaxvae.networks.conv import ConvDecoder, ConvEncoder, sizes
from jaxvae.networks.mlp import MLPDecoder, MLPEncoder

Params = dict[str, Any]


class Networks(NamedTuple):
    """Pure functions; `encode` returns the mean and the log-variance of q(z|x), `decode` the output [b, h, w, o].

    `latent_shape` is the shape of one code: (d,), or (h, w, channels) for a spatial one.
    """

    init: Callable[[Array, Array], Params]
    encode: Callable[[Params, Array], tuple[Array, Array]]
    decode: Callable[[Params, Array], Array]
    latent_shape: tuple[int, ...]


def build_networks(config: ModelConfig, shape: tuple[int, int, int], outputs: int) -> Networks:
    """The networks for pictures of this height, width and number of channels, with `outputs` numbers out per pixel."""
    out_shape = (shape[0], shape[1], outputs)
    dtype = jnp.dtype(config.dtype)
    latent_shape: tuple[int, ...] = (config.latent,)
    if config.network == "mlp":
        encoder: Any = MLPEncoder(config.hidden, config.activation, config.latent, config.log_variance_range, dtype)
        decoder: Any = MLPDecoder(out_shape, config.hidden, config.activation, dtype)
    else:
        spatial = config.latent_kind == "spatial"
        if spatial:
            latent_shape = (*sizes(shape[0], shape[1], len(config.channels))[-1], config.latent)
        encoder = ConvEncoder(config.channels, config.latent, spatial, config.log_variance_range, config.down, dtype)
        decoder = ConvDecoder(out_shape, config.channels, spatial, config.up, dtype)

    @jax.jit  # Compiled as a whole: layer by layer there are a hundred small programs to compile.
    def init(encoder_key: Array, decoder_key: Array) -> Params:
        return {
            "encoder": encoder.init(encoder_key, jnp.zeros((1, *shape)))["params"],
            "decoder": decoder.init(decoder_key, jnp.zeros((1, *latent_shape)))["params"],
        }

    def encode(params: Params, x: Array) -> tuple[Array, Array]:
        mean, log_variance = encoder.apply({"params": params["encoder"]}, x)
        return mean, log_variance

    def decode(params: Params, z: Array) -> Array:
        output: Array = decoder.apply({"params": params["decoder"]}, z)
        return output

    return Networks(init, encode, decode, latent_shape)
