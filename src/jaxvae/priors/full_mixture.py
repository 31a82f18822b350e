"""A learned mixture of Gaussians with full covariances as prior."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jaxvae.errors import UserError
from jaxvae.priors.base import LearnedPrior, PriorConfig

if TYPE_CHECKING:
    from jaxvae.annotations import Params, PRNGKey

MOST_UNITS = 1024  # Each Gaussian has half a million parameters then.

# Adam moves a parameter by about the learning rate, whatever its gradient. That suits weights of a few hundredths;
# means and regression coefficients have whole units to go. The parameters are these values divided by STEP.
STEP = 5.0


@dataclass(frozen=True, kw_only=True)
class FullMixturePrior(PriorConfig):
    """Gaussians with full covariances, trained with the model: codes may correlate, and gather in groups."""

    kind = "full_mixture"

    components: int = 20
    """Number of Gaussians."""

    def check(self) -> None:
        """Refuses a mixture without components."""
        self.require_at_least(1, "components")

    def check_latent(self, units: int | None) -> None:
        """Raises `UserError` for codes of so many units that their covariances have too many parameters."""
        if units is not None and units > MOST_UNITS:
            raise UserError(
                f"model.prior is 'full_mixture', but a code has {units} units, and full covariances are for at most "
                f"{MOST_UNITS}; use --model.prior standard_normal, mixture or vamp, or a smaller code."
            )

    def build(self, latent_shape: tuple[int, ...], image_shape: tuple[int, int, int]) -> LearnedPrior:
        """Returns the prior over codes of `latent_shape`."""
        import jax
        import jax.numpy as jnp

        from jaxvae.distributions.precision_mixture import PrecisionMixture
        from jaxvae.priors.row_prior import RowPrior

        units = math.prod(latent_shape)
        self.check_latent(units)

        def init(key: PRNGKey) -> Params:
            # Nearly N(0, I), with the components barely apart, as the mixture of diagonal covariances begins.
            return {
                "logits": jnp.zeros(self.components),
                "means": 0.1 / STEP * jax.random.normal(key, (self.components, units)),
                "log_scales": jnp.zeros((self.components, units)),
                "lower": jnp.zeros((self.components, units, units)),
            }

        def distribution(params: Params, encode: Any) -> RowPrior:
            return RowPrior(PrecisionMixture(**jax.tree.map(lambda part: STEP * part, params)), jnp.zeros(latent_shape))

        return LearnedPrior(init, distribution)
