"""The objective of the autoencoders in front of latent diffusion models: reconstruct, and convince a discriminator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from jaxvae.objectives.base import AnnealedObjective, Critic, Objective

if TYPE_CHECKING:
    from jax import Array
    from jaxtyping import Float

    from jaxvae.annotations import Step
    from jaxvae.models import ModelConfig
    from jaxvae.objectives.reconstruction import ReconstructionTerms

GROUPS = 8  # Of the discriminator's normalisations, in networks/patch_discriminator.py, which imports Flax.


@dataclass(frozen=True, kw_only=True)
class Adversarial(AnnealedObjective):
    """Reconstruction, a small weight of the KL, and what a discriminator of patches says of the reconstructions.

    As in VQGAN (Esser et al. 2021) and latent diffusion (Rombach et al. 2022), with a fixed weight. The reconstruction
    and the KL are sums over an image and a code. `adversarial` is relative to the error per value of an image, so that
    it means the same at any size.
    """

    beta: float = 1e-6
    """Weight of the KL term."""
    reconstruction: Literal["likelihood", "l1"] = "likelihood"
    """What reconstructions are judged by: the model's likelihood, or the sum of absolute differences, under which the
    scale of the likelihood is not learned."""
    adversarial: float = 0.1
    """Weight of the discriminator's opinion relative to the error per pixel value; 0 trains without a discriminator."""
    start: int = 1000
    """Step from which the model hears the discriminator."""
    discriminator_start: int = 0
    """Step from which the discriminator learns; it needs some hundred steps before it is worth listening to."""
    discriminator_width: int = 64
    """Channels of the discriminator's first layer, a multiple of 8; each of the two after it has twice as many."""
    discriminator_learning_rate: float = 1e-4
    """Learning rate of the discriminator, constant."""
    lecam: float = 0.01
    """Weight of the LeCam regulariser, which keeps the discriminator's numbers for images and reconstructions close."""

    def check(self) -> None:
        """Refuses negative weights and steps, and a model that hears a discriminator before it learns."""
        super().check()
        self.require_at_least(0, "adversarial", "start", "discriminator_start", "lecam")
        self.require(self.discriminator_learning_rate > 0, "discriminator_learning_rate", "above 0")
        width = self.discriminator_width
        self.require(width > 0 and width % GROUPS == 0, "discriminator_width", f"a positive multiple of {GROUPS}")
        wanted = f"at most objective.start, {self.start}, from which the model hears the discriminator"
        self.require(self.discriminator_start <= self.start or not self.adversarial, "discriminator_start", wanted)

    def build(self, examples: int) -> Objective:
        """Returns the objective."""
        from functools import partial

        from jaxvae.objectives.bounds import bound_metrics
        from jaxvae.objectives.reconstruction import reconstruction_terms

        def value(terms: ReconstructionTerms, step: Step) -> Float[Array, " b"]:
            return -terms.error - self.weight(step) * terms.kl

        def metrics(terms: ReconstructionTerms) -> dict[str, Any]:
            return bound_metrics(terms) | {"reconstruction_error": terms.error}

        terms = partial(reconstruction_terms, error=self.reconstruction)
        return Objective(terms, value, metrics, self.weight, self._critic())

    def _critic(self) -> Critic | None:
        if not self.adversarial:
            return None
        from jaxvae.objectives.discriminator import discriminator_critic

        return discriminator_critic(
            weight=self.adversarial,
            start=self.start,
            discriminator_start=self.discriminator_start,
            width=self.discriminator_width,
            learning_rate=self.discriminator_learning_rate,
            lecam_weight=self.lecam,
        )

    def collapse_remedy(self, model: ModelConfig, steps: int, learning_rate: float) -> str:
        """Returns a smaller weight of the KL, or of the learning rate where it has none."""
        if not self.beta:
            return f"--train.learning-rate {learning_rate / 3:.2g}"
        return f"--objective.beta {self.beta / 10:g}"

    def prior_remedy(self, model: ModelConfig) -> str:
        """Returns a larger weight of the KL."""
        return f"--objective.beta {10 * self.beta or 1e-6:g}"
