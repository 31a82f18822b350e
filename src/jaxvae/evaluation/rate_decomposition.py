"""Decomposition of the rate into mutual information and the KL of the aggregate posterior to the prior."""

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
    """log q(z|x) − log q(z) and log q(z) − log p(z) at one code per image, [n] each, in nats.

    Their means estimate the mutual information I(x; z) and KL(q(z) ‖ p(z)); they add up to the rate (Hoffman & Johnson
    2016, equation 3). The first is at most log n because it refers to an image drawn from these n.
    """

    information: Float[np.ndarray, " n"]
    aggregate_kl: Float[np.ndarray, " n"]


def decompose(z: Any, posterior: Normal, prior: Any) -> Decomposition:
    """Decomposes the rate, with q(z) the mixture of the n posteriors, including each code's own.

    Args:
        z: a code drawn from each posterior, a pytree of [n, ...].
        posterior: the n posteriors.
        prior: p(z).
    """
    rows = flatten(z)
    aggregate = GaussianMixture(jnp.zeros(len(rows)), flatten(posterior.mean), flatten(posterior.log_variance))
    log_aggregate = jax.jit(lambda chunk: aggregate.log_prob(chunk))
    padded = np.resize(np.asarray(rows), (-(-len(rows) // CHUNK_ROWS) * CHUNK_ROWS, rows.shape[1]))
    chunks = [np.asarray(log_aggregate(chunk)) for chunk in np.split(padded, len(padded) // CHUNK_ROWS)]
    joint = np.concatenate(chunks)[: len(rows)]
    log_prior = jax.jit(lambda prior, z: prior.log_prob(z))(prior, z)
    return Decomposition(np.asarray(posterior.log_prob(z)) - joint, joint - np.asarray(log_prior))
