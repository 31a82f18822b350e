"""A normalising flow as prior (Dinh et al. 2017)."""

import math
from dataclasses import dataclass

from jaxvae.errors import UserError
from jaxvae.priors.base import LearnedPrior, PriorConfig


@dataclass(frozen=True, kw_only=True)
class FlowPrior(PriorConfig):
    """RealNVP: affine couplings between N(0, I) and the codes."""

    kind = "flow"

    pairs: int = 4
    """Pairs of affine couplings, each moving one half of the units and then the other."""
    hidden: int = 128
    """Units of the hidden layers of each coupling."""

    def check(self) -> None:
        """Refuses a flow without couplings or hidden units."""
        self.require_at_least(1, "pairs", "hidden")

    def check_latent(self, units: int | None) -> None:
        """Raises `UserError` for codes of a single unit: a coupling needs at least two."""
        if units is not None and units < 2:
            raise UserError(
                f"model.prior is 'flow', but a code has only {units} unit; a coupling needs at least 2: "
                "set --model.latent 2 or more."
            )

    def build(self, latent_shape: tuple[int, ...], image_shape: tuple[int, int, int]) -> LearnedPrior:
        """Returns the prior over codes of `latent_shape`."""
        from jaxvae.priors.flow import build_flow

        self.check_latent(math.prod(latent_shape))
        flow = build_flow(math.prod(latent_shape), self.pairs, self.hidden)
        return LearnedPrior(flow.init, lambda params, encode: flow.distribution(params, latent_shape))
