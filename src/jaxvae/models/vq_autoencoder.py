"""The autoencoder of latent diffusion whose codes are rounded to a codebook."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from jaxvae.config.checks import require
from jaxvae.errors import UserError
from jaxvae.models.latent_diffusion import LatentDiffusionModel

if TYPE_CHECKING:
    from jaxvae.config import TrainConfig
    from jaxvae.networks import Networks

FIXED = ("encoder", "codebook")  # Parts of the parameters that no objective trains.


@dataclass(frozen=True, kw_only=True)
class VQAutoencoder(LatentDiffusionModel):
    """The VQGAN in front of a latent diffusion model (Esser et al. 2021, "VQModel" of diffusers).

    The code is the map of `latent` channels before it is rounded, which is what a diffusion model is trained on; the
    decoder rounds each position to the nearest vector of the codebook. The encoder gives no variance: that of q(z|x) is
    fixed and tiny, and the model suits `--objective autoencoder` and `adversarial`.

    It is opened, used and handed back, and its decoder can be tuned. Encoder and codebook stay as they are: what they
    learn from, the distances between codes and their vectors, is in no objective here.
    """

    channels: tuple[int, ...] = (32, 64, 64)
    """Channels at each resolution, finest first; between two of them the image is halved."""
    layers_per_block: int = 1
    """Residual blocks at each resolution of the encoder; the decoder has one more."""
    groups: int = 8
    """Groups of the group normalisations; must divide every entry of model.channels."""
    middle_attention: bool = True
    """Attend over all positions of the coarsest resolution."""
    inner_channels: int = 4
    """Channels between the networks and the 1x1 convolutions that turn them into those of the code and back."""
    codebook_size: int = 256
    """Number of vectors that positions of the code are rounded to."""

    def check(self) -> None:
        """Refuses sizes below 1, groups that do not divide the channels."""
        super().check()
        self.require_at_least(1, "layers_per_block", "groups", "inner_channels", "codebook_size")
        self.require_sizes("channels")
        self.require_levels("channels")
        divided = all(channels % self.groups == 0 for channels in self.channels)
        require(divided, "model.groups", self.groups, f"a divisor of each of model.channels, {list(self.channels)}")
        self.check_tile()

    def check_training(self, train: TrainConfig) -> None:
        """Refuses training from scratch, and that of the encoder or the codebook."""
        if self.start_from is None:
            raise UserError(
                f"model {self.kind!r} cannot be trained from scratch: no objective has the terms that a codebook "
                "learns from; --model.from RUN tunes the decoder of one that was converted."
            )
        if not set(FIXED) <= set(train.freeze):
            raise UserError(
                f"train.freeze is {list(train.freeze)}, but must name {' and '.join(FIXED)} for model {self.kind!r}: "
                f"no objective has the terms that they learn from; add --train.freeze {' '.join(FIXED)}."
            )

    @property
    def stride(self) -> int:
        """Pixels per position of the code."""
        return 2 ** (len(self.channels) - 1)

    def networks(self, shape: tuple[int, int, int], outputs: int) -> Networks:
        """Returns encoder and decoder for images of this shape."""
        from jaxvae.networks.tiles import tiled_networks
        from jaxvae.networks.vq_autoencoder import vq_networks

        build = partial(
            vq_networks,
            outputs=outputs,
            channels=self.channels,
            blocks=self.layers_per_block,
            latent=self.latent,
            inner=self.inner_channels,
            codebook_size=self.codebook_size,
            groups=self.groups,
            attention=self.middle_attention,
            dtype=self.dtype,
        )
        return tiled_networks(build, shape, tile=self.tile, stride=self.stride)
