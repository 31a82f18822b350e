"""Densities with a mean and a scale for each pixel: Gaussian and Laplace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from jaxvae.likelihoods.base import LOG_SCALE_RANGE, START, LikelihoodConfig, LikelihoodHead

if TYPE_CHECKING:
    from jax import Array

    from jaxvae.distributions import Distribution


@dataclass(frozen=True, kw_only=True)
class LocationScaleLikelihood(LikelihoodConfig, abstract=True):
    """A density with a mean per pixel, and a scale that is learned or fixed."""

    scale: Literal["shared", "per_pixel"] | float = "shared"
    """One learned scale for all pixels, one per pixel from the decoder, or a number: a fixed scale in units of the
    pixel range [0, 1] (standard deviation of normal, scale of laplace)."""

    def check(self) -> None:
        """Refuses a fixed scale that is not positive."""
        self.require(
            isinstance(self.scale, str) or self.scale > 0, "scale", "'shared', 'per_pixel' or a number above 0"
        )

    @property
    def predicts_scale(self) -> bool:
        """Whether the scale comes from the decoder."""
        return self.scale == "per_pixel"

    def head(self, colours: int, make: Callable[[Array, Array], Distribution]) -> LikelihoodHead:
        """Returns the head of `make`: (mean, log scale) [b, h, w, c] each -> p(x|z)."""
        import jax.numpy as jnp
        import numpy as np

        from jaxvae.networks.layers import soft_clip

        if not isinstance(self.scale, str):
            fixed = jnp.log(self.scale)
            return LikelihoodHead(colours, {}, lambda params, output: make(output, jnp.full_like(output, fixed)))
        if self.scale == "per_pixel":

            def per_pixel(params: dict[str, Any], output: Array) -> Distribution:
                mean, log_variance = jnp.split(output, 2, axis=-1)
                return make(mean, soft_clip(START + 0.5 * log_variance, *LOG_SCALE_RANGE))

            return LikelihoodHead(2 * colours, {}, per_pixel)

        def shared(params: dict[str, Any], output: Array) -> Distribution:
            # One scale for all pixels (Rybkin et al. 2021). Adam moves every parameter by about the learning rate a
            # step; the factor brings the scale down from its start within hundreds of steps, where weights need
            # changes of a thousandth.
            return make(output, jnp.broadcast_to(START + 5.0 * params["log_variance"], output.shape))

        return LikelihoodHead(colours, {"log_variance": np.zeros((), np.float32)}, shared)


@dataclass(frozen=True, kw_only=True)
class NormalLikelihood(LocationScaleLikelihood):
    """A Gaussian for each pixel."""

    kind = "normal"

    def build(self, colours: int) -> LikelihoodHead:
        """Returns the head for images of this many colour channels."""
        from jaxvae.distributions.gaussian import Normal

        return self.head(colours, lambda mean, log_scale: Normal(mean, 2.0 * log_scale, 3))


@dataclass(frozen=True, kw_only=True)
class LaplaceLikelihood(LocationScaleLikelihood):
    """A Laplace density for each pixel: the error is the absolute difference."""

    kind = "laplace"

    def build(self, colours: int) -> LikelihoodHead:
        """Returns the head for images of this many colour channels."""
        from jaxvae.distributions.laplace import Laplace

        return self.head(colours, lambda mean, log_scale: Laplace(mean, log_scale, 3))
