"""The InfoVAE and the WAE with the maximum mean discrepancy (Zhao et al. 2019; Tolstikhin et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jaxvae.config.checks import require
from jaxvae.objectives.base import AnnealedObjective, Objective

if TYPE_CHECKING:
    from jax import Array
    from jaxtyping import Float

    from jaxvae.annotations import Step
    from jaxvae.models import ModelConfig
    from jaxvae.objectives.discrepancy import DiscrepancyTerms


@dataclass(frozen=True, kw_only=True)
class MMD(AnnealedObjective):
    """The ELBO less a multiple of the squared maximum mean discrepancy between codes and prior."""

    mmd_weight: float = 1000.0
    """Weight of the squared maximum mean discrepancy; with beta 0 this is the WAE-MMD."""

    def check(self) -> None:
        """Refuses a negative weight."""
        super().check()
        self.require_at_least(0, "mmd_weight")

    def check_model(self, model: ModelConfig, batch_size: int) -> None:
        """Refuses batches of one image, which leave nothing to compare."""
        wanted = "at least 2 for objective 'mmd', which compares codes"
        require(batch_size >= 2, "train.batch_size", batch_size, wanted)

    @property
    def per_example(self) -> bool:
        """False: codes of a batch are compared with one another."""
        return False

    def build(self, examples: int) -> Objective:
        """Returns the objective."""
        from jaxvae.objectives.bounds import bound_metrics
        from jaxvae.objectives.discrepancy import discrepancy_terms, mmd_value

        def value(terms: DiscrepancyTerms, step: Step) -> Float[Array, " b"]:
            return mmd_value(terms, self.weight(step), self.mmd_weight)

        return Objective(discrepancy_terms, value, lambda terms: bound_metrics(terms.inference), self.weight)
