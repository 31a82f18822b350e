"""What the models in front of a latent diffusion model share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jaxvae.models.base import ModelConfig

MOST_LEVELS = 16  # The image is halved between two of them.


@dataclass(frozen=True, kw_only=True)
class LatentDiffusionModel(ModelConfig, abstract=True):
    """A model whose code is a map [h, w, latent] that a diffusion model is trained on.

    The diffusion model sees (z - shift_factor) * scaling_factor. The four numbers below describe that for others; the
    model itself does not use them.
    """

    latent: int = 4
    """Number of channels of the code."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Type that the networks compute in; parameters, likelihood and KL stay float32."""
    scaling_factor: float = 1.0
    """Factor by which a diffusion model multiplies codes; recorded for it, without effect here."""
    shift_factor: float | None = None
    """Number that a diffusion model subtracts from codes before it scales them; recorded for it, without effect
    here."""
    latents_mean: tuple[float, ...] = ()
    """Mean of each channel of the code, where a diffusion model uses one; recorded for it, without effect here."""
    latents_std: tuple[float, ...] = ()
    """Standard deviation of each channel of the code, likewise."""

    def check(self) -> None:
        """Refuses a code without channels, and numbers per channel that are not as many."""
        self.require_at_least(1, "latent")
        self.require(self.scaling_factor != 0, "scaling_factor", "a number other than 0")
        for name in ("latents_mean", "latents_std"):
            wanted = f"one number for each of the {self.latent} channels of the code, or none"
            self.require(len(getattr(self, name)) in (0, self.latent), name, wanted)
        self.prior.check_latent(None)

    def require_levels(self, name: str) -> None:
        """Raises `UserError` unless the field has a number for each of 1 to `MOST_LEVELS` resolutions."""
        wanted = f"one number for each of 1 to {MOST_LEVELS} resolutions"
        self.require(1 <= len(getattr(self, name)) <= MOST_LEVELS, name, wanted)
