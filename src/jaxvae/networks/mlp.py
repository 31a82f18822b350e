"""The dense encoder and decoder, on flattened images."""

import jax.numpy as jnp
from flax import linen as nn
from jax import Array
from jax.typing import DTypeLike
from jaxtyping import Float

from jaxvae.annotations import ArrayLike
from jaxvae.networks.base import Networks, Told, flax_networks
from jaxvae.networks.conditional import conditional_networks
from jaxvae.networks.dense import Dense
from jaxvae.networks.layers import kernel_init, modulate, soft_clip


class Hidden(nn.Module):
    """A dense layer and its activation: "relu", "tanh", or "gated", which multiplies by a learned sigmoid gate.

    References:
        Dauphin et al. 2017, "Language modeling with gated convolutional networks", equation 1.
    """

    units: int
    activation: str
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Float[ArrayLike, "b i"]) -> Float[Array, "b {self.units}"]:
        if self.activation == "gated":
            doubled = Dense(2 * self.units, dtype=self.dtype, kernel_init=kernel_init)(x)
            return nn.glu(doubled)
        dense = Dense(self.units, dtype=self.dtype, kernel_init=kernel_init)(x)
        return nn.relu(dense) if self.activation == "relu" else nn.tanh(dense)


class MLPEncoder(nn.Module):
    """The encoder: images in [0, 1] to the mean and log-variance of q(z|x)."""

    hidden: tuple[int, ...]
    activation: str
    latent: int
    log_variance_range: tuple[float, float]
    dtype: DTypeLike

    @nn.compact
    def __call__(
        self, x: Float[ArrayLike, "b h w c"], told: Float[Array, "t m"] | None = None
    ) -> tuple[Float[Array, "b {self.latent}"], Float[Array, "b {self.latent}"]]:
        x = (2.0 * x - 1.0).astype(self.dtype).reshape(x.shape[0], -1)
        for units in self.hidden:
            x = modulate(Hidden(units, self.activation, self.dtype)(x), told)
        heads = Dense(2 * self.latent, dtype=self.dtype)(x)
        mean, log_variance = jnp.split(heads.astype(jnp.float32), 2, axis=-1)
        return mean, soft_clip(log_variance, *self.log_variance_range)


class MLPDecoder(nn.Module):
    """The decoder: codes to the parameters of p(x|z) for each pixel, an output of this `shape`."""

    shape: tuple[int, int, int]
    hidden: tuple[int, ...]
    activation: str
    dtype: DTypeLike

    @nn.compact
    def __call__(
        self, z: Float[Array, "b d"], told: Float[Array, "t m"] | None = None
    ) -> Float[Array, "b {self.shape[0]} {self.shape[1]} {self.shape[2]}"]:
        x = z.astype(self.dtype)
        for units in reversed(self.hidden):
            x = modulate(Hidden(units, self.activation, self.dtype)(x), told)
        height, width, outputs = self.shape
        x = Dense(height * width * outputs, dtype=self.dtype)(x)
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
    told: Told | None = None,
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
        told: the attributes that they are told; None for none.
    """
    encoder = MLPEncoder(hidden, activation, latent, log_variance_range, jnp.dtype(dtype))
    decoder = MLPDecoder((shape[0], shape[1], outputs), hidden, activation, jnp.dtype(dtype))
    if told is not None:
        return conditional_networks(encoder, decoder, shape, (latent,), told)
    return flax_networks(encoder, decoder, shape, (latent,))
