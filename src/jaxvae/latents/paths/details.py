"""What the fine levels of a hierarchy do along a path."""

from collections.abc import Sequence
from typing import Literal

import jax
import numpy as np

from jaxvae.codes import Code
from jaxvae.errors import UserError
from jaxvae.vae import VAE

Details = Literal["interpolate", "start", "mean"]


def check_details(vae: VAE, details: Details) -> None:
    """Raises UserError if the model has no levels below `vae.top`, and `details` is not "interpolate"."""
    if details != "interpolate" and vae.top_levels >= len(vae.levels):
        raise UserError(
            f"--details is {details}, but this model has no fine levels: its codes are interpolated as a whole."
        )


def set_details(vae: VAE, ends: Sequence[Code], details: Details) -> list[Code]:
    """Returns the ends of a path with the levels below `vae.top` chosen.

    Args:
        vae: The model.
        ends: Codes, each without a batch axis.
        details: "interpolate" leaves every end its own, so that the path goes from one to the other; "start" gives all
            ends those of the first; "mean" puts them at the mean of their priors, 0.
    """
    if details == "interpolate":
        return list(ends)
    others = ends[0] if details == "start" else jax.tree.map(np.zeros_like, ends[0])
    return [vae.with_top(others, vae.top(end)) for end in ends]
