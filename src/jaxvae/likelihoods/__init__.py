"""p(x|z): from the decoder's output to a distribution over images, one kind per `model.likelihood`."""

from jaxvae.likelihoods.base import LikelihoodConfig, LikelihoodHead, StoredBits
from jaxvae.likelihoods.bernoulli import BernoulliLikelihood, ContinuousBernoulliLikelihood
from jaxvae.likelihoods.discretized_logistic import (
    DiscretizedLogisticLikelihood,
    DiscretizedLogisticMixtureLikelihood,
)
from jaxvae.likelihoods.location_scale import LaplaceLikelihood, NormalLikelihood

__all__ = [
    "BernoulliLikelihood",
    "ContinuousBernoulliLikelihood",
    "DiscretizedLogisticLikelihood",
    "DiscretizedLogisticMixtureLikelihood",
    "LaplaceLikelihood",
    "LikelihoodConfig",
    "LikelihoodHead",
    "NormalLikelihood",
    "StoredBits",
]
