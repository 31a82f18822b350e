"""Networks that are told attributes: an embedding that scales and shifts the channels of every block."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array
from jaxtyping import Float

from jaxvae.annotations import ArrayLike, Params, PRNGKey
from jaxvae.networks.base import Networks, Told
from jaxvae.networks.dense import Dense
from jaxvae.networks.layers import kernel_init
from jaxvae.told import told_weights

WIDTH = 64  # Of the embedding.


class Embedding(nn.Module):
    """The attributes as one vector: the sum of a learned row for each attribute's value, then a dense layer."""

    @nn.compact
    def __call__(self, weights: Float[ArrayLike, "b a v"]) -> Float[Array, "b m"]:
        rows = self.param("rows", nn.initializers.normal(1.0), (*weights.shape[1:], WIDTH))
        summed = jnp.einsum("bav,avm->bm", weights, rows) / weights.shape[1] ** 0.5
        return nn.silu(Dense(WIDTH, jnp.float32, kernel_init)(summed))


def conditional_networks(
    encoder: nn.Module,
    decoder: nn.Module,
    shape: tuple[int, int, int],
    latent_shape: tuple[int, ...],
    told: Told,
) -> Networks:
    """Returns two Linen modules, told attributes, as pure functions on {"attributes", "encoder", "decoder"}.

    Args:
        encoder: (images [b, h, w, c], embedding [b, m] or None) -> (mean, log-variance), float32.
        decoder: (codes [b, *latent_shape], embedding) -> output [b, h, w, o], float32.
        shape: height, width and channels of the images.
        latent_shape: shape of one code.
        told: what they are told.
    """
    embedding = Embedding()

    def embed(params: Params) -> Any:
        return embedding.apply({"params": params["attributes"]}, told_weights(params, told.attributes, told.values))

    def embed_for_encoder(params: Params) -> Any:
        return embed(params) if told.in_encoder else None

    @jax.jit
    def init(encoder_key: PRNGKey, decoder_key: PRNGKey) -> Params:
        decoder_key, embedding_key = jax.random.split(decoder_key)
        nothing = told_weights({}, told.attributes, told.values)
        params = {"attributes": embedding.init(embedding_key, nothing)["params"]}
        return params | {
            "encoder": encoder.init(encoder_key, jnp.zeros((1, *shape)), embed_for_encoder(params))["params"],
            "decoder": decoder.init(decoder_key, jnp.zeros((1, *latent_shape)), embed(params))["params"],
        }

    def encode(params: Params, x: Float[ArrayLike, "b h w c"]) -> tuple[Float[Array, "b *d"], Float[Array, "b *d"]]:
        heads: Any = encoder.apply({"params": params["encoder"]}, x, embed_for_encoder(params))
        mean, log_variance = heads
        return mean, log_variance

    def decode(params: Params, z: Float[Array, "b *d"]) -> Float[Array, "b h w o"]:
        output: Any = decoder.apply({"params": params["decoder"]}, z, embed(params))
        return output

    return Networks(init, encode, decode, latent_shape)
