"""The objective of a conditional VAE whose codes do not say what the decoder is told."""

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
    from jaxvae.objectives.guessing import ToldTerms


@dataclass(frozen=True, kw_only=True)
class Fader(AnnealedObjective):
    """The ELBO, and a critic that guesses from the code what the decoder is told: the encoder leaves it guessing.

    With the ELBO alone, the code of a large model says nearly all that it says without attributes, and the decoder
    hardly listens to what it is told. After Fader Networks (Lample et al. 2017), here for a VAE.
    """

    hiding: float = 1.0
    """Weight of what the model loses where the critic guesses right, relative to the bound in nats."""
    critic_width: int = 256
    """Units of each of the critic's two hidden layers."""
    critic_learning_rate: float = 1e-3
    """Learning rate of the critic, constant."""

    def check(self) -> None:
        """Refuses a negative weight, and a critic that cannot learn."""
        super().check()
        self.require_at_least(0, "hiding")
        self.require_at_least(1, "critic_width")
        self.require(self.critic_learning_rate > 0, "critic_learning_rate", "above 0")

    def check_model(self, model: ModelConfig, batch_size: int) -> None:
        """Refuses a model that is told nothing."""
        attributes = getattr(model, "attributes", ())
        require(bool(attributes), "model.attributes", attributes, "a list of names for objective 'fader'")

    def build(self, examples: int) -> Objective:
        """Returns the objective."""
        from jaxvae.objectives.bounds import bound_metrics, elbo
        from jaxvae.objectives.guessing import guessing_critic, told_terms

        def value(terms: ToldTerms, step: Step) -> Float[Array, " b"]:
            return elbo(terms.bound, self.weight(step))

        critic = guessing_critic(weight=self.hiding, width=self.critic_width, learning_rate=self.critic_learning_rate)
        return Objective(told_terms, value, lambda terms: bound_metrics(terms.bound), self.weight, critic)
