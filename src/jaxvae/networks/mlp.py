"""Dense layers on the flattened picture."""

from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jax import Array
from jaxtyping import Float

from jaxvae.networks.base import Networks, flax_networks
from jaxvae.networks.dense import Dense
from jaxvae.networks.layers import bounded, kernel_init


class Hidden(nn.Module):
    """A hidden layer: dense, then rectified, tanh, or gated by a layer of its own (Dauphin et al. 2017)."""

    units: int
    activation: str
    dtype: Any

    @nn.compact
    def __call__(self, x: Float[Array, "b i"]) -> Float[Array, "b o"]:
        if self.activation == "gated":
            doubled = Dense(2 * self.units, dtype=self.dtype, kernel_init=kernel_init)(x)
            return nn.glu(doubled)
        dense = Dense(self.units, dtype=self.dtype, kernel_init=kernel_init)(x)
        return nn.relu(dense) if self.activation == "relu" else nn.tanh(dense)


class MLPEncoder(nn.Module):
    """Picture to the mean and log-variance of q(z|x)."""

    hidden: tuple[int, ...]
    activation: str
    latent: int
    log_variance_range: tuple[float, float]
    dtype: Any

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> tuple[Float[Array, "b d"], Float[Array, "b d"]]:
        x = (2.0 * x - 1.0).astype(self.dtype).reshape(x.shape[0], -1)
        for units in self.hidden:
            x = Hidden(units, self.activation, self.dtype)(x)
        heads = Dense(2 * self.latent, dtype=self.dtype)(x)
        mean, log_variance = jnp.split(heads.astype(jnp.float32), 2, axis=-1)
        return mean, bounded(log_variance, *self.log_variance_range)


class MLPDecoder(nn.Module):
    """Code to the natural parameter of p(x|z) for each pixel."""

    shape: tuple[int, int, int]
    hidden: tuple[int, ...]
    activation: str
    dtype: Any

    @nn.compact
    def __call__(self, z: Float[Array, "b d"]) -> Float[Array, "b h w c"]:
        x = z.astype(self.dtype)
        for units in reversed(self.hidden):
            x = Hidden(units, self.activation, self.dtype)(x)
        height, width, colors = self.shape
        x = Dense(height * width * colors, dtype=self.dtype)(x)
        return x.reshape(-1, *self.shape).astype(jnp.float32)


def mlp_networks(
    shape: tuple[int, int, int],
    outputs: int,
    *,
    hidden: tuple[int, ...],
    activation: str,
    latent: int,
    log_variance_range: tuple[float, float],
    dtype: str,
) -> Networks:
    """Returns the dense encoder and decoder.

    Args:
        shape: height, width and channels of the images.
        outputs: numbers per pixel that the decoder yields.
        hidden: units of the encoder's hidden layers.
        activation: "relu", "tanh" or "gated".
        latent: units of the code.
        log_variance_range: bounds of the log-variance.
        dtype: what the networks compute in.
    """
    encoder = MLPEncoder(hidden, activation, latent, log_variance_range, jnp.dtype(dtype))
    decoder = MLPDecoder((shape[0], shape[1], outputs), hidden, activation, jnp.dtype(dtype))
    return flax_networks(encoder, decoder, shape, (latent,))
