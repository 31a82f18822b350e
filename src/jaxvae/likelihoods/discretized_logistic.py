"""Probabilities of the 256 stored pixel values: a logistic, or a mixture of them, integrated over each bin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jaxvae.likelihoods.base import LOG_SCALE_RANGE, START, LikelihoodConfig, LikelihoodHead, StoredBits

if TYPE_CHECKING:
    from jax import Array

    from jaxvae.distributions import DiscretizedLogistic, DiscretizedLogisticMixture


@dataclass(frozen=True, kw_only=True)
class DiscretizedLogisticLikelihood(LikelihoodConfig):
    """A discretised logistic for each pixel and colour."""

    kind = "discretized_logistic"
    pixels = ("scaled",)
    density = False

    def build(self, colours: int) -> LikelihoodHead:
        """Returns the head for images of this many colour channels."""
        import jax.numpy as jnp

        from jaxvae.distributions.logistic import DiscretizedLogistic
        from jaxvae.networks.layers import soft_clip

        def distribution(params: dict[str, Any], output: Array) -> DiscretizedLogistic:
            location, log_scale = jnp.split(output, 2, axis=-1)
            return DiscretizedLogistic(0.5 + location, soft_clip(START + log_scale, *LOG_SCALE_RANGE), 3)

        return LikelihoodHead(2 * colours, {}, distribution)

    def stored_bits(self, pixels: str) -> StoredBits:
        """Returns 8 bits: the likelihood is a probability of the stored values."""
        return StoredBits(8, 0)


@dataclass(frozen=True, kw_only=True)
class DiscretizedLogisticMixtureLikelihood(LikelihoodConfig):
    """A mixture of discretised logistics for each pixel, with coupled colours (Salimans et al. 2017)."""

    kind = "discretized_logistic_mixture"
    pixels = ("scaled",)
    density = False

    components: int = 10
    """Logistics per pixel."""

    def check(self) -> None:
        """Refuses a mixture without components."""
        self.require_at_least(1, "components")

    def build(self, colours: int) -> LikelihoodHead:
        """Returns the head for images of this many colour channels."""
        import jax.numpy as jnp

        from jaxvae.distributions.logistic import DiscretizedLogisticMixture
        from jaxvae.networks.layers import soft_clip

        count, pairs = self.components, colours * (colours - 1) // 2

        def distribution(params: dict[str, Any], output: Array) -> DiscretizedLogisticMixture:
            def grouped(start: int, groups: int) -> Array:
                part = output[..., start * count : (start + groups) * count]
                return part.reshape(*output.shape[:-1], groups, count)

            return DiscretizedLogisticMixture(
                logits=output[..., :count],
                locations=0.5 + grouped(1, colours),
                log_scales=soft_clip(START + grouped(1 + colours, colours), *LOG_SCALE_RANGE),
                couplings=jnp.tanh(grouped(1 + 2 * colours, pairs)),
            )

        return LikelihoodHead((1 + 2 * colours + pairs) * count, {}, distribution)

    def stored_bits(self, pixels: str) -> StoredBits:
        """Returns 8 bits: the likelihood is a probability of the stored values."""
        return StoredBits(8, 0)
