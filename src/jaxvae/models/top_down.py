"""The top-down hierarchical VAE, with maps of latents at several resolutions (Child 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from jaxvae.models.base import ModelConfig

if TYPE_CHECKING:
    from jaxvae.vae import VAE


@dataclass(frozen=True, kw_only=True)
class TopDown(ModelConfig):
    """A ladder of latent maps, drawn from the coarsest to the finest; `model.prior` is that of the coarsest."""

    hierarchical = True

    stem: tuple[int, ...] = (32, 64)
    """Channels of the convolutions between the image and the finest level, each of which halves it; () for none."""
    channels: tuple[int, ...] = (64, 96, 128, 128)
    """Channels of the maps at each level, finest first; each level is half the size of the one before."""
    blocks: tuple[int, ...] = (3, 3, 2, 1)
    """Top-down blocks at each level, finest first; the coarsest level has 1."""
    encoder_blocks: tuple[int, ...] | None = None
    """Residual blocks of the encoder at each level, finest first; as many as `blocks` by default."""
    middle: int = 32
    """Channels of the convolutions inside a block."""
    latent: int | tuple[int, ...] = 8
    """Channels of the code of each block: one number, or one for each level, finest first."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Type that the blocks compute in; parameters, codes, likelihood and KL stay float32."""

    def check(self) -> None:
        """Refuses levels of different numbers, and levels without channels or blocks."""
        self.require_at_least(1, "middle")
        for name, least in (("stem", 1), ("channels", 1), ("blocks", 1), ("encoder_blocks", 0), ("latent", 1)):
            value = getattr(self, name)
            if value is None:
                continue
            sizes = (value,) * len(self.blocks) if isinstance(value, int) else value
            self.require(all(size >= least for size in sizes), name, f"numbers of at least {least}")
            if name in ("channels", "encoder_blocks", "latent"):
                wanted = f"one number for each of the {len(self.blocks)} levels of model.blocks"
                self.require(len(sizes) == len(self.blocks), name, wanted)
        # With a second block q of the coarsest level would depend on a draw of the first, not on the image alone.
        self.require(self.blocks[-1:] == (1,), "blocks", "one number for each level, 1 for the coarsest, the last")

    def check_image(self, shape: tuple[int, int, int]) -> None:
        """Refuses more levels than the image halves."""
        halvings = len(self.stem) + len(self.blocks) - 1
        most = (max(shape[0], shape[1]) - 1).bit_length()
        self.require(
            halvings <= most,
            "blocks",
            f"at most {most - len(self.stem) + 1} levels for images of {shape[0]}x{shape[1]} pixels after the "
            f"{len(self.stem)} halvings of model.stem",
        )

    def build(self, shape: tuple[int, int, int]) -> VAE:
        """Returns the model for images of this height, width and number of channels."""
        from jaxvae.models.hierarchical import hierarchical_vae
        from jaxvae.networks.top_down import top_down_networks

        self.check_image(shape)
        head = self.likelihood.build(shape[2])
        networks = top_down_networks(
            shape,
            head.outputs,
            stem=self.stem,
            channels=self.channels,
            blocks=self.blocks,
            encoder_blocks=self.blocks if self.encoder_blocks is None else self.encoder_blocks,
            middle=self.middle,
            latent=(self.latent,) * len(self.blocks) if isinstance(self.latent, int) else self.latent,
            dtype=self.dtype,
        )
        return hierarchical_vae(networks, head, self.prior.build(networks.shapes[0], shape))
