"""The autoencoder of latent diffusion, whose code is a map."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from jaxvae.config.checks import require
from jaxvae.models.latent_diffusion import LatentDiffusionModel

if TYPE_CHECKING:
    from jaxvae.networks import Networks


@dataclass(frozen=True, kw_only=True)
class KLAutoencoder(LatentDiffusionModel):
    """The KL autoencoder in front of a latent diffusion model (Rombach et al. 2022, "AutoencoderKL" of diffusers).

    The code is a map of `latent` channels; each entry of `channels` after the first halves height and width. The
    log-variance of q(z|x) is clipped to [-30, 20].
    """

    channels: tuple[int, ...] = (32, 64, 64)
    """Channels at each resolution, finest first; between two of them the image is halved."""
    layers_per_block: int = 1
    """Residual blocks at each resolution of the encoder; the decoder has one more."""
    groups: int = 8
    """Groups of the group normalisations; must divide every entry of model.channels."""
    middle_attention: bool = True
    """Attend over all positions of the coarsest resolution."""
    quant_conv: bool = True
    """End the encoder with a 1x1 convolution of mean and log-variance."""
    post_quant_conv: bool = True
    """Begin the decoder with a 1x1 convolution of the code."""

    def check(self) -> None:
        """Refuses sizes below 1, groups that do not divide the channels."""
        super().check()
        self.require_at_least(1, "layers_per_block", "groups")
        self.require_sizes("channels")
        self.require_levels("channels")
        divided = all(channels % self.groups == 0 for channels in self.channels)
        require(divided, "model.groups", self.groups, f"a divisor of each of model.channels, {list(self.channels)}")
        self.check_tile()

    @property
    def stride(self) -> int:
        """Pixels per position of the code."""
        return 2 ** (len(self.channels) - 1)

    def networks(self, shape: tuple[int, int, int], outputs: int) -> Networks:
        """Returns encoder and decoder for images of this shape."""
        from jaxvae.networks.kl_autoencoder import kl_networks
        from jaxvae.networks.tiles import tiled_networks

        build = partial(
            kl_networks,
            outputs=outputs,
            channels=self.channels,
            blocks=self.layers_per_block,
            latent=self.latent,
            groups=self.groups,
            attention=self.middle_attention,
            quant_conv=self.quant_conv,
            post_quant_conv=self.post_quant_conv,
            dtype=self.dtype,
        )
        return tiled_networks(build, shape, tile=self.tile, stride=self.stride)
