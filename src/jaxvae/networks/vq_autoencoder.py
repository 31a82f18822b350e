"""The autoencoder of latent diffusion whose codes are rounded to a codebook (van den Oord et al. 2017; VQGAN).

Encoder and decoder are those of the KL autoencoder. A code is the map before it is rounded, which diffusion models are
trained on; the decoder rounds it.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array
from jax.typing import DTypeLike
from jaxtyping import Float, Int

from jaxvae.annotations import ArrayLike, Params, PRNGKey
from jaxvae.networks.base import Networks, flax_networks, map_shape
from jaxvae.networks.kl_autoencoder import KLDecoder, contract, convolution

# Of q(z|x), which the architecture does not predict. What lies nearer to one vector of the codebook decodes alike.
LOG_VARIANCE = -12.0


class VQEncoder(nn.Module):
    """The encoder: images in [0, 1] to codes [h, w, latent], as the mean and a fixed log-variance of q(z|x)."""

    channels: tuple[int, ...]
    blocks: int
    inner: int
    latent: int
    groups: int
    attention: bool
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Float[ArrayLike, "b h w c"]) -> tuple[Float[Array, "b *d"], Float[Array, "b *d"]]:
        x = contract(x, self.channels, self.blocks, self.groups, self.attention, self.dtype)
        x = convolution(self.inner, 3, "conv_out", self.dtype)(x)
        mean = convolution(self.latent, 1, "quant_conv", self.dtype)(x).astype(jnp.float32)
        return mean, jnp.full_like(mean, LOG_VARIANCE)


def nearest(codebook: Float[Array, "n d"], z: Float[Array, "b h w d"]) -> Int[Array, "b h w"]:
    """Returns the number of the vector of the codebook that each position of a map is nearest to."""
    lengths = jnp.sum(jnp.square(codebook), axis=-1)

    def of_one(image: Float[Array, "h w d"]) -> Int[Array, "h w"]:
        # ‖z − e‖² without ‖z‖², which is the same for all e. In full precision: neighbours may be close.
        products = jnp.einsum("hwd,nd->hwn", image, codebook, precision=jax.lax.Precision.HIGHEST)
        return jnp.argmin(lengths[None, None] - 2.0 * products, axis=-1)

    return jax.lax.map(of_one, z)  # One image at a time: a codebook may have thousands of vectors.


def quantize(codebook: Float[Array, "n d"], z: Float[Array, "b h w d"]) -> Float[Array, "b h w d"]:
    """Returns a map with each position rounded to the nearest vector of the codebook.

    Gradients reach z as if nothing had been rounded, and do not reach the codebook (van den Oord et al. 2017, section
    3.2).
    """
    z = z.astype(jnp.float32)
    return z + jax.lax.stop_gradient(codebook[nearest(codebook, z)] - z)


def vq_networks(
    shape: tuple[int, int, int],
    outputs: int,
    *,
    channels: tuple[int, ...],
    blocks: int,
    latent: int,
    inner: int,
    codebook_size: int,
    groups: int,
    attention: bool,
    dtype: str,
) -> Networks:
    """Returns the encoder and decoder, whose parameters have a third part, the codebook.

    Args:
        shape: height, width and channels of the images. Sides that the total stride does not divide are padded with
            their last pixels before encoding, and cut off after decoding.
        outputs: numbers per pixel that the decoder yields.
        channels: at each resolution, finest first; between two of them height and width are halved.
        blocks: residual blocks at each resolution of the encoder; the decoder has one more.
        latent: channels of the code.
        inner: channels on the other side of the 1x1 convolutions around the code.
        codebook_size: vectors that positions of the code are rounded to.
        groups: of the group normalisations.
        attention: whether there is an attention at the coarsest resolution.
        dtype: what the networks compute in; codes and the output of the decoder are float32.
    """
    kind, stride = jnp.dtype(dtype), 2 ** (len(channels) - 1)
    latent_shape = map_shape(shape, stride, latent)
    encoder = VQEncoder(channels, blocks, inner, latent, groups, attention, kind)
    size = (shape[0], shape[1], outputs)
    decoder = KLDecoder(size, channels, blocks, inner, groups, attention, post_quant_conv=True, dtype=kind)
    plain = flax_networks(encoder, decoder, shape, latent_shape)

    def init(encoder_key: PRNGKey, decoder_key: PRNGKey) -> Params:
        decoder_key, codebook_key = jax.random.split(decoder_key)
        vectors = jax.random.normal(codebook_key, (codebook_size, latent))
        return {**plain.init(encoder_key, decoder_key), "codebook": {"embedding": vectors}}

    def decode(params: Params, z: Float[Array, "b *d"]) -> Float[Array, "b h w o"]:
        return plain.decode(params, quantize(params["codebook"]["embedding"], z))

    return Networks(init, plain.encode, decode, latent_shape)
