"""The prior p(z): what every kind is, and what it builds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from jaxvae.config.kinds import Kind

if TYPE_CHECKING:
    import numpy as np
    from jax import Array
    from jaxtyping import Float

    from jaxvae.annotations import Params, PRNGKey


def _unchanged(params: Params, seen: Any) -> Params:
    return params


class LearnedPrior(NamedTuple):
    """A family of distributions over codes, and where training starts in it.

    Attributes:
        init: key -> params.
        distribution: (params, encode) -> p(z); `encode` maps images [m, h, w, c] to posteriors with the encoder's
            current parameters.
        start_images: training images that `start` wants to see, 0 for a prior that starts without data.
        start: (params, images float32 [start_images, h, w, c]) -> params.
        refit_every: steps between refits, 0 for a prior that follows gradients alone.
        refit: (params, codes of training images as rows [n, d]) -> params, instead of what gradients have reached; also
            called after the last step.
    """

    init: Callable[[PRNGKey], Params]
    distribution: Callable[[Params, Callable[[Array], Any]], Any]
    start_images: int = 0
    start: Callable[[Params, Float[np.ndarray, "m h w c"]], Params] = _unchanged
    refit_every: int = 0
    refit: Callable[[Params, Float[np.ndarray, "n d"]], Params] = _unchanged


@dataclass(frozen=True, kw_only=True)
class PriorConfig(Kind, family="model.prior"):
    """Base of the priors; a kind of your own overrides `build`.

    Attributes:
        factorized: whether its units are independent, which some objectives need.
        learned: whether it is trained with the model; then samples come from it by default.
        closed_form: whether the KL of a Gaussian posterior from it has a closed form, unit by unit.
    """

    factorized: ClassVar[bool] = False
    learned: ClassVar[bool] = True
    closed_form: ClassVar[bool] = False

    def build(self, latent_shape: tuple[int, ...], image_shape: tuple[int, int, int]) -> LearnedPrior:
        """Returns the prior over codes of `latent_shape`, for images of this height, width and number of channels."""
        raise TypeError(f"{type(self).__name__} has no `build` method; a prior must define one.")

    def check_latent(self, units: int | None) -> None:
        """Raises `UserError` where codes of this many units are too few; None stands for a number not known yet."""
