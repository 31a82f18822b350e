"""Random changes of training images that leave what they show the same: more images where there are few."""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Key


def flip_half(key: Key[Array, ""], x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """Returns the images, each mirrored left to right with probability one half."""
    coins = jax.random.bernoulli(key, 0.5, (x.shape[0], 1, 1, 1))
    return jnp.where(coins, x[:, :, ::-1], x)


def shift(key: Key[Array, ""], x: Float[Array, "b h w c"], most: int) -> Float[Array, "b h w c"]:
    """Returns the images, each moved by up to `most` pixels down or up and right or left.

    Pixels at the edge are repeated into what becomes free.
    """
    padded = jnp.pad(x, ((0, 0), (most, most), (most, most), (0, 0)), mode="edge")
    corners = jax.random.randint(key, (x.shape[0], 2), 0, 2 * most + 1)

    def cut(image: Float[Array, "H W c"], corner: Array) -> Float[Array, "h w c"]:
        return jax.lax.dynamic_slice(image, (corner[0], corner[1], 0), x.shape[1:])

    return jax.vmap(cut)(padded, corners)
