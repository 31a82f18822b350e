"""Mixtures of Gaussians with full covariances, by factors of their precisions: quick to evaluate, hence to train."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from jaxvae.annotations import ArrayLike, Parameter, PRNGKey, Scalar
from jaxvae.distributions.base import LOG_2PI, register_distribution
from jaxvae.distributions.gaussian_mixture import FullCovarianceMixture


@register_distribution()
@dataclass(frozen=True)
class PrecisionMixture:
    """m Gaussians over rows, weighted by softmax(logits): D (I + L) (z − mean) is N(0, I) under each.

    L is what stands below the diagonal of `lower`, and D has exp(`log_scales`) on its diagonal. Row i of −L holds the
    coefficients of the regression of unit i on the units before it, and exp(−log_scales) the standard deviations of
    what is left. Any values give a positive definite covariance, and the log-density is a product of matrices, where
    factors of the covariances have to solve a system, several times slower in training.

    References:
        Pourahmadi 1999, "Joint mean-covariance models with applications to longitudinal data", section 2.
    """

    logits: Float[Parameter, " m"]
    means: Float[Parameter, "m d"]
    log_scales: Float[Parameter, "m d"]
    lower: Float[Parameter, "m d d"]

    @property
    def with_factors(self) -> FullCovarianceMixture:
        """The same distribution, by Cholesky factors (I + L)⁻¹ D⁻¹ of its covariances."""
        return _with_factors(self)

    @property
    def mean(self) -> Float[Array, " d"]:
        """The mean over the components."""
        return self.with_factors.mean

    @property
    def variance(self) -> Float[Array, " d"]:
        """The variance of each unit: the mean of the variances, and the variance of the means."""
        return self.with_factors.variance

    @property
    def stddev(self) -> Float[Array, " d"]:
        """The standard deviation of each unit."""
        return self.with_factors.stddev

    def sample(self, key: PRNGKey, shape: tuple[int, ...] = (), temperature: Scalar = 1.0) -> Float[Array, "*k d"]:
        """Draws a component, then a row from it.

        Args:
            key: Key of all draws.
            shape: Leading axes of the result.
            temperature: Factor of the standard deviation within each component; 0 returns means of components.

        Returns:
            Rows [*shape, d].
        """
        return self.with_factors.sample(key, shape, temperature)

    def log_prob(self, value: Float[ArrayLike, "*k d"]) -> Float[Array, "*k"]:
        """Returns log Σ w N(value; mean, covariance) in nats."""
        units = self.means.shape[1]
        rows = jnp.asarray(value).reshape(-1, units)
        differences = rows[None] - jnp.asarray(self.means)[:, None]
        # A GPU or TPU would by default round the factors, which a density with precisions of many digits cannot bear.
        regressed: Any = jnp.einsum("mij,mbj->mbi", jnp.tril(self.lower, -1), differences, precision="highest")
        white = (differences + regressed) * jnp.exp(jnp.asarray(self.log_scales))[:, None]
        logs = -0.5 * (jnp.sum(jnp.square(white), axis=2) + units * LOG_2PI)
        logs = logs + (jnp.sum(self.log_scales, axis=1) + jax.nn.log_softmax(self.logits))[:, None]
        return jax.nn.logsumexp(logs, axis=0).reshape(value.shape[:-1])


@jax.jit  # One program to compile instead of twenty.
def _with_factors(mixture: PrecisionMixture) -> FullCovarianceMixture:
    below, units = jnp.tril(mixture.lower, -1), mixture.means.shape[1]

    def row(i: Int[Array, ""], inverse: Float[Array, "m d d"]) -> Float[Array, "m d d"]:
        return inverse.at[:, i].add(-jnp.einsum("mj,mjk->mk", below[:, i], inverse, precision="highest"))

    # (I + L)⁻¹ by forward substitution, row by row: LAPACK's solver has SciPy imported first, which takes longer.
    inverse = jax.lax.fori_loop(0, units, row, jnp.broadcast_to(jnp.eye(units), below.shape))
    factors = inverse * jnp.exp(-jnp.asarray(mixture.log_scales))[:, None, :]
    return FullCovarianceMixture(jax.nn.softmax(mixture.logits), mixture.means, factors)
