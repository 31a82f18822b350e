"""From stored bytes to what the model sees: float32 in [0, 1], inside the compiled step."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, UInt8


def to_bytes(images: np.ndarray) -> np.ndarray:
    """Float pictures in [0, 1] (values outside are cut off) as uint8."""
    return np.rint(np.clip(np.asarray(images, np.float32), 0.0, 1.0) * 255.0).astype(np.uint8)


def to_float(key: Array, images: UInt8[Array, "b h w c"], pixels: str) -> Float[Array, "b h w c"]:
    """Pictures as the config's `data.pixels` says.

    "scaled" is v / 255. "dequantized" is (v + u) / 256 with u uniform in [0, 1), which turns a density into a bound
    on the probability of the byte (Theis et al. 2016, section 3.1). "binarized" draws 1 with probability v / 255, anew
    at each call (Salakhutdinov & Murray 2008).
    """
    if pixels == "dequantized":
        return (images.astype(jnp.float32) + jax.random.uniform(key, images.shape)) / 256.0
    if pixels == "binarized":
        return jax.random.bernoulli(key, scale(images)).astype(jnp.float32)
    return scale(images)


def scale(images: UInt8[Array | np.ndarray, "b h w c"]) -> Float[Array, "b h w c"]:
    """Pictures as v / 255; also what is encoded where a code is wanted rather than a likelihood."""
    return jnp.asarray(images, jnp.float32) / 255.0
