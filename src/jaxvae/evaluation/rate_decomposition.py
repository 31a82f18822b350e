"""What the codes of a whole split say of the latent space."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxvae.codes import flatten
from jaxvae.distributions.gaussian import Normal
from jaxvae.distributions.gaussian_mixture import GaussianMixture

CHUNK_ROWS = 64


class Decomposition(NamedTuple):
    """log q(z|x) − log q(z) and log q(z) − log p(z) at one code of each picture, [n] each, in nats.

    Their means estimate the mutual information I(x; z) and KL(q(z) ‖ p(z)); together they are the rate (Hoffman &
    Johnson 2016, equation 3). The first is at most log n, as it is that of a picture drawn from these n.
    """

    information: Float[np.ndarray, " n"]
    aggregate_kl: Float[np.ndarray, " n"]


def decompose(z: Any, posterior: Normal, prior: Any) -> Decomposition:
    """Splits the rate with q(z) the mixture of the n posteriors, each code's own among them.

    Args:
        z: a code drawn from each posterior, a pytree of [n, ...].
        posterior: the n posteriors.
        prior: p(z).
    """
    rows = flatten(z)
    aggregate = GaussianMixture(jnp.zeros(len(rows)), flatten(posterior.mean), flatten(posterior.log_variance))
    log_aggregate = jax.jit(lambda some: aggregate.log_prob(some))
    padded = np.resize(np.asarray(rows), (-(-len(rows) // CHUNK_ROWS) * CHUNK_ROWS, rows.shape[1]))
    parts = [np.asarray(log_aggregate(part)) for part in np.split(padded, len(padded) // CHUNK_ROWS)]
    joint = np.concatenate(parts)[: len(rows)]
    log_prior = jax.jit(lambda prior, z: prior.log_prob(z))(prior, z)
    return Decomposition(np.asarray(posterior.log_prob(z)) - joint, joint - np.asarray(log_prior))
