"""The autoencoder of latent diffusion: residual blocks down to a map of codes, and back up (Rombach et al. 2022).

Modules are named after the tensors of the files that such models are exchanged in, with `_` before a number where those
have a dot: `encoder.down_blocks.0.resnets.1.norm1` is `encoder/down_blocks_0/resnets_1/norm1`.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array
from jax.typing import DTypeLike
from jaxtyping import Float

from jaxvae.annotations import ArrayLike
from jaxvae.networks.base import Networks, flax_networks, map_shape
from jaxvae.networks.layers import pad_to_multiple

EPSILON = 1e-6  # Of every group normalisation, that of the attention included.
LOG_VARIANCE_RANGE = (-30.0, 20.0)


def normalize(groups: int, name: str, dtype: DTypeLike) -> nn.GroupNorm:
    """Returns a group normalisation. The variance is computed in two passes: E[x²] − E[x]² loses digits."""
    return nn.GroupNorm(groups, epsilon=EPSILON, use_fast_variance=False, dtype=dtype, name=name)


def convolution(channels: int, side: int, name: str, dtype: DTypeLike) -> nn.Conv:
    """Returns a convolution of stride 1 that keeps height and width."""
    return nn.Conv(channels, (side, side), dtype=dtype, name=name)


class Residual(nn.Module):
    """Two convolutions, each after a group normalisation and SiLU, added to the input."""

    channels: int
    groups: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b h w {self.channels}"]:
        y = nn.silu(normalize(self.groups, "norm1", self.dtype)(x))
        y = convolution(self.channels, 3, "conv1", self.dtype)(y)
        y = nn.silu(normalize(self.groups, "norm2", self.dtype)(y))
        y = convolution(self.channels, 3, "conv2", self.dtype)(y)
        if x.shape[-1] != self.channels:
            x = convolution(self.channels, 1, "conv_shortcut", self.dtype)(x)
        return x + y


class Attention(nn.Module):
    """Self-attention over all positions of a map, with one head as wide as the map has channels."""

    groups: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        batch, height, width, channels = x.shape
        rows = normalize(self.groups, "group_norm", self.dtype)(x).reshape(batch, height * width, channels)
        query, key, value = (nn.Dense(channels, dtype=self.dtype, name=name)(rows) for name in ("to_q", "to_k", "to_v"))
        # The softmax runs in float32 whatever the networks compute in: its sum is over thousands of positions.
        scores = jnp.einsum("bqc,bkc->bqk", query, key, preferred_element_type=jnp.float32) * channels**-0.5
        weights = jax.nn.softmax(scores, axis=-1).astype(self.dtype)
        rows = nn.Dense(channels, dtype=self.dtype, name="to_out_0")(jnp.einsum("bqk,bkc->bqc", weights, value))
        return x + rows.reshape(x.shape)


class Middle(nn.Module):
    """A residual block, an attention where there is one, and another residual block, at the coarsest resolution."""

    channels: int
    groups: int
    attention: bool
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        x = Residual(self.channels, self.groups, self.dtype, name="resnets_0")(x)
        if self.attention:
            x = Attention(self.groups, self.dtype, name="attentions_0")(x)
        return Residual(self.channels, self.groups, self.dtype, name="resnets_1")(x)


class Downsample(nn.Module):
    """The convolution that halves height and width. It pads to the right and at the bottom only."""

    channels: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h//2 w//2 c"]:
        return nn.Conv(self.channels, (3, 3), 2, ((0, 1), (0, 1)), dtype=self.dtype, name="conv")(x)


class Upsample(nn.Module):
    """The layer that repeats pixels to twice the height and width, and convolves."""

    channels: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b 2*h 2*w c"]:
        x = jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)
        return convolution(self.channels, 3, "conv", self.dtype)(x)


class Level(nn.Module):
    """Residual blocks at one resolution, then the way to the next one: "down", "up" or "" at the last."""

    channels: int
    blocks: int
    groups: int
    way: str
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b h2 w2 {self.channels}"]:
        for block in range(self.blocks):
            x = Residual(self.channels, self.groups, self.dtype, name=f"resnets_{block}")(x)
        if self.way == "down":
            return Downsample(self.channels, self.dtype, name="downsamplers_0")(x)
        if self.way == "up":
            return Upsample(self.channels, self.dtype, name="upsamplers_0")(x)
        return x


def contract(
    x: Float[ArrayLike, "b h w c"],
    channels: tuple[int, ...],
    blocks: int,
    groups: int,
    attention: bool,
    dtype: DTypeLike,
) -> Float[Array, "b h2 w2 {channels[-1]}"]:
    """Returns the features of images in [0, 1] before an encoder's last convolutions; the layers are its own."""
    last = len(channels) - 1
    x = pad_to_multiple(jnp.asarray(2.0 * x - 1.0, dtype), 2**last)
    x = convolution(channels[0], 3, "conv_in", dtype)(x)
    for level, width in enumerate(channels):
        way = "down" if level < last else ""
        x = Level(width, blocks, groups, way, dtype, name=f"down_blocks_{level}")(x)
    x = Middle(channels[-1], groups, attention, dtype, name="mid_block")(x)
    return nn.silu(normalize(groups, "conv_norm_out", dtype)(x))


