"""Decomposition of the rate into mutual information and the KL of the aggregate posterior to the prior."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from jaxvae.annotations import Tree
from jaxvae.codes import Code, flatten
from jaxvae.distributions.gaussian import Normal
from jaxvae.distributions.gaussian_mixture import GaussianMixture
from jaxvae.vae import Prior

CHUNK_ROWS = 64  # Codes at a time.
POSTERIORS_AT_ONCE = 2048  # Of those that make up q(z).


class Decomposition(NamedTuple):
    """log q(z|x) − log q(z) and log q(z) − log p(z) at one code per image, [n] each, in nats.

    Their means estimate the mutual information I(x; z) and KL(q(z) ‖ p(z)); they add up to the rate (Hoffman & Johnson
    2016, equation 3). The first is at most log n because it refers to an image drawn from these n.
    """

    information: Float[np.ndarray, " n"]
    aggregate_kl: Float[np.ndarray, " n"]


def decompose(z: Code, posterior: Any, prior: Prior) -> Decomposition:
    """Decomposes the rate, with q(z) the mixture of the n posteriors, including each code's own.

    Args:
        z: a code drawn from each posterior, a pytree of [n, ...].
        posterior: the n posteriors.
        prior: p(z).
    """
    count = len(jax.tree.leaves(z)[0])

    @jax.jit
    def log_total(z: Code, posterior: Any) -> Array:
        """Returns log Σ_j q(z_i|x_j) over the posteriors given."""
        if isinstance(posterior, Normal):  # By matrix products, instead of each density on its own.
            means, log_variances = flatten(posterior.mean), flatten(posterior.log_variance)
            mixture = GaussianMixture(jnp.zeros(len(means)), means, log_variances)
            return mixture.log_prob(flatten(z)) + jnp.log(len(means))

        def log_prob(z: Code, one: Any) -> Array:
            density: Array = one.log_prob(z)
            return density

        each = jax.vmap(jax.vmap(log_prob, (None, 0)), (0, None))
        return jax.nn.logsumexp(each(z, posterior), axis=1)

    @jax.jit
    def log_own(z: Code, posterior: Any, prior: Prior) -> tuple[Array, Array]:
        return posterior.log_prob(z), prior.log_prob(z)

    log_posterior, log_prior, joint = (np.empty(count) for _ in range(3))
    for start in range(0, count, CHUNK_ROWS):
        chunk = slice(start, start + CHUNK_ROWS)
        some_z, some_posteriors = _take(z, chunk), _take(posterior, chunk)
        log_posterior[chunk], log_prior[chunk] = log_own(some_z, some_posteriors, prior)
        total = np.full(len(log_prior[chunk]), -np.inf)
        for first in range(0, count, POSTERIORS_AT_ONCE):
            others = _take(posterior, slice(first, first + POSTERIORS_AT_ONCE))
            total = np.logaddexp(total, np.asarray(log_total(some_z, others), np.float64))
        joint[chunk] = total - np.log(count)
    return Decomposition(log_posterior - joint, joint - log_prior)


def _take(tree: Tree, rows: slice) -> Any:
    return jax.tree.map(lambda leaf: jnp.asarray(leaf[rows]), tree)
