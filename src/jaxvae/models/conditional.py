"""The conditional VAE: what a model is told of the attributes of an image (Sohn et al. 2015)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jaxvae.config.checks import require
from jaxvae.models.base import GaussianModel

if TYPE_CHECKING:
    from jaxvae.networks.base import Told
    from jaxvae.vae import VAE


@dataclass(frozen=True, kw_only=True)
class ConditionalModel(GaussianModel, abstract=True):
    """A model that can be told attributes of the data set; by default none."""

    attributes: tuple[str, ...] = ()
    """Attributes of the data set that encoder and decoder are told in training, a random part of them for each image.
    The model can then be asked for them: `sample --with`, `interpolate --with`."""
    attribute_values: int = 2
    """Number of values that an attribute can have: 2 for what is there or not, 10 for one of ten classes."""
    attributes_in_encoder: bool = True
    """Tell the encoder, too, so that codes need not say what the decoder is told."""

    def check(self) -> None:
        """Refuses a name twice, and attributes of a single value."""
        super().check()
        require(
            len(set(self.attributes)) == len(self.attributes), "model.attributes", self.attributes, "different names"
        )
        self.require_at_least(2, "attribute_values")

    def build(self, shape: tuple[int, int, int]) -> VAE:
        """Returns the model, with the attributes that it can be told."""
        return super().build(shape)._replace(attributes=self.attributes, attribute_values=self.attribute_values)

    @property
    def told(self) -> Told | None:
        """What the networks are told; None for nothing."""
        from jaxvae.networks.base import Told

        if not self.attributes:
            return None
        return Told(len(self.attributes), self.attribute_values, self.attributes_in_encoder)
