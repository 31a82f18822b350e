"""The β-TCVAE objective (Chen et al. 2018)."""

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
    from jaxvae.vae import Inference


@dataclass(frozen=True, kw_only=True)
class BetaTCVAE(AnnealedObjective):
    """The ELBO with beta times the total correlation of the code, so that its units become independent."""

    kind = "beta_tcvae"

    def check_model(self, model: ModelConfig, batch_size: int) -> None:
        """Refuses a hierarchy, and a prior whose units are not independent."""
        self.require(not model.hierarchical, "kind", f"another objective, since model {model.kind!r} has levels")
        wanted = "'standard_normal' for objective 'beta_tcvae'"
        require(model.prior.factorized, "model.prior", model.prior.kind, wanted)

    @property
    def per_example(self) -> bool:
        """False: the aggregate posterior is estimated from the batch."""
        return False

    def build(self, examples: int) -> Objective:
        """Returns the objective for a training set of this many images."""
        from jaxvae.objectives.bounds import bound_metrics, variational_terms
        from jaxvae.objectives.total_correlation import tcvae_value

        def value(terms: Inference, step: Step) -> Float[Array, " b"]:
            return tcvae_value(terms, self.weight(step), examples)

        return Objective(variational_terms, value, bound_metrics, self.weight)
