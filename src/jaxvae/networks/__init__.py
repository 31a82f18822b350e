"""The encoder and the decoder as pure functions. This package is the only one that uses flax."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxvae.config import ModelConfig
from jaxvae.distributions.base import PRNGKey
from jaxvae.networks.conv import ConvDecoder, ConvEncoder, level_sizes
from jaxvae.networks.mlp import MLPDecoder, MLPEncoder

Params = dict[str, Any]


class Networks(NamedTuple):
    """The functions of one architecture.

    `init: (encoder key, decoder key) -> params`; `encode: (params, x) -> mean and log-variance of q(z|x)`;
    `decode: (params, z) -> output`, o numbers per pixel. `latent_shape` is the shape of one code: (d,), or
    (h, w, channels) for a spatial one.
    """

    init: Callable[[PRNGKey, PRNGKey], Params]
    encode: Callable[[Params, Float[Array, "b h w c"]], tuple[Float[Array, "b *d"], Float[Array, "b *d"]]]
    decode: Callable[[Params, Float[Array, "b *d"]], Float[Array, "b h w o"]]
    latent_shape: tuple[int, ...]


def build_networks(config: ModelConfig, shape: tuple[int, int, int], outputs: int) -> Networks:
    """Builds the networks that the config describes.

    Args:
        config: Architecture, sizes and dtype.
        shape: Height, width and channels of the images.
        outputs: Numbers per pixel that the decoder returns, the parameters of the likelihood.
    """
    out_shape = (shape[0], shape[1], outputs)
    dtype = jnp.dtype(config.dtype)
    latent_shape: tuple[int, ...] = (config.latent,)
    if config.network == "mlp":
        encoder: Any = MLPEncoder(config.hidden, config.activation, config.latent, config.log_variance_range, dtype)
        decoder: Any = MLPDecoder(out_shape, config.hidden, config.activation, dtype)
    else:
        spatial = config.latent_kind == "spatial"
        if spatial:
            latent_shape = (*level_sizes(shape[0], shape[1], len(config.channels))[-1], config.latent)
        encoder = ConvEncoder(config.channels, config.latent, spatial, config.log_variance_range, config.down, dtype)
        decoder = ConvDecoder(out_shape, config.channels, spatial, config.up, dtype)

    @jax.jit  # Compiled as a whole: layer by layer there are a hundred small programs to compile.
    def init(encoder_key: PRNGKey, decoder_key: PRNGKey) -> Params:
        return {
            "encoder": encoder.init(encoder_key, jnp.zeros((1, *shape)))["params"],
            "decoder": decoder.init(decoder_key, jnp.zeros((1, *latent_shape)))["params"],
        }

    def encode(params: Params, x: Float[Array, "b h w c"]) -> tuple[Float[Array, "b *d"], Float[Array, "b *d"]]:
        mean, log_variance = encoder.apply({"params": params["encoder"]}, x)
        return mean, log_variance

    def decode(params: Params, z: Float[Array, "b *d"]) -> Float[Array, "b h w o"]:
        output: Array = decoder.apply({"params": params["decoder"]}, z)
        return output

    return Networks(init, encode, decode, latent_shape)
