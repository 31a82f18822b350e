"""The aggregate posterior q(z) = (1/N) Σ q(z|x_n): log-densities of codes under the posteriors of other pictures."""

import math
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxvae.distributions.base import LOG_2PI
from jaxvae.distributions.gaussian import Normal
from jaxvae.objectives.terms import Terms


def tcvae_value(terms: Terms, beta: Array, pictures: int) -> Float[Array, " b"]:
    """log p(x|z) − I(x; z) − β TC(z) − Σ_j KL(q(z_j) ‖ p(z_j)) (Chen et al. 2018, equation 4 with α = γ = 1).

    The three parts, estimated from the batch, add up to log q(z|x) − log p(z): with β = 1 this is the ELBO.
    """
    log_posterior, log_prior = cast("Array", terms.log_posterior), cast("Array", terms.log_prior)
    aggregate = minibatch_weighted(terms.z, terms.posterior, pictures)
    information = log_posterior - aggregate.joint
    total_correlation = aggregate.joint - aggregate.marginals
    unit_wise = aggregate.marginals - log_prior
    return terms.log_likelihood - information - beta * total_correlation - unit_wise


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
