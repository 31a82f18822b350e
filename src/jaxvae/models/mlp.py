"""The dense VAE: fully connected layers on the flattened image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from jaxvae.models.conditional import ConditionalModel

if TYPE_CHECKING:
    from jaxvae.networks import Networks


@dataclass(frozen=True, kw_only=True)
class MLP(ConditionalModel):
    """Dense layers, mirrored in the decoder."""

    hidden: tuple[int, ...] = (400,)
    """Units of the hidden layers of the encoder; the decoder mirrors them."""
    activation: Literal["relu", "tanh", "gated"] = "relu"
    """What follows each hidden layer; `gated` is h * sigmoid(g), with h and g from a layer each."""

    @property
    def convolutional(self) -> bool:
        """False: dense networks are too small for one device per core, and several steps run in one dispatch."""
        return False

    def check(self) -> None:
        """Refuses empty layers, and a code too small for its prior."""
        super().check()
        self.require_sizes("hidden")
        self.prior.check_latent(self.latent)

    def networks(self, shape: tuple[int, int, int], outputs: int) -> Networks:
        """Returns encoder and decoder for images of this shape."""
        from jaxvae.networks.mlp import mlp_networks

        return mlp_networks(
            shape,
            outputs,
            hidden=self.hidden,
            activation=self.activation,
            latent=self.latent,
            log_variance_range=self.log_variance_range,
            dtype=self.dtype,
            told=self.told,
        )
