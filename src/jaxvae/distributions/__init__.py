"""Probability distributions over images and codes, as immutable pytrees.

A distribution holds the parameters of a batch of independent examples. Shapes, throughout the package:

    parameters, `mean`, `variance`, `stddev`, `mode`    [*b, *event]
    `entropy()`, `kl(other)`                            [*b]
    values: `sample(key, shape=k)`                      [*k, *b, *event]
    `log_prob(value)`                                   [*k, *b]

b are the examples of a batch, the last `event_ndim` axes the event: one image (h, w, c) or one code (d). k are leading
axes, such as importance samples. The mixtures of Gaussians have no b: they are one distribution over codes, their own
axis m being the components. Array annotations allow one group of axes of any number (`*b`); where two meet, as in
[*k, *b, *event], the annotation is "..." and the docstring names the axes.

Logarithms of densities and probabilities, entropies and KL divergences are per example, summed over the event, in nats.
A quantity without a closed form is absent, so that `hasattr(distribution, "entropy")` is the test for it.

    >>> posterior = Normal(mean, log_variance, event_ndim=1)  # [b, d]
    >>> z = posterior.sample(jax.random.key(0), (5,))         # [5, b, d]
    >>> posterior.log_prob(z)                                 # [5, b]
    >>> posterior.kl(standard_normal((d,)))                   # [b]
"""

from jaxvae.distributions.base import Distribution, register_distribution
from jaxvae.distributions.bernoulli import Bernoulli, ContinuousBernoulli
from jaxvae.distributions.gaussian import Normal, standard_normal
from jaxvae.distributions.gaussian_mixture import FullCovarianceMixture, GaussianMixture
from jaxvae.distributions.laplace import Laplace
from jaxvae.distributions.levels import LevelPosterior, Levels
from jaxvae.distributions.logistic import DiscretizedLogistic, DiscretizedLogisticMixture
from jaxvae.distributions.precision_mixture import PrecisionMixture

__all__ = [
    "Bernoulli",
    "ContinuousBernoulli",
    "DiscretizedLogistic",
    "DiscretizedLogisticMixture",
    "Distribution",
    "FullCovarianceMixture",
    "GaussianMixture",
    "Laplace",
    "LevelPosterior",
    "Levels",
    "Normal",
    "PrecisionMixture",
    "register_distribution",
    "standard_normal",
]
