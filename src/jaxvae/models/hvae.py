"""The two-level VAE (Tomczak & Welling 2018), the smallest hierarchy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from jaxvae.models.base import ModelConfig

if TYPE_CHECKING:
    from jaxvae.vae import VAE


@dataclass(frozen=True, kw_only=True)
class HVAE(ModelConfig):
    """Two levels of latents, z2 above z1, with gated layers; `model.prior` is that of z2."""

    hierarchical = True

    layers: Literal["dense", "conv"] = "dense"
    """Dense layers alone, or convolutions next to the images."""
    hidden: int = 300
    """Units of each gated layer."""
    latent: tuple[int, int] = (40, 40)
    """Units of z2, the top level, and of z1."""
    log_variance_range: tuple[float, float] = (-6.0, 2.0)
    """Bounds of the log-variances of both levels, approached smoothly."""

    @property
    def convolutional(self) -> bool:
        """Whether convolutions stand next to the images."""
        return self.layers == "conv"

    def check(self) -> None:
        """Refuses levels without units, and bounds that leave the log-variances no room."""
        self.require_at_least(1, "hidden")
        self.require(min(self.latent) >= 1, "latent", "at least 1 unit for each level")
        low, high = self.log_variance_range
        self.require(high - low >= 4, "log_variance_range", "the lower bound, then the upper one, at least 4 above it")
        self.prior.check_latent(self.latent[0])

    def build(self, shape: tuple[int, int, int]) -> VAE:
        """Returns the model for images of this height, width and number of channels."""
        from jaxvae.models.hierarchical import hierarchical_vae
        from jaxvae.networks.two_levels import two_level_networks

        head = self.likelihood.build(shape[2])
        networks = two_level_networks(
            shape,
            head.outputs,
            hidden=self.hidden,
            latent=self.latent,
            log_variance_range=self.log_variance_range,
            convolutional=self.layers == "conv",
        )
        return hierarchical_vae(networks, head, self.prior.build(networks.shapes[0], shape))
