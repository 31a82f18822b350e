"""Conversion between stored uint8 pixels and the model's float32 pixels in [0, 1], inside the compiled step."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, UInt8

from jaxvae.annotations import ArrayLike, PRNGKey
from jaxvae.data.one_image import refuse_one_image
from jaxvae.data.sources.base import MAX_BANDS
from jaxvae.distributions.base import draw_in_rows
from jaxvae.errors import UserError


def to_bytes(images: np.ndarray) -> np.ndarray:
    """Converts float images in [0, 1] to uint8; values outside are clipped."""
    return np.rint(np.clip(np.asarray(images, np.float32), 0.0, 1.0) * 255.0).astype(np.uint8)


def to_float(key: PRNGKey, images: UInt8[ArrayLike, "b h w c"], pixels: str) -> Float[Array, "b h w c"]:
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
        return (jnp.asarray(images, jnp.float32) + draw_in_rows(jax.random.uniform, key, images.shape)) / 256.0
    if pixels == "binarized":
        return (draw_in_rows(jax.random.uniform, key, images.shape) < scale(images)).astype(jnp.float32)
    return scale(images)


def scale(images: UInt8[Array | np.ndarray, "b h w c"]) -> Float[Array, "b h w c"]:
    """Scales images to v / 255; also the encoder's input when only a code is needed, not a likelihood."""
    return jnp.asarray(images, jnp.float32) / 255.0


def uint8_images(images: Any, shape: tuple[int, int, int] | None = None) -> UInt8[np.ndarray, "n h w c"]:
    """Returns a user's images as uint8 [n, h, w, c].

    Args:
        images: uint8, booleans, or floats in [0, 1]; [n, h, w, c], [h, w, c], or grey without the last axis.
        shape: height, width and channels that they must have; None takes any.

    Raises:
        UserError: the type, shape or range is another.
    """
    array = np.asarray(images)
    expected = "[n, h, w, c] or [n, h, w]" if shape is None else f"[n, {', '.join(map(str, shape))}]"
    if shape is not None:
        if array.shape == shape or (shape[2] == 1 and array.shape == shape[:2]):
            array = array[None]
        if array.ndim == 3 and shape[2] == 1:
            array = array[..., None]
    elif array.ndim == 3:
        refuse_one_image("the images have shape", array.shape)
        array = array[..., None]
    right = array.ndim == 4 and 0 not in array.shape[1:] and 1 <= array.shape[3] <= MAX_BANDS
    if not right or (shape is not None and array.shape[1:] != shape):
        raise UserError(
            f"the images have shape {list(np.shape(images))}, but must have {expected}, c at most {MAX_BANDS}."
        )
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind == "b":
        return array.astype(np.uint8) * np.uint8(255)
    remedy = "; prepare_dataset(..., value_range=(LOW, HIGH)) takes others" if shape is None else ""
    if array.dtype.kind != "f":
        raise UserError(f"the images are of type {array.dtype}, but must be uint8, or floats between 0 and 1{remedy}.")
    low, high = (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)
    if not (low >= 0.0 and high <= 1.0):  # Written so that NaN fails.
        raise UserError(
            f"the images are floats from {low:g} to {high:g}, but must lie between 0 and 1, or be uint8{remedy}."
        )
    return to_bytes(array)
