"""The convolutional VAE: convolutions and pooling down to the code, deconvolutions or unpooling back up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from jaxvae.models.conditional import ConditionalModel

if TYPE_CHECKING:
    from jaxvae.networks import Networks
    from jaxvae.vae import VAE


@dataclass(frozen=True, kw_only=True)
class Conv(ConditionalModel):
    """Convolutions that halve the image, and a mirrored decoder."""

    channels: tuple[int, ...] = (32, 64, 128, 256)
    """Channels at each halving of the image, finest first."""
    latent_kind: Literal["vector", "spatial"] = "vector"
    """One vector per image, or a map of h x w x channels at the coarsest resolution."""
    down: Literal["stride", "max_pool", "avg_pool"] = "stride"
    """Halve by a strided 4x4 convolution, or by a 3x3 convolution and pooling."""
    up: Literal["deconv", "unpool"] = "deconv"
    """Double by a transposed 4x4 convolution, or by repeating pixels (unpooling) and a 3x3 convolution."""

    def check(self) -> None:
        """Refuses empty channels, and a code too small for its prior."""
        super().check()
        self.require_sizes("channels")
        self.prior.check_latent(self.latent if self.latent_kind == "vector" else None)

    @property
    def spatial(self) -> bool:
        """Whether codes are maps."""
        return self.latent_kind == "spatial"

    def build(self, shape: tuple[int, int, int]) -> VAE:
        """Returns the model; where codes are maps, its networks take images of other sizes too."""
        vae = super().build(shape)
        if not self.spatial:
            return vae
        return vae._replace(resized=lambda height, width: self.build((height, width, shape[2])))

    def networks(self, shape: tuple[int, int, int], outputs: int) -> Networks:
        """Returns encoder and decoder for images of this shape."""
        from jaxvae.networks.conv import conv_networks

        return conv_networks(
            shape,
            outputs,
            channels=self.channels,
            latent=self.latent,
            spatial=self.latent_kind == "spatial",
            log_variance_range=self.log_variance_range,
            down=self.down,
            up=self.up,
            dtype=self.dtype,
            told=self.told,
        )
