"""The importance-weighted bound as objective (Burda et al. 2016)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jaxvae.objectives.base import Objective, ObjectiveConfig

if TYPE_CHECKING:
    from jax import Array
    from jaxtyping import Float

    from jaxvae.annotations import Step


@dataclass(frozen=True, kw_only=True)
class IWAE(ObjectiveConfig):
    """The importance-weighted bound on log p(x), tighter with every sample."""

    samples: int = 5
    """Importance samples per image."""
    doubly_reparameterized: bool = False
    """Use the gradient of Tucker et al. 2019, whose signal does not fade as samples grow."""

    def check(self) -> None:
        """Refuses a bound without samples."""
        self.require_at_least(1, "samples")

    def weight(self, step: Step) -> Float[Array, ""]:
        """Returns 1: the bound has no weight to anneal."""
        import jax.numpy as jnp

        return jnp.ones(())

    def build(self, examples: int) -> Objective:
        """Returns the objective."""
        from functools import partial

        from jaxvae.objectives.importance import bound_of, importance_metrics, importance_terms

        terms = partial(importance_terms, samples=self.samples, doubly=self.doubly_reparameterized)
        return Objective(terms, bound_of, importance_metrics, self.weight)
