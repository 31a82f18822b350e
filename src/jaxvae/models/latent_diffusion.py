"""What the models in front of a latent diffusion model share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from jaxvae.models.base import ModelConfig

if TYPE_CHECKING:
    from jaxvae.vae import VAE

MOST_LEVELS = 16  # The image is halved between two of them.


@dataclass(frozen=True, kw_only=True)
class LatentDiffusionModel(ModelConfig, abstract=True):
    """A model whose code is a map [h, w, latent] that a diffusion model is trained on.

    The diffusion model sees (z - shift_factor) * scaling_factor. The last four fields describe that for others; the
    model itself does not use them.
    """

    latent: int = 4
    """Number of channels of the code."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Type that the networks compute in; parameters, likelihood and KL stay float32."""
    tile: int | None = None
    """Side in pixels of the tiles in which larger images are encoded and decoded, with blended overlaps; memory is then
    that of a tile. None takes the whole image at once."""
    scaling_factor: float = 1.0
    """Factor by which a diffusion model multiplies codes; recorded for it, without effect here."""
    shift_factor: float | None = None
    """Number that a diffusion model subtracts from codes before it scales them; recorded for it, without effect
    here."""
    latents_mean: tuple[float, ...] = ()
    """Mean of each channel of the code, where a diffusion model uses one; recorded for it, without effect here."""
    latents_std: tuple[float, ...] = ()
    """Standard deviation of each channel of the code, likewise."""

    @property
    def spatial(self) -> bool:
        """True: codes are maps."""
        return True

    def build(self, shape: tuple[int, int, int]) -> VAE:
        """Returns the model for images of this height, width and number of channels; others have its parameters too."""
        vae = super().build(shape)
        return vae._replace(resized=lambda height, width: self.build((height, width, shape[2])))

    @property
    def stride(self) -> int:
        """Pixels per position of the code."""
        raise TypeError(
            f"{type(self).__name__} has no `stride`; a model in front of a diffusion model must define one."
        )

    def check(self) -> None:
        """Refuses a code without channels, numbers per channel that are not as many, and tiles that do not fit."""
        self.require_at_least(1, "latent")
        self.require(self.scaling_factor != 0, "scaling_factor", "a number other than 0")
        for name in ("latents_mean", "latents_std"):
            wanted = f"one number for each of the {self.latent} channels of the code, or none"
            self.require(len(getattr(self, name)) in (0, self.latent), name, wanted)
        self.prior.check_latent(None)

    def check_tile(self) -> None:
        """Raises `UserError` unless tiles are whole positions of the code, with room for an overlap."""
        if self.tile is not None:
            wanted = f"a multiple of {self.stride}, the stride of the model, of at least {2 * self.stride}"
            self.require(self.tile >= 2 * self.stride and self.tile % self.stride == 0, "tile", wanted)

    def require_levels(self, name: str) -> None:
        """Raises `UserError` unless the field has a number for each of 1 to `MOST_LEVELS` resolutions."""
        wanted = f"one number for each of 1 to {MOST_LEVELS} resolutions"
        self.require(1 <= len(getattr(self, name)) <= MOST_LEVELS, name, wanted)
