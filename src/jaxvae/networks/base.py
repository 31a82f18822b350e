"""An encoder and a decoder as pure functions."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array
from jaxtyping import Float

from jaxvae.annotations import ArrayLike, PRNGKey
from jaxvae.annotations import Params as Params


class Networks(NamedTuple):
    """An encoder and a decoder.

    Attributes:
        init: (encoder key, decoder key) -> params.
        encode: (params, x [b, h, w, c]) -> mean and log-variance of q(z|x), [b, *latent_shape] each.
        decode: (params, z) -> the decoder's output [b, h, w, o].
        latent_shape: the shape of one code: (d,), or (h, w, channels) for a spatial one.
    """

    init: Callable[[Array, Array], Params]
    encode: Callable[[Params, Float[ArrayLike, "b h w c"]], tuple[Float[Array, "b *d"], Float[Array, "b *d"]]]
    decode: Callable[[Params, Float[Array, "b *d"]], Float[Array, "b h w o"]]
    latent_shape: tuple[int, ...]


class Told(NamedTuple):
    """What networks are told of the attributes of an image.

    Attributes:
        attributes: their number.
        values: number of values that each can have.
        in_encoder: whether the encoder is told them, and not the decoder alone.
    """

    attributes: int
    values: int
    in_encoder: bool


def map_shape(shape: tuple[int, int, int], stride: int, channels: int) -> tuple[int, int, int]:
    """Returns the shape of a code that is a map of images of this shape; the last position may reach beyond them."""
    return -(-shape[0] // stride), -(-shape[1] // stride), channels


def flax_networks(
    encoder: nn.Module, decoder: nn.Module, shape: tuple[int, int, int], latent_shape: tuple[int, ...]
) -> Networks:
    """Returns two Linen modules as pure functions on parameters {"encoder": ..., "decoder": ...}.

    Args:
        encoder: images [b, h, w, c] -> (mean, log-variance), float32.
        decoder: codes [b, *latent_shape] -> output [b, h, w, o], float32.
        shape: height, width and channels of the images.
        latent_shape: shape of one code.
    """

    @jax.jit  # Compiled as a whole: layer by layer there are a hundred small programs to compile.
    def init(encoder_key: PRNGKey, decoder_key: PRNGKey) -> Params:
        return {
            "encoder": encoder.init(encoder_key, jnp.zeros((1, *shape)))["params"],
            "decoder": decoder.init(decoder_key, jnp.zeros((1, *latent_shape)))["params"],
        }

    def encode(params: Params, x: Float[ArrayLike, "b h w c"]) -> tuple[Float[Array, "b *d"], Float[Array, "b *d"]]:
        heads: Any = encoder.apply({"params": params["encoder"]}, x)
        mean, log_variance = heads
        return mean, log_variance

    def decode(params: Params, z: Float[Array, "b *d"]) -> Float[Array, "b h w o"]:
        output: Any = decoder.apply({"params": params["decoder"]}, z)
        return output

    return Networks(init, encode, decode, latent_shape)
