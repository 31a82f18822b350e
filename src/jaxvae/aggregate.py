"""The aggregate posterior q(z) = (1/N) Σ q(z|x_n): log-densities of codes under the posteriors of other pictures."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxvae.distributions import LOG_2PI, Normal


class LogAggregate(NamedTuple):
    """log q(z) and Σ_j log q(z_j) of each code [b], in nats."""

    joint: Float[Array, " b"]
    marginals: Float[Array, " b"]


def minibatch_weighted(z: Float[Array, "b *d"], posterior: Normal, pictures: int) -> LogAggregate:
    """Estimates from one batch of a data set of so many pictures (Chen et al. 2018, equation S5).

    log q(z_i) ≈ log (1 / (N b)) Σ_j q(z_i|x_j): as a batch always holds the picture that a code came from, whose
    posterior weighs most, the sum is divided as if it were seen once in N.
    """
    batch = len(z)
    z, mean, log_variance = (each.reshape(batch, -1) for each in (z, posterior.mean, posterior.log_variance))
    squares = jnp.square(z[:, None] - mean[None]) * jnp.exp(-log_variance)[None]
    per_unit = -0.5 * (squares + log_variance[None] + LOG_2PI)  # [code, posterior, unit]
    log_count = math.log(batch * pictures)
    joint = jax.nn.logsumexp(jnp.sum(per_unit, axis=2), axis=1) - log_count
    return LogAggregate(joint, jnp.sum(jax.nn.logsumexp(per_unit, axis=1) - log_count, axis=1))
