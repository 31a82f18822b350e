"""Structural similarity (SSIM): perceptual similarity of two images from local means, contrasts and patterns."""

from typing import Any

import numpy as np
from jaxtyping import Float

from jaxvae.errors import UserError

# From Wang et al. 2004, section III-C. Reported along with each result because other settings give other numbers.
SETTINGS: dict[str, Any] = {
    "library": "scikit-image",
    "gaussian_weights": True,
    "sigma": 1.5,
    "use_sample_covariance": False,
    "data_range": 255,
    "K1": 0.01,
    "K2": 0.03,
}
WINDOW = 11  # Side of the Gaussian window in pixels, to which scikit-image truncates a Gaussian of σ = 1.5.


def ssim(originals: np.ndarray, reconstructions: np.ndarray) -> Float[np.ndarray, " n"] | None:
    """Returns the mean structural similarity of each image pair, between -1 and 1; larger is better, 1 is identical.

    Images are uint8 [n, h, w, c]. Of colour images the channels are averaged; the paper defines it for grey only.
    Returns None for images with a side below 11 pixels: the window does not fit, and a smaller one would be a different
    measure by the same name.

    Raises:
        UserError: if the images differ in shape or are not uint8.

    References:
        Wang et al. 2004, Image Quality Assessment: From Error Visibility to Structural Similarity, equation 13.
    """
    for images in (originals, reconstructions):
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape != originals.shape:
            raise UserError(
                f"the images are {originals.dtype} {originals.shape} and {reconstructions.dtype}"
                f" {reconstructions.shape}; expected uint8 [n, h, w, c] of the same shape."
            )
    if min(originals.shape[1:3]) < WINDOW:
        return None
    # Imported here because only SSIM needs scikit-image, which takes most of a second to import.
    from skimage.metrics import structural_similarity

    settings = {name: value for name, value in SETTINGS.items() if name != "library"}
    pairs = zip(originals, reconstructions, strict=True)
    return np.array([structural_similarity(x, y, channel_axis=-1, **settings) for x, y in pairs], np.float64)
