"""The objective of the autoencoders in front of latent diffusion models: reconstruct, and convince a discriminator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from jaxvae.errors import UserError
from jaxvae.objectives.base import AnnealedObjective, Critic, Objective

if TYPE_CHECKING:
    from jax import Array
    from jaxtyping import Float

    from jaxvae.annotations import ArrayLike, Step
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
    perceptual: float = 0.0
    """Weight of a perceptual distance relative to the error per pixel value; needs objective.perceptual-distance."""
    perceptual_distance: str | None = None
    """squeeze, features of SqueezeNet (needs jaxvae[perceptual]), or FILE.py:FUNCTION of your own: a JAX function of
    images and reconstructions, [b, h, w, c] in [0, 1] each, that returns one distance per image."""
    equivariance: float = 0.0
    """Weight of the equivariance regulariser for codes that are maps: the error of the decoded code, turned, flipped or
    shrunk at random, against the image moved alike. The reconstruction has weight 1."""
    equivariance_halvings: int = 1
    """How often at most the code is halved for that; 0 only turns and flips it."""
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
        self.require_at_least(
            0,
            "perceptual",
            "equivariance",
            "equivariance_halvings",
            "adversarial",
            "start",
            "discriminator_start",
            "lecam",
        )
        self.require(self.discriminator_learning_rate > 0, "discriminator_learning_rate", "above 0")
        width = self.discriminator_width
        self.require(width > 0 and width % GROUPS == 0, "discriminator_width", f"a positive multiple of {GROUPS}")
        wanted = f"at most objective.start, {self.start}, from which the model hears the discriminator"
        self._check_distance()
        self.require(self.discriminator_start <= self.start or not self.adversarial, "discriminator_start", wanted)

    def check_model(self, model: ModelConfig, batch_size: int) -> None:
        """Refuses the equivariance regulariser for codes that are not maps."""
        wanted = f"0, since codes of model {model.kind!r} with these settings are not maps"
        self.require(self.equivariance == 0 or model.spatial, "equivariance", wanted)

    def _check_distance(self) -> None:
        name = self.perceptual_distance
        # Not the file itself: a run opens where it is no longer there.
        well_formed = name in (None, "squeeze") or (".py:" in name and name.rpartition(":")[2].isidentifier())
        self.require(well_formed, "perceptual_distance", "'squeeze' or FILE.py:FUNCTION")
        self.require(
            self.perceptual == 0 or name is not None, "perceptual", "0 unless objective.perceptual_distance is given"
        )
        self.require(
            self.perceptual > 0 or name is None, "perceptual_distance", "omitted, or objective.perceptual be above 0"
        )

    def check_files(self) -> None:
        """Refuses a perceptual distance whose network, file or function is missing. A file is read, not executed."""
        if self.perceptual_distance == "squeeze":
            from jaxvae.perceptual.weights import require_squeezenet

            require_squeezenet()
        elif self.perceptual_distance is not None:
            from jaxvae.config.user_code import check_function

            check_function(self.perceptual_distance, "objective.perceptual_distance")

    def check_images(self, shape: tuple[int, int, int]) -> None:
        """Refuses images that the perceptual network cannot look at."""
        if self.perceptual_distance != "squeeze":
            return
        from jaxvae.perceptual.squeezenet import SMALLEST_SIDE

        if min(shape[:2]) < SMALLEST_SIDE or shape[2] not in (1, 3):
            height, width, channels = shape
            raise UserError(
                f"objective.perceptual_distance is 'squeeze', which needs images of at least {SMALLEST_SIDE} pixels a "
                f"side and 1 or 3 channels; these are {height}x{width}x{channels}."
            )

    def build(self, examples: int) -> Objective:
        """Returns the objective."""
        from functools import partial

        from jaxvae.objectives.bounds import bound_metrics
        from jaxvae.objectives.equivariance import equivariant_terms
        from jaxvae.objectives.reconstruction import reconstruction_terms

        def value(terms: ReconstructionTerms, step: Step) -> Float[Array, " b"]:
            total = -terms.error - self.weight(step) * terms.kl
            if terms.perceptual is not None:  # The error is a sum over the values of an image.
                total -= self.perceptual * terms.reconstruction[0].size * terms.perceptual
            if terms.equivariance is not None:
                total -= self.equivariance * terms.equivariance
            return total

        def metrics(terms: ReconstructionTerms) -> dict[str, Any]:
            own = {
                "reconstruction_error": terms.error,
                "perceptual_distance": terms.perceptual,
                "equivariance_error": terms.equivariance,
            }
            return bound_metrics(terms) | {name: each for name, each in own.items() if each is not None}

        distance = None if self.perceptual_distance is None else self._distance
        plain = partial(reconstruction_terms, error=self.reconstruction, distance=distance)
        moved = partial(equivariant_terms, plain, error=self.reconstruction, halvings=self.equivariance_halvings)
        terms = moved if self.equivariance else plain
        return Objective(terms, value, metrics, self.weight, self._critic())

    def _distance(self, x: Float[ArrayLike, "b h w c"], y: Float[ArrayLike, "b h w c"]) -> Float[Array, " b"]:
        # The file is read when a distance is computed: whoever only opens a run executes nothing that it names.
        from jaxvae.objectives.perceptual import build_distance

        return build_distance(str(self.perceptual_distance))(x, y)

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

    def won_remedy(self, learning_rate: float) -> str:
        """Returns a larger weight of the regulariser."""
        return f"--objective.lecam {max(10 * self.lecam, 0.01):g}"

    def asleep_remedy(self, learning_rate: float) -> str:
        """Returns a larger learning rate of the discriminator."""
        return f"--objective.discriminator-learning-rate {4 * self.discriminator_learning_rate:g}"

    def prior_remedy(self, model: ModelConfig) -> str:
        """Returns a larger weight of the KL."""
        return f"--objective.beta {10 * self.beta or 1e-6:g}"
