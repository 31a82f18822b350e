"""A learned mixture of Gaussians as prior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jaxvae.priors.base import LearnedPrior, PriorConfig

if TYPE_CHECKING:
    from jaxvae.annotations import Params, PRNGKey


@dataclass(frozen=True, kw_only=True)
class MixturePrior(PriorConfig):
    """Gaussians with diagonal covariances, trained with the model."""

    kind = "mixture"

    components: int = 100
    """Number of Gaussians."""

    def check(self) -> None:
        """Refuses a mixture without components."""
        self.require_at_least(1, "components")

    def build(self, latent_shape: tuple[int, ...], image_shape: tuple[int, int, int]) -> LearnedPrior:
        """Returns the prior over codes of `latent_shape`."""
        import jax
        import jax.numpy as jnp

        from jaxvae.distributions.gaussian_mixture import GaussianMixture

        def init(key: PRNGKey) -> Params:
            shape = (self.components, *latent_shape)
            # Nearly N(0, I), with the components barely apart: in many dimensions all draws are far from one another,
            # and components spread wider would miss each other and the codes.
            return {
                "logits": jnp.zeros(self.components),
                "means": 0.1 * jax.random.normal(key, shape),
                "log_variances": jnp.zeros(shape),
            }

        return LearnedPrior(init, lambda params, encode: GaussianMixture(**params))
