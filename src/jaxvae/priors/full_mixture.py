"""A learned mixture of Gaussians with full covariances as prior."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jaxvae.errors import UserError
from jaxvae.priors.base import LearnedPrior, PriorConfig

if TYPE_CHECKING:
    from jaxvae.annotations import Params, PRNGKey
    from jaxvae.distributions.gaussian_mixture import FullCovarianceMixture

MOST_UNITS = 1024  # Each Gaussian has half a million parameters then.

SEED = 0  # Of the fits.
SMALLEST_WEIGHT = 1e-6  # Of a Gaussian that a fit to few codes does without.


@dataclass(frozen=True, kw_only=True)
class FullMixturePrior(PriorConfig):
    """Gaussians with full covariances, trained with the model: codes may correlate, and gather in groups.

    Gradients alone let one or two of the Gaussians take all codes. So every `refit_every` steps all are fitted to codes
    of training images by expectation maximisation, which raises the same bound, and follow by gradients from there.
    """

    kind = "full_mixture"

    components: int = 20
    """Number of Gaussians."""
    refit_every: int = 1000
    """Steps between fits to codes of training images, each of which takes some seconds; they are also fitted after the
    last step. 0 leaves everything to gradients."""

    def check(self) -> None:
        """Refuses a mixture without components, and negative steps."""
        self.require_at_least(1, "components")
        self.require_at_least(0, "refit_every")

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
        import numpy as np

        from jaxvae.distributions.precision_mixture import PrecisionMixture
        from jaxvae.priors.fit_mixture import fit_mixture
        from jaxvae.priors.row_prior import RowPrior

        units = math.prod(latent_shape)
        self.check_latent(units)

        def init(key: PRNGKey) -> Params:
            # Nearly N(0, I), with the components barely apart, as the mixture of diagonal covariances begins.
            return {
                "logits": jnp.zeros(self.components),
                "means": 0.1 * jax.random.normal(key, (self.components, units)),
                "log_scales": jnp.zeros((self.components, units)),
                "lower": jnp.zeros((self.components, units, units)),
            }

        def distribution(params: Params, encode: Any) -> RowPrior:
            return RowPrior(PrecisionMixture(**params), np.zeros(latent_shape, np.float32))

        def refit(params: Params, codes: Any) -> Params:
            # From the present one, which gradients have kept near, except where it left components without codes.
            fitted = fit_mixture(codes, self.components, SEED, PrecisionMixture(**params).with_factors)
            return params if fitted is None else by_precisions(fitted, self.components)

        return LearnedPrior(init, distribution, refit_every=self.refit_every, refit=refit)


def by_precisions(mixture: FullCovarianceMixture, components: int) -> Params:
    """Returns the parameters of the same mixture, filled up to this number of components by some of no weight."""
    import numpy as np

    roots = np.linalg.inv(np.asarray(mixture.factors, np.float64))
    scales = np.diagonal(roots, axis1=1, axis2=2)
    lower = np.tril(roots / scales[:, :, None], -1)
    weights = np.maximum(np.asarray(mixture.weights, np.float64), SMALLEST_WEIGHT)
    missing = components - len(weights)
    # Those without weight repeat the first.
    chosen = np.concatenate([np.arange(len(weights)), np.zeros(missing, int)])
    logits = np.log(np.concatenate([weights, np.full(missing, SMALLEST_WEIGHT)]))
    parts = {"logits": logits, "means": np.asarray(mixture.means)[chosen], "log_scales": np.log(scales)[chosen],
             "lower": lower[chosen]}  # fmt: skip
    return {name: part.astype(np.float32) for name, part in parts.items()}
