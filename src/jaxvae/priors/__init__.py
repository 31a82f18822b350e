"""p(z): distributions over codes that are trained with the model, one kind per `model.prior`, or fitted afterwards."""

from jaxvae.priors.base import LearnedPrior, PriorConfig
from jaxvae.priors.flow_prior import FlowPrior
from jaxvae.priors.full_mixture import FullMixturePrior
from jaxvae.priors.mixture import MixturePrior
from jaxvae.priors.standard_normal import StandardNormal
from jaxvae.priors.vamp import VampPrior

__all__ = [
    "FlowPrior", "FullMixturePrior", "LearnedPrior", "MixturePrior", "PriorConfig", "StandardNormal", "VampPrior",
]  # fmt: skip
