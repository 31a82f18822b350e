"""The small and fast stand-in for the autoencoder of latent diffusion."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from jaxvae.config.checks import require
from jaxvae.models.latent_diffusion import LatentDiffusionModel

if TYPE_CHECKING:
    from jaxvae.networks import Networks


@dataclass(frozen=True, kw_only=True)
class TinyAutoencoder(LatentDiffusionModel):
    """A plain autoencoder of convolutions and rectifiers ("AutoencoderTiny" of diffusers, TAESD).

    The code is a map of `latent` channels. The encoder gives no variance: that of q(z|x) is fixed and tiny, and the
    model suits `--objective autoencoder`.
    """

    encoder_channels: int = 32
    """Channels of every layer of the encoder."""
    decoder_channels: int = 32
    """Channels of every layer of the decoder."""
    encoder_blocks: tuple[int, ...] = (1, 2, 2)
    """Residual blocks at each resolution of the encoder, finest first; between two of them the image is halved."""
    decoder_blocks: tuple[int, ...] = (2, 2, 1)
    """Residual blocks at each resolution of the decoder, coarsest first."""
    middle_pool: bool = False
    """Give the blocks at the coarsest resolution a branch whose normalisation looks at the whole image."""

    def check(self) -> None:
        """Refuses sizes below 1, and an encoder and decoder of different strides."""
        super().check()
        self.require_at_least(1, "encoder_channels", "decoder_channels")
        self.require_levels("encoder_blocks")
        for name in ("encoder_blocks", "decoder_blocks"):
            self.require(all(blocks >= 0 for blocks in getattr(self, name)), name, "numbers of at least 0")
        wanted = f"one number for each of the {len(self.encoder_blocks)} resolutions of model.encoder_blocks"
        require(
            len(self.decoder_blocks) == len(self.encoder_blocks), "model.decoder_blocks", self.decoder_blocks, wanted
        )
        self.check_tile()

    @property
    def stride(self) -> int:
        """Pixels per position of the code."""
        return 2 ** (len(self.encoder_blocks) - 1)

    def networks(self, shape: tuple[int, int, int], outputs: int) -> Networks:
        """Returns encoder and decoder for images of this shape."""
        from jaxvae.networks.tiles import tiled_networks
        from jaxvae.networks.tiny_autoencoder import tiny_networks

        build = partial(
            tiny_networks,
            outputs=outputs,
            encoder_channels=self.encoder_channels,
            decoder_channels=self.decoder_channels,
            encoder_blocks=self.encoder_blocks,
            decoder_blocks=self.decoder_blocks,
            latent=self.latent,
            pool=self.middle_pool,
            dtype=self.dtype,
        )
        return tiled_networks(build, shape, tile=self.tile, stride=self.stride)
