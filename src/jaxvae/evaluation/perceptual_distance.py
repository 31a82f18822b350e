"""The perceptual distance between images and their reconstructions, where the network for it is installed."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8

from jaxvae.data.batches import epoch_batches, gather
from jaxvae.data.pixels import scale
from jaxvae.perceptual.squeezenet import SMALLEST_SIDE, squeeze_distance
from jaxvae.perceptual.weights import find_squeezenet, load_squeezenet

BATCH = 16  # Pairs of images at a time; the first activations are larger than the images.


def squeeze_distances(
    originals: UInt8[np.ndarray, "n h w c"], reconstructions: UInt8[np.ndarray, "n h w c"]
) -> Float[np.ndarray, " n"] | None:
    """Returns the perceptual distance of each pair of images, between 0 and 2; smaller is better.

    Returns None without jaxvae[perceptual], for images with a side below 31 pixels, and for those that are neither
    grey nor of three channels.

    Raises:
        UserError: the file of the network is not the one that was checked.
    """
    if find_squeezenet() is None or originals.shape[3] not in (1, 3) or min(originals.shape[1:3]) < SMALLEST_SIDE:
        return None
    params, measure = load_squeezenet(), jax.jit(squeeze_distance)
    parts = []
    for indices, real in epoch_batches(len(originals), min(BATCH, len(originals))):
        pair = (scale(jnp.asarray(gather(images, indices))) for images in (originals, reconstructions))
        parts.append(np.asarray(measure(params, *pair))[:real])
    return np.concatenate(parts)
