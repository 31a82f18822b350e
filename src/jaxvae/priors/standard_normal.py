"""N(0, I), the prior of the first VAEs (Kingma & Welling 2014)."""

from dataclasses import dataclass

from jaxvae.priors.base import LearnedPrior, PriorConfig


@dataclass(frozen=True, kw_only=True)
class StandardNormal(PriorConfig):
    """N(0, I): nothing to learn, and a closed form for the KL."""

    factorized = True
    learned = False
    closed_form = True

    def build(self, latent_shape: tuple[int, ...], image_shape: tuple[int, int, int]) -> LearnedPrior:
        """Returns the prior over codes of `latent_shape`."""
        from jaxvae.distributions.gaussian import standard_normal

        return LearnedPrior(lambda key: {}, lambda params, encode: standard_normal(latent_shape))
