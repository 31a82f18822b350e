"""Conversion between stored uint8 pixels and the model's float32 pixels in [0, 1], inside the compiled step."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, UInt8


def to_bytes(images: np.ndarray) -> np.ndarray:
    """Converts float images in [0, 1] to uint8; values outside are clipped."""
    return np.rint(np.clip(np.asarray(images, np.float32), 0.0, 1.0) * 255.0).astype(np.uint8)


def to_float(key: Array, images: UInt8[Array, "b h w c"], pixels: str) -> Float[Array, "b h w c"]:
    """Converts stored images to the model's input, as configured by `data.pixels`.

    Args:
        key: source of the noise of "dequantized" and "binarized".
        images: stored pixels v.
        pixels: "scaled" is v / 255; "dequantized" is (v + u) / 256 with u uniform in [0, 1), which turns a density
            into a bound on the probability of the byte; "binarized" draws 1 with probability v / 255, afresh at each
            call.

    References:
        Theis et al. 2016, A note on the evaluation of generative models, section 3.1 (dequantization).
        Salakhutdinov & Murray 2008, On the Quantitative Analysis of Deep Belief Networks (binarization).
    """
    if pixels == "dequantized":
        return (images.astype(jnp.float32) + jax.random.uniform(key, images.shape)) / 256.0
    if pixels == "binarized":
        return jax.random.bernoulli(key, scale(images)).astype(jnp.float32)
    return scale(images)


def scale(images: UInt8[Array | np.ndarray, "b h w c"]) -> Float[Array, "b h w c"]:
    """Scales images to v / 255; also the encoder's input when only a code is needed, not a likelihood."""
    return jnp.asarray(images, jnp.float32) / 255.0
