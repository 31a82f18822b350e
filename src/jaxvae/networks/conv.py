"""The convolutional encoder and its mirror, for images of any size and number of channels."""

import jax.numpy as jnp
from flax import linen as nn
from jax import Array
from jax.typing import DTypeLike
from jaxtyping import Float

from jaxvae.annotations import ArrayLike
from jaxvae.networks.base import Networks, Told, flax_networks
from jaxvae.networks.conditional import conditional_networks
from jaxvae.networks.dense import Dense
from jaxvae.networks.layers import Down, Up, halve, kernel_init, modulate, soft_clip


def level_sizes(height: int, width: int, levels: int) -> list[tuple[int, int]]:
    """Returns height and width at each level, finest first: those of the image, then after each halving."""
    sizes = [(height, width)]
    for _ in range(levels):
        sizes.append((halve(sizes[-1][0]), halve(sizes[-1][1])))
    return sizes


class ConvEncoder(nn.Module):
    """The encoder: images in [0, 1] to the mean and log-variance of q(z|x).

    Each level of `channels` halves height and width. A `spatial` code keeps the map [h, w, latent] of the coarsest
    level; otherwise the map is flattened to a vector [latent].
    """

    channels: tuple[int, ...]
    latent: int
    spatial: bool
    log_variance_range: tuple[float, float]
    down: str
    dtype: DTypeLike

    @nn.compact
    def __call__(
        self, x: Float[ArrayLike, "b h w c"], told: Float[Array, "t m"] | None = None
    ) -> tuple[Float[Array, "b *d"], Float[Array, "b *d"]]:
        x = jnp.asarray(2.0 * x - 1.0, self.dtype)
        for channels in self.channels:
            x = nn.relu(modulate(Down(channels, self.down, self.dtype)(x), told))
        if self.spatial:
            heads = nn.Conv(2 * self.latent, (1, 1), dtype=self.dtype)(x)
        else:
            heads = Dense(2 * self.latent, dtype=self.dtype)(x.reshape(x.shape[0], -1))
        mean, log_variance = jnp.split(heads.astype(jnp.float32), 2, axis=-1)
        return mean, soft_clip(log_variance, *self.log_variance_range)


class ConvDecoder(nn.Module):
    """The decoder: codes to the parameters of p(x|z) for each pixel, an output of this `shape`."""

    shape: tuple[int, int, int]
    channels: tuple[int, ...]
    spatial: bool
    up: str
    dtype: DTypeLike

    @nn.compact
    def __call__(
        self, z: Float[Array, "b *d"], told: Float[Array, "t m"] | None = None
    ) -> Float[Array, "b {self.shape[0]} {self.shape[1]} {self.shape[2]}"]:
        height, width, outputs = self.shape
        *finer, (low_height, low_width) = level_sizes(height, width, len(self.channels))
        z = z.astype(self.dtype)
        if self.spatial:
            x = nn.Conv(self.channels[-1], (3, 3), dtype=self.dtype, kernel_init=kernel_init)(z)
        else:
            x = Dense(low_height * low_width * self.channels[-1], dtype=self.dtype, kernel_init=kernel_init)(z)
            x = x.reshape(-1, low_height, low_width, self.channels[-1])
        for size, channels in zip(reversed(finer), (*self.channels[-2::-1], outputs), strict=True):
            x = Up(channels, size, self.up, self.dtype)(nn.relu(modulate(x, told)))
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
    told: Told | None = None,
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
        told: the attributes that they are told; None for none.
    """
    latent_shape: tuple[int, ...] = (latent,)
    if spatial:
        latent_shape = (*level_sizes(shape[0], shape[1], len(channels))[-1], latent)
    encoder = ConvEncoder(channels, latent, spatial, log_variance_range, down, jnp.dtype(dtype))
    decoder = ConvDecoder((shape[0], shape[1], outputs), channels, spatial, up, jnp.dtype(dtype))
    if told is not None:
        return conditional_networks(encoder, decoder, shape, latent_shape, told)
    return flax_networks(encoder, decoder, shape, latent_shape)