class KLEncoder(nn.Module):
    """The encoder: images in [0, 1] to the mean and log-variance of q(z|x), maps [h, w, latent] each."""

    channels: tuple[int, ...]
    blocks: int
    latent: int
    groups: int
    attention: bool
    quant_conv: bool
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Float[ArrayLike, "b h w c"]) -> tuple[Float[Array, "b *d"], Float[Array, "b *d"]]:
        dtype = self.dtype
        x = contract(x, self.channels, self.blocks, self.groups, self.attention, dtype)
        x = convolution(2 * self.latent, 3, "conv_out", dtype)(x)
        if self.quant_conv:
            x = convolution(2 * self.latent, 1, "quant_conv", dtype)(x)
        mean, log_variance = jnp.split(x.astype(jnp.float32), 2, axis=-1)
        return mean, jnp.clip(log_variance, *LOG_VARIANCE_RANGE)


class KLDecoder(nn.Module):
    """The decoder: codes to an output of this `shape` in units of the pixel range [0, 1]."""

    shape: tuple[int, int, int]
    channels: tuple[int, ...]
    blocks: int
    latent: int
    groups: int
    attention: bool
    post_quant_conv: bool
    dtype: DTypeLike

    @nn.compact
    def __call__(self, z: Float[Array, "b *d"]) -> Float[Array, "b {self.shape[0]} {self.shape[1]} {self.shape[2]}"]:
        height, width, outputs = self.shape
        last, dtype = len(self.channels) - 1, self.dtype
        x = z.astype(dtype)
        if self.post_quant_conv:
            x = convolution(self.latent, 1, "post_quant_conv", dtype)(x)
        x = convolution(self.channels[-1], 3, "conv_in", dtype)(x)
        x = Middle(self.channels[-1], self.groups, self.attention, dtype, name="mid_block")(x)
        for level, channels in enumerate(reversed(self.channels)):
            way = "up" if level < last else ""
            x = Level(channels, self.blocks + 1, self.groups, way, dtype, name=f"up_blocks_{level}")(x)
        x = nn.silu(normalize(self.groups, "conv_norm_out", dtype)(x))
        x = convolution(outputs, 3, "conv_out", dtype)(x)
        # The network's own range is [-1, 1], as at the encoder.
        return 0.5 * x[:, :height, :width].astype(jnp.float32) + 0.5


def kl_networks(
    shape: tuple[int, int, int],
    outputs: int,
    *,
    channels: tuple[int, ...],
    blocks: int,
    latent: int,
    groups: int,
    attention: bool,
    quant_conv: bool,
    post_quant_conv: bool,
    dtype: str,
) -> Networks:
    """Returns the encoder and decoder.

    Args:
        shape: height, width and channels of the images. Sides that the total stride does not divide are padded with
            their last pixels before encoding, and cut off after decoding.
        outputs: numbers per pixel that the decoder yields.
        channels: at each resolution, finest first; between two of them height and width are halved.
        blocks: residual blocks at each resolution of the encoder; the decoder has one more.
        latent: channels of the code.
        groups: of the group normalisations.
        attention: whether there is an attention at the coarsest resolution.
        quant_conv: whether the encoder ends with a 1x1 convolution.
        post_quant_conv: whether the decoder begins with a 1x1 convolution.
        dtype: what the networks compute in; the heads of the encoder and the output of the decoder are float32.
    """
    kind, stride = jnp.dtype(dtype), 2 ** (len(channels) - 1)
    latent_shape = map_shape(shape, stride, latent)
    encoder = KLEncoder(channels, blocks, latent, groups, attention, quant_conv, kind)
    size = (shape[0], shape[1], outputs)
    decoder = KLDecoder(size, channels, blocks, latent, groups, attention, post_quant_conv, kind)
    return flax_networks(encoder, decoder, shape, latent_shape)
