"""The tiny autoencoder of latent diffusion: 3x3 convolutions and rectifiers that imitate a larger model's codes.

Modules are named after the tensors of the files that such models are exchanged in, where layers are numbered as they
run: `encoder.layers.3.conv.0` is `encoder/layers_3/conv_0`. Activations and upsamplings have numbers but no tensors.

References:
    https://github.com/madebyollin/taesd, and the class AutoencoderTiny of diffusers.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

import jax.numpy as jnp
from flax import linen as nn
from jax import Array
from jax.typing import DTypeLike
from jaxtyping import Float

from jaxvae.annotations import ArrayLike
from jaxvae.networks.base import Networks, flax_networks, map_shape
from jaxvae.networks.layers import kernel_init, pad_to_multiple

# Of q(z|x), which the architecture does not predict: a standard deviation of 0.0025 where codes have about 1.
LOG_VARIANCE = -12.0
CODE_BOUND = 3.0  # Codes are squashed to (-3, 3) before they are decoded.
POOL_GROUPS, POOL_EPSILON, POOL_EXPANSION = 4, 1e-5, 4


def convolution(channels: int, name: str, dtype: DTypeLike, stride: int = 1, bias: bool = True) -> nn.Conv:
    """Returns a 3x3 convolution that pads every side by one pixel, also where it halves the image."""
    padding = ((1, 1), (1, 1))
    return nn.Conv(
        channels, (3, 3), stride, padding, use_bias=bias, dtype=dtype, kernel_init=kernel_init, name=name
    )  # fmt: skip


class Block(nn.Module):
    """Three convolutions added to their input, then a rectifier.

    With `pool`, the input first gets a branch whose normalisation looks at the whole image.
    """

    channels: int
    pool: bool
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        if self.pool:
            wide, dtype = POOL_EXPANSION * self.channels, self.dtype
            y = nn.Conv(wide, (1, 1), use_bias=False, dtype=dtype, name="pool_0")(x)
            y = nn.GroupNorm(
                POOL_GROUPS, epsilon=POOL_EPSILON, use_fast_variance=False, dtype=dtype, name="pool_1"
            )(y)  # fmt: skip
            x = x + nn.Conv(self.channels, (1, 1), use_bias=False, dtype=dtype, name="pool_3")(nn.relu(y))
        y = nn.relu(convolution(self.channels, "conv_0", self.dtype)(x))
        y = nn.relu(convolution(self.channels, "conv_2", self.dtype)(y))
        return nn.relu(x + convolution(self.channels, "conv_4", self.dtype)(y))


class TinyEncoder(nn.Module):
    """The encoder: images in [0, 1] to codes [h, w, latent], as the mean and a fixed log-variance of q(z|x)."""

    channels: int
    blocks: tuple[int, ...]
    latent: int
    pool: bool
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Float[ArrayLike, "b h w c"]) -> tuple[Float[Array, "b *d"], Float[Array, "b *d"]]:
        numbers, last, dtype = count(), len(self.blocks) - 1, self.dtype
        x = pad_to_multiple(jnp.asarray(x, dtype), 2**last)
        for level, blocks in enumerate(self.blocks):
            first = level == 0
            x = convolution(self.channels, f"layers_{next(numbers)}", dtype, 1 if first else 2, bias=first)(x)
            for _ in range(blocks):
                pool = self.pool and level == last
                x = Block(self.channels, pool, dtype, name=f"layers_{next(numbers)}")(x)
        mean = convolution(self.latent, f"layers_{next(numbers)}", dtype)(x).astype(jnp.float32)
        return mean, jnp.full_like(mean, LOG_VARIANCE)


class TinyDecoder(nn.Module):
    """The decoder: codes to an output of this `shape` in units of the pixel range [0, 1]."""

    shape: tuple[int, int, int]
    channels: int
    blocks: tuple[int, ...]
    pool: bool
    dtype: DTypeLike

    @nn.compact
    def __call__(self, z: Float[Array, "b *d"]) -> Float[Array, "b {self.shape[0]} {self.shape[1]} {self.shape[2]}"]:
        height, width, outputs = self.shape
        numbers, last, dtype = count(), len(self.blocks) - 1, self.dtype
        x = (CODE_BOUND * jnp.tanh(z / CODE_BOUND)).astype(dtype)
        x = nn.relu(convolution(self.channels, f"layers_{next(numbers)}", dtype)(x))
        next(numbers)  # The rectifier's.
        for level, blocks in enumerate(self.blocks):
            for _ in range(blocks):
                pool = self.pool and level == 0
                x = Block(self.channels, pool, dtype, name=f"layers_{next(numbers)}")(x)
            if level < last:
                x = jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)
                next(numbers)  # The upsampling's.
                x = convolution(self.channels, f"layers_{next(numbers)}", dtype, bias=False)(x)
        x = convolution(outputs, f"layers_{next(numbers)}", dtype)(x)
        return x[:, :height, :width].astype(jnp.float32)


def tiny_networks(
    shape: tuple[int, int, int],
    outputs: int,
    *,
    encoder_channels: int,
    decoder_channels: int,
    encoder_blocks: Sequence[int],
    decoder_blocks: Sequence[int],
    latent: int,
    pool: bool,
    dtype: str,
) -> Networks:
    """Returns the encoder and decoder.

    Args:
        shape: height, width and channels of the images. Sides that the total stride does not divide are padded with
            their last pixels before encoding, and cut off after decoding.
        outputs: numbers per pixel that the decoder yields.
        encoder_channels: of every layer of the encoder.
        decoder_channels: of every layer of the decoder.
        encoder_blocks: residual blocks at each resolution, finest first; between two of them the image is halved.
        decoder_blocks: the same for the decoder, coarsest first.
        latent: channels of the code.
        pool: whether the blocks at the coarsest resolution have the branch that looks at the whole image.
        dtype: what the networks compute in; codes and the output of the decoder are float32.
    """
    kind, stride = jnp.dtype(dtype), 2 ** (len(encoder_blocks) - 1)
    latent_shape = map_shape(shape, stride, latent)
    encoder = TinyEncoder(encoder_channels, tuple(encoder_blocks), latent, pool, kind)
    decoder = TinyDecoder((shape[0], shape[1], outputs), decoder_channels, tuple(decoder_blocks), pool, kind)
    return flax_networks(encoder, decoder, shape, latent_shape)
