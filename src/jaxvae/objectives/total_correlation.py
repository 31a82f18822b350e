"""The total correlation of the aggregate posterior q(z) = (1/N) Σ q(z|x_n), estimated from a batch."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxvae.distributions.base import LOG_2PI
from jaxvae.distributions.gaussian import Normal
from jaxvae.vae import Inference


def tcvae_value(terms: Inference, beta: Float[Array, ""], examples: int) -> Float[Array, " b"]:
    """Returns log p(x|z) − I(x; z) − β TC(z) − Σ_j KL(q(z_j) ‖ p(z_j)) (Chen et al. 2018, equation 4, α = γ = 1).

    The three parts, estimated from the batch, add up to log q(z|x) − log p(z): with β = 1 this is the ELBO.

    Args:
        terms: of the batch.
        beta: weight of the total correlation.
        examples: size of the training set.
    """
    aggregate = minibatch_weighted(terms.z, terms.posterior, examples)
    information = terms.log_posterior - aggregate.joint
    total_correlation = aggregate.joint - aggregate.marginals
    unit_wise = aggregate.marginals - terms.log_prior
    return terms.log_likelihood - information - beta * total_correlation - unit_wise


class LogAggregate(NamedTuple):
    """log q(z) and Σ_j log q(z_j) of each code [b], in nats."""

    joint: Float[Array, " b"]
    marginals: Float[Array, " b"]


def minibatch_weighted(z: Float[Array, "b *d"], posterior: Normal, examples: int) -> LogAggregate:
    """Estimates both from one batch of a data set of this many examples (Chen et al. 2018, equation S5).

    log q(z_i) ≈ log (1 / (N b)) Σ_j q(z_i|x_j): a batch always holds the image that a code came from, whose posterior
    weighs most, so the sum is divided as if that image were seen once in N.
    """
    batch = len(z)
    z, mean, log_variance = (each.reshape(batch, -1) for each in (z, posterior.mean, posterior.log_variance))
    squares = jnp.square(z[:, None] - mean[None]) * jnp.exp(-log_variance)[None]
    per_unit = -0.5 * (squares + log_variance[None] + LOG_2PI)  # [code, posterior, unit]
    log_count = math.log(batch * examples)
    joint = jax.nn.logsumexp(jnp.sum(per_unit, axis=2), axis=1) - log_count
    return LogAggregate(joint, jnp.sum(jax.nn.logsumexp(per_unit, axis=1) - log_count, axis=1))
