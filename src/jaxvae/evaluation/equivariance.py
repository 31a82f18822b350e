"""Whether encoding an image that was moved equals moving its code: the equivariance of maps."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, UInt8

from jaxvae.codes import Moments
from jaxvae.data.batches import epoch_batches, gather
from jaxvae.data.pixels import scale
from jaxvae.evaluation.numbers import mean
from jaxvae.evaluation.per_example import psnr
from jaxvae.objectives.equivariance import shrink

BATCH = 16  # Images encoded and decoded at a time.

Shape = tuple[int, int, int]


class Coder(NamedTuple):
    """Pure functions for images of one shape: images [b, h, w, c] -> codes [b, i, j, d], and codes -> images."""

    encode: Callable[[Array], Array]
    decode: Callable[[Array], Array]


def halve(maps: Float[Array, "b h w c"]) -> Float[Array, "b i j c"]:
    """Returns maps at half the resolution."""
    return shrink(maps, 2)


def rotate(maps: Float[Array, "b h w c"]) -> Float[Array, "b w h c"]:
    """Returns maps rotated by 90 degrees."""
    return jnp.rot90(maps, axes=(1, 2))


def flip(maps: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """Returns maps mirrored left to right."""
    return maps[:, :, ::-1]


TRANSFORMS = {"downscaling": halve, "rotation": rotate, "flip": flip}


def equivariance(
    coder_of: Callable[[Shape], Coder | None], images: UInt8[np.ndarray, "n h w c"]
) -> dict[str, dict[str, Any] | None]:
    """Measures for each transform τ, scaling to half the size, rotation by 90 degrees and a flip, how far it commutes.

    Args:
        coder_of: the model for images of a given shape, None if it takes no such images; always a model for the shape
            of `images`.
        images: the images.

    Returns:
        By name of τ, None where codes or images have no such transform:
            `error`: the distance between E(τx) and τE(x), relative to the deviation of τE(x) from the mean of each
                channel: 0 is equivariant, 1 as far off as a code that knows nothing of the image; None if all codes
                are equal.
            `psnr_db`: of the decoded transformed code D(τz) against the transformed decoded image τD(z), z = E(x).

    References:
        Kouzelis et al. 2025, EQ-VAE: Equivariance Regularized Latent Space (arXiv 2502.09509).
        Skorokhodov et al. 2025, Improving the Diffusability of Autoencoders (arXiv 2502.14831): scale.
    """
    return {name: _commutes(coder_of, transform, images) for name, transform in TRANSFORMS.items()}


def _commutes(
    coder_of: Callable[[Shape], Coder | None], transform: Callable[[Array], Array], images: np.ndarray
) -> dict[str, Any] | None:
    here = coder_of(images.shape[1:])
    if here is None:
        return None
    image = jax.ShapeDtypeStruct((1, *images.shape[1:]), jnp.float32)
    code = jax.eval_shape(here.encode, image)
    if transform is halve and any(size % 2 for size in (*image.shape[1:3], *code.shape[1:3])):
        return None
    moved, wanted = jax.eval_shape(transform, image), jax.eval_shape(transform, code)
    there = coder_of(moved.shape[1:])
    if there is None or jax.eval_shape(there.encode, moved).shape != wanted.shape:
        return None
    square, moments, ratios = 0.0, Moments(), list[np.ndarray]()
    for indices, real in epoch_batches(len(images), min(BATCH, len(images))):
        x = scale(gather(images, indices))
        z = here.encode(x)
        expected = transform(z)
        square += float(jnp.sum(jnp.square(there.encode(transform(x)) - expected)[:real]))
        moments = moments.add(np.asarray(expected[:real]))
        decoded = jnp.clip(transform(here.decode(z)), 0.0, 1.0)
        ratios.append(np.asarray(psnr(decoded, there.decode(expected)))[:real])
    spread = float(moments.squares.sum())
    return {
        "error": (square / spread) ** 0.5 if spread > 0.0 else None,
        "psnr_db": mean(np.concatenate(ratios)),
    }
