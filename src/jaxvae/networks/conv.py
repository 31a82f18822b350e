"""The convolutional encoder and its mirror, for any picture size and number of channels."""

from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jax import Array
from jaxtyping import Float

from jaxvae.networks.base import Networks, flax_networks
from jaxvae.networks.dense import Dense
from jaxvae.networks.layers import Down, Up, bounded, halved, kernel_init


def sizes(height: int, width: int, levels: int) -> list[tuple[int, int]]:
    """Height and width at each level, finest first: the picture, then after each halving."""
    path = [(height, width)]
    for _ in range(levels):
        path.append((halved(path[-1][0]), halved(path[-1][1])))
    return path


class ConvEncoder(nn.Module):
    """Picture to the mean and log-variance of q(z|x)."""

    channels: tuple[int, ...]
    latent: int
    spatial: bool
    log_variance_range: tuple[float, float]
    down: str
    dtype: Any

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> tuple[Float[Array, "b *d"], Float[Array, "b *d"]]:
        x = (2.0 * x - 1.0).astype(self.dtype)
        for channels in self.channels:
            x = nn.relu(Down(channels, self.down, self.dtype)(x))
        if self.spatial:
            heads = nn.Conv(2 * self.latent, (1, 1), dtype=self.dtype)(x)
        else:
            heads = Dense(2 * self.latent, dtype=self.dtype)(x.reshape(x.shape[0], -1))
        mean, log_variance = jnp.split(heads.astype(jnp.float32), 2, axis=-1)
        return mean, bounded(log_variance, *self.log_variance_range)


class ConvDecoder(nn.Module):
    """Code to the natural parameter of p(x|z) for each pixel."""

    shape: tuple[int, int, int]
    channels: tuple[int, ...]
    spatial: bool
    up: str
    dtype: Any

    @nn.compact
    def __call__(self, z: Float[Array, "b *d"]) -> Float[Array, "b h w c"]:
        height, width, colors = self.shape
        *finer, (low, side) = sizes(height, width, len(self.channels))
        z = z.astype(self.dtype)
        if self.spatial:
            x = nn.Conv(self.channels[-1], (3, 3), dtype=self.dtype, kernel_init=kernel_init)(z)
        else:
            x = Dense(low * side * self.channels[-1], dtype=self.dtype, kernel_init=kernel_init)(z)
            x = x.reshape(-1, low, side, self.channels[-1])
        for size, channels in zip(reversed(finer), (*self.channels[-2::-1], colors), strict=True):
            x = Up(channels, size, self.up, self.dtype)(nn.relu(x))
        return x.astype(jnp.float32)


def conv_networks(
    shape: tuple[int, int, int],
    outputs: int,
    *,
    channels: tuple[int, ...],
    latent: int,
    spatial: bool,
    log_variance_range: tuple[float, float],
    down: str,
    up: str,
    dtype: str,
) -> Networks:
    """Returns the convolutional encoder and decoder.

    Args:
        shape: height, width and channels of the images.
        outputs: numbers per pixel that the decoder yields.
        channels: at each halving, finest first.
        latent: units of the code, or channels of a spatial one.
        spatial: whether the code is a map at the coarsest resolution.
        log_variance_range: bounds of the log-variance.
        down: "stride", "max_pool" or "avg_pool".
        up: "deconv" or "unpool".
        dtype: what the networks compute in.
    """
    latent_shape: tuple[int, ...] = (latent,)
    if spatial:
        latent_shape = (*sizes(shape[0], shape[1], len(channels))[-1], latent)
    encoder = ConvEncoder(channels, latent, spatial, log_variance_range, down, jnp.dtype(dtype))
    decoder = ConvDecoder((shape[0], shape[1], outputs), channels, spatial, up, jnp.dtype(dtype))
    return flax_networks(encoder, decoder, shape, latent_shape)
