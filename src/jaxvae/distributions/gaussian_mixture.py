"""Mixtures of Gaussians over codes, with diagonal or with full covariances."""

import math
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from jaxvae.annotations import ArrayLike, Parameter, PRNGKey, Scalar
from jaxvae.distributions.base import LOG_2PI, register_distribution
from jaxvae.errors import UserError


@register_distribution()
@dataclass(frozen=True)
class GaussianMixture:
    """m Gaussians with diagonal covariances over codes of one shape, weighted by softmax(logits)."""

    logits: Float[Parameter, " m"]
    means: Float[Parameter, "m *d"]
    log_variances: Float[Parameter, "m *d"]

    @property
    def mean(self) -> Float[Array, "*d"]:
        """The mean over the components."""
        return _weighted_sum(jax.nn.softmax(self.logits), self.means)

    @property
    def variance(self) -> Float[Array, "*d"]:
        """The variance of each unit: the mean of the variances, and the variance of the means."""
        between = jnp.square(self.means - self.mean[None])
        return _weighted_sum(jax.nn.softmax(self.logits), jnp.exp(self.log_variances) + between)

    @property
    def stddev(self) -> Float[Array, "*d"]:
        """The standard deviation of each unit."""
        return jnp.sqrt(self.variance)

    def sample(self, key: PRNGKey, shape: tuple[int, ...] = (), temperature: Scalar = 1.0) -> Float[Array, "..."]:
        """Draws a component, then a code from it.

        Args:
            key: Key of all draws.
            shape: Leading axes of the result.
            temperature: Factor of the standard deviation within each component; 0 returns means of components.

        Returns:
            Codes [*shape, *d].
        """
        component_key, noise_key = jax.random.split(key)
        component = jax.random.categorical(component_key, self.logits, shape=shape)
        noise = jax.random.normal(noise_key, shape + self.means.shape[1:])
        means, log_variances = (jnp.asarray(part)[component] for part in (self.means, self.log_variances))
        return means + temperature * jnp.exp(0.5 * log_variances) * noise

    def log_prob(self, value: Float[ArrayLike, "..."]) -> Float[Array, "..."]:
        """Returns log Σ w N(value; mean, variance) in nats, [*k] for codes [*k, *d]."""
        units, count = math.prod(self.means.shape[1:]), len(self.logits)
        batch = value.shape[: value.ndim - self.means.ndim + 1]
        rows, log_variances = jnp.asarray(value).reshape(-1, units), self.log_variances.reshape(count, units)
        squares = scaled_squares(rows, self.means.reshape(count, units), jnp.exp(-log_variances))
        logs = -0.5 * (squares + jnp.sum(log_variances + LOG_2PI, axis=1)[None])
        return jax.nn.logsumexp(jax.nn.log_softmax(self.logits)[None] + logs, axis=1).reshape(batch)


@jax.custom_vjp
def scaled_squares(
    z: Float[ArrayLike, "b d"], means: Float[ArrayLike, "m d"], precisions: Float[ArrayLike, "m d"]
) -> Float[Array, "b m"]:
    """Returns Σ_d precision (z − mean)² of each code and each component.

    As squares of differences: the faster differences of squares lose all digits where variances are small. The layout
    and the gradients are those that XLA compiles well on a CPU, to a third of the time of the plain ones.
    """
    return jnp.sum(jnp.square(z.T[:, :, None] - means.T[:, None, :]) * precisions.T[:, None, :], axis=0)


Residuals = tuple[Float[ArrayLike, "b d"], Float[ArrayLike, "m d"], Float[ArrayLike, "m d"]]


def _forward(
    z: Float[ArrayLike, "b d"], means: Float[ArrayLike, "m d"], precisions: Float[ArrayLike, "m d"]
) -> tuple[Float[Array, "b m"], Residuals]:
    return scaled_squares(z, means, precisions), (z, means, precisions)


def _backward(residuals: Residuals, cotangent: Float[ArrayLike, "b m"]) -> Residuals:
    z, means, precisions = residuals
    # The first two are linear in the differences, and keep their digits as products of matrices.
    # A GPU or TPU would by default round the factors, which turns the difference of large products into noise.
    product = partial(jnp.matmul, precision="highest")
    dz = 2.0 * (z * product(cotangent, precisions) - product(cotangent, means * precisions))
    dmeans = 2.0 * precisions * (means * jnp.sum(cotangent, axis=0)[:, None] - product(cotangent.T, z))
    # The last is a square, taken unit by unit: as one sum over [b, d, m] XLA's CPU backend needs thirty times as long.
    per_unit = jax.lax.map(lambda unit: _weighted_squares(cotangent, *unit), (z.T, means.T))
    return dz, dmeans, per_unit.T


