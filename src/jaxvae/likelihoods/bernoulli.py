"""Binary pixels, and their continuous relaxation on [0, 1]."""

from dataclasses import dataclass

from jaxvae.likelihoods.base import LikelihoodConfig, LikelihoodHead


@dataclass(frozen=True, kw_only=True)
class BernoulliLikelihood(LikelihoodConfig):
    """A coin for each pixel; of grey values it is a cross-entropy, not a log-likelihood."""

    kind = "bernoulli"
    pixels = ("binarized", "scaled")
    density = False

    def build(self, colours: int) -> LikelihoodHead:
        """Returns the head for images of this many colour channels."""
        from jaxvae.distributions.bernoulli import Bernoulli

        return LikelihoodHead(colours, {}, lambda params, output: Bernoulli(output, 3))


@dataclass(frozen=True, kw_only=True)
class ContinuousBernoulliLikelihood(LikelihoodConfig):
    """The continuous Bernoulli density for each pixel (Loaiza-Ganem & Cunningham 2019)."""

    kind = "continuous_bernoulli"

    def build(self, colours: int) -> LikelihoodHead:
        """Returns the head for images of this many colour channels."""
        from jaxvae.distributions.bernoulli import ContinuousBernoulli

        return LikelihoodHead(colours, {}, lambda params, output: ContinuousBernoulli(output, 3))
