"""Mixtures of Gaussians over codes, as distributions."""

import math
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jax.tree_util import register_dataclass
from jaxtyping import Float

from jaxvae.distributions.base import LOG_2PI
from jaxvae.errors import UserError

LARGEST = 1024  # Units above which a mixture is fitted within the leading principal components, and has no density.


@partial(register_dataclass, data_fields=["logits", "means", "log_variances"], meta_fields=[])
@dataclass(frozen=True)
class GaussianMixture:
    """Gaussians with diagonal covariances over codes of one shape, weighted by softmax(logits)."""

    logits: Float[Array, " m"]
    means: Float[Array, "m *d"]
    log_variances: Float[Array, "m *d"]

    def sample(self, key: Array, shape: tuple[int, ...] = (), temperature: float = 1.0) -> Float[Array, "*k_d"]:
        """Draws a component, then a code from it; `temperature` multiplies the spread within each component."""
        component_key, noise_key = jax.random.split(key)
        component = jax.random.categorical(component_key, self.logits, shape=shape)
        noise = jax.random.normal(noise_key, shape + self.means.shape[1:])
        return self.means[component] + temperature * jnp.exp(0.5 * self.log_variances[component]) * noise

    def log_prob(self, value: Float[Array, "*k_d"]) -> Float[Array, "*k"]:
        """log Σ w N(value; mean, variance) in nats."""
        units, count = math.prod(self.means.shape[1:]), len(self.logits)
        batch = value.shape[: value.ndim - self.means.ndim + 1]
        rows, log_variances = value.reshape(-1, units), self.log_variances.reshape(count, units)
        squares = scaled_squares(rows, self.means.reshape(count, units), jnp.exp(-log_variances))
        logs = -0.5 * (squares + jnp.sum(log_variances + LOG_2PI, axis=1)[None])
        return jax.nn.logsumexp(jax.nn.log_softmax(self.logits)[None] + logs, axis=1).reshape(batch)


@jax.custom_vjp
def scaled_squares(
    z: Float[Array, "b d"], means: Float[Array, "m d"], precisions: Float[Array, "m d"]
) -> Float[Array, "b m"]:
    """Σ_d precision (z − mean)² of each code and each component.

    As squares of differences: the faster differences of squares lose all digits where variances are small. The layout
    and the gradients are those that XLA compiles well on a CPU, to a third of the time of the plain ones.
    """
    return jnp.sum(jnp.square(z.T[:, :, None] - means.T[:, None, :]) * precisions.T[:, None, :], axis=0)


def _forward(z: Array, means: Array, precisions: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    return scaled_squares(z, means, precisions), (z, means, precisions)


def _backward(saved: tuple[Array, Array, Array], cotangent: Array) -> tuple[Array, Array, Array]:
    z, means, precisions = saved
    # The first two are linear in the differences, and keep their digits as products of matrices.
    # A GPU or TPU would by default round what goes into them, and the difference of large products be noise.
    product = partial(jnp.matmul, precision="highest")
    dz = 2.0 * (z * product(cotangent, precisions) - product(cotangent, means * precisions))
    dmeans = 2.0 * precisions * (means * jnp.sum(cotangent, axis=0)[:, None] - product(cotangent.T, z))
    # The last is a square, taken unit by unit: as one sum over [b, d, m] XLA's CPU backend needs thirty times as long.
    per_unit = jax.lax.map(lambda each: _weighted_squares(cotangent, *each), (z.T, means.T))
    return dz, dmeans, per_unit.T


def _weighted_squares(cotangent: Array, z: Float[Array, " b"], means: Float[Array, " m"]) -> Float[Array, " m"]:
    return jnp.sum(cotangent * jnp.square(z[:, None] - means[None]), axis=0)


scaled_squares.defvjp(_forward, _backward)


@partial(register_dataclass, data_fields=["weights", "means", "factors"], meta_fields=[])
@dataclass(frozen=True)
class Mixture:
    """Gaussians over rows: draws are means + factors · ε with ε standard normal in r dimensions.

    `factors` are Cholesky factors of full covariances (r = d), or of those within a subspace (r < d).
    """

    weights: Float[Array, " m"]
    means: Float[Array, "m d"]
    factors: Float[Array, "m d r"]

    def sample(self, key: Array, shape: tuple[int, ...] = (), temperature: float = 1.0) -> Float[Array, "*k d"]:
        """Draws; `temperature` multiplies the spread within each Gaussian."""
        component_key, noise_key = jax.random.split(key)
        component = jax.random.categorical(component_key, jnp.log(self.weights), shape=shape)
        noise = jax.random.normal(noise_key, (*shape, self.factors.shape[2]))
        # One Gaussian at a time: a factor for each draw would be a d × r matrix for each draw.
        spread = sum(
            jnp.where((component == i)[..., None], noise @ factor.T, 0.0) for i, factor in enumerate(self.factors)
        )
        return self.means[component] + temperature * jnp.asarray(spread)

    def log_prob(self, value: Float[Array, "*k d"]) -> Float[Array, "*k"]:
        """log Σ w N(value; mean, factor factorᵀ) in nats; `UserError` for a mixture within a subspace."""
        units, rank = self.factors.shape[1:]
        if rank < units:
            raise UserError(
                f"the fitted mixture has no density: codes of {units} units are above {LARGEST}, and it was fitted "
                f"within {rank} of their principal components; the model's own prior and the fitted flow have one."
            )
        rows = value.reshape(-1, units)

        def component(mean: Array, factor: Array) -> Array:
            white = jax.scipy.linalg.solve_triangular(factor, (rows - mean[None]).T, lower=True)
            log_determinant = jnp.sum(jnp.log(jnp.diag(factor)))
            return -0.5 * (jnp.sum(jnp.square(white), axis=0) + units * LOG_2PI) - log_determinant

        # One after the other, so that memory does not grow with their number.
        logs = jax.lax.map(lambda each: component(*each), (self.means, self.factors))
        return jax.nn.logsumexp(jnp.log(self.weights)[:, None] + logs, axis=0).reshape(value.shape[:-1])
