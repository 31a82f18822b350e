"""A distribution over rows as a prior over codes of any shape."""

from dataclasses import dataclass

import jax
from jax import Array
from jaxtyping import Float

from jaxvae.annotations import PRNGKey, Scalar
from jaxvae.codes import Code, flatten, unflatten
from jaxvae.distributions.base import register_distribution
from jaxvae.distributions.gaussian_mixture import FullCovarianceMixture
from jaxvae.distributions.precision_mixture import PrecisionMixture
from jaxvae.priors.flow import Flow
from jaxvae.priors.flow_matching import FlowMatching


@register_distribution()
@dataclass(frozen=True)
class RowPrior:
    """A distribution over rows as one over codes; `like` is a pytree of the shape of one code."""

    rows: FullCovarianceMixture | PrecisionMixture | Flow | FlowMatching
    like: Code

    def sample(self, key: PRNGKey, shape: tuple[int, ...] = (), temperature: Scalar = 1.0) -> Code:
        """Draws codes [*shape, ...]; `temperature` multiplies their spread."""
        return unflatten(self.rows.sample(key, shape, temperature), self.like)

    def log_prob(self, value: Code) -> Float[Array, "..."]:
        """Returns the log-density of each code in nats."""
        first, like = jax.tree.leaves(value)[0], jax.tree.leaves(self.like)[0]
        return self.rows.log_prob(flatten(value, first.ndim - like.ndim))
