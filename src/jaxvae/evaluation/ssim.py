"""Structural similarity: how alike two pictures look, by their local means, contrasts and patterns."""

from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from jaxvae.errors import UserError

# Those of Wang et al. 2004, section III-C. Written beside each result: other choices give other numbers.
SETTINGS: dict[str, Any] = {
    "library": "scikit-image",
    "gaussian_weights": True,
    "sigma": 1.5,
    "use_sample_covariance": False,
    "data_range": 255,
    "K1": 0.01,
    "K2": 0.03,
}


WINDOW = 11  # Pixels along a side of the Gaussian window, to which scikit-image cuts one of σ = 1.5.


def ssim(
    originals: UInt8[np.ndarray, "n h w c"], reconstructions: UInt8[np.ndarray, "n h w c"]
) -> Float[np.ndarray, " n"] | None:
    """Mean structural similarity of each pair of pictures, between -1 and 1; larger is better, 1 is equality.

    For colour it is the mean over the channels; the paper defines it for grey alone. None for pictures whose smaller
    side is below 11 pixels: no whole window fits, and a smaller one would measure something else under the same name.

    Raises UserError for pictures that differ in shape, or that are not of 8 bits.

    References:
        Wang et al. 2004, Image Quality Assessment: From Error Visibility to Structural Similarity, equation 13.
    """
    for images in (originals, reconstructions):
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape != originals.shape:
            raise UserError(
                f"the pictures are {originals.dtype} {originals.shape} and {reconstructions.dtype}"
                f" {reconstructions.shape}, but must both be uint8 [n, h, w, c] of the same shape."
            )
    if min(originals.shape[1:3]) < WINDOW:
        return None
    # Here, since only this measure needs scikit-image, which takes most of a second to import.
    from skimage.metrics import structural_similarity

    settings = {name: value for name, value in SETTINGS.items() if name != "library"}
    pairs = zip(originals, reconstructions, strict=True)
    return np.array([structural_similarity(x, y, channel_axis=-1, **settings) for x, y in pairs], np.float64)
