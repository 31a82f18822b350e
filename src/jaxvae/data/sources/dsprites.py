"""dSprites: pixels 0 and 1, and the classes of the latent factors as attributes.

References:
    Matthey et al. 2017, dSprites: Disentanglement testing Sprites dataset.
"""

import numpy as np

FACTORS = ("color", "shape", "scale", "orientation", "position_x", "position_y")


def as_dsprites(arrays: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Returns the arrays of dSprites as images and labels, and the names of the columns; other arrays as they are."""
    images, factors = arrays.get("imgs"), arrays.get("latents_classes")
    if images is None or factors is None or factors.ndim != 2 or factors.shape[1] != len(FACTORS):
        return arrays, ()
    # All are white: the only colour is no attribute.
    return {"images": images.astype(bool), "labels": factors[:, 1:]}, FACTORS[1:]