def _weighted_squares(
    cotangent: Float[ArrayLike, "b m"], z: Float[Array, " b"], means: Float[Array, " m"]
) -> Float[Array, " m"]:
    return jnp.sum(cotangent * jnp.square(z[:, None] - means[None]), axis=0)


scaled_squares.defvjp(_forward, _backward)


@register_distribution()
@dataclass(frozen=True)
class FullCovarianceMixture:
    """m Gaussians over rows: samples are means + factors · ε with ε standard normal in r dimensions.

    `factors` are Cholesky factors of full covariances (r = d), or of those within a subspace (r < d).
    """

    weights: Float[Parameter, " m"]
    means: Float[Parameter, "m d"]
    factors: Float[Parameter, "m d r"]

    @property
    def mean(self) -> Float[Array, " d"]:
        """The mean over the components."""
        return _weighted_sum(self.weights, self.means)

    @property
    def variance(self) -> Float[Array, " d"]:
        """The variance of each unit: the mean of the variances, and the variance of the means."""
        between = jnp.square(self.means - self.mean[None])
        return _weighted_sum(self.weights, jnp.sum(jnp.square(self.factors), axis=2) + between)

    @property
    def stddev(self) -> Float[Array, " d"]:
        """The standard deviation of each unit."""
        return jnp.sqrt(self.variance)

    def sample(self, key: PRNGKey, shape: tuple[int, ...] = (), temperature: Scalar = 1.0) -> Float[Array, "*k d"]:
        """Draws a component, then a row from it.

        Args:
            key: Key of all draws.
            shape: Leading axes of the result.
            temperature: Factor of the standard deviation within each component; 0 returns means of components.

        Returns:
            Rows [*shape, d].
        """
        component, mean, noise = _draw(key, self.weights, self.means, shape, self.factors.shape[2])
        # One Gaussian at a time: a factor for each draw would be a d × r matrix for each draw.
        spread = sum(_keep(noise @ factor.T, component, i) for i, factor in enumerate(self.factors))
        return mean + temperature * jnp.asarray(spread)

    def log_prob(self, value: Float[ArrayLike, "*k d"]) -> Float[Array, "*k"]:
        """Returns log Σ w N(value; mean, factor factorᵀ) in nats.

        Raises:
            UserError: The mixture lies within a subspace (r < d), and has no density.
        """
        units, rank = self.factors.shape[1:]
        if rank < units:
            raise UserError(
                f"the fitted mixture has no density: it was fitted to codes of {units} units within {rank} of their "
                "principal components; use the model's own prior or the fitted flow."
            )
        rows = jnp.asarray(value).reshape(-1, units)

        def log_density(mean: Float[Array, " d"], factor: Float[Array, "d d"]) -> Float[Array, " n"]:
            white = jax.scipy.linalg.solve_triangular(factor, (rows - mean[None]).T, lower=True)
            log_determinant = jnp.sum(jnp.log(jnp.diag(factor)))
            return -0.5 * (jnp.sum(jnp.square(white), axis=0) + units * LOG_2PI) - log_determinant

        # One after the other, so that memory does not grow with their number.
        logs = jax.lax.map(lambda component: log_density(*component), (self.means, self.factors))
        return jax.nn.logsumexp(jnp.log(self.weights)[:, None] + logs, axis=0).reshape(value.shape[:-1])


# Programs of their own, since a command that draws once spends its time on compiling; whatever rounds otherwise when it
# is fused stays outside.
@partial(jax.jit, static_argnums=(3, 4))
def _draw(
    key: PRNGKey, weights: Float[Parameter, " m"], means: Float[Parameter, "m d"], shape: tuple[int, ...], rank: int
) -> tuple[Int[Array, "*k"], Float[Array, "*k d"], Float[Array, "*k r"]]:
    """Draws components [*shape], and noise [*shape, rank]; returns the means of the components, too."""
    component_key, noise_key = jax.random.split(key)
    component = jax.random.categorical(component_key, jnp.log(weights), shape=shape)
    return component, jnp.asarray(means)[component], jax.random.normal(noise_key, (*shape, rank))


@jax.jit
def _keep(rows: Float[Array, "*k d"], component: Int[Array, "*k"], index: int | Int[Array, ""]) -> Float[Array, "*k d"]:
    """Returns the rows of one component, and zeros in place of the others."""
    return jnp.where((component == index)[..., None], rows, 0.0)


def _weighted_sum(weights: Float[ArrayLike, " m"], terms: Float[ArrayLike, "m *d"]) -> Float[Array, "*d"]:
    return jnp.sum(jnp.expand_dims(weights, range(1, terms.ndim)) * terms, axis=0)
