"""The path through a prior's quantiles, whose points are all as typical of the prior as its ends."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from jaxvae.codes import Code, flatten, unflatten
from jaxvae.latents.paths.interpolation import Path
from jaxvae.latents.paths.transports import transport
from jaxvae.vae import Prior


def prior_path(prior: Prior) -> Path:
    """A path along which codes keep the distribution of this prior.

    The ends are carried to where the prior is N(0, I), by quantiles or by its flow, joined there by `matched`, and the
    path is carried back. A straight line in codes is not typical on its way: in many dimensions its middle is nearer
    to the centre than all draws, and between two clusters of codes there are none.
    """
    both_ways = transport(prior)

    def path(first: Code, second: Code, degrees: Float[Array, " b"]) -> Code:
        t = np.asarray(degrees, np.float64)[:, None]
        ends = np.concatenate(
            [np.asarray(flatten(jax.tree.map(lambda leaf: leaf[None], end)), np.float64) for end in (first, second)]
        )
        first_normal, second_normal = both_ways.to_normal(ends)
        rows = both_ways.from_normal(matched_line(first_normal, second_normal, t))
        # The ends are where they were, whatever digits the way there and back has cost.
        rows = np.where(t == 0.0, ends[:1], np.where(t == 1.0, ends[1:], rows))
        return unflatten(jnp.asarray(rows, jnp.float32), first)

    return path


def matched_line(
    first: Float[np.ndarray, " d"], second: Float[np.ndarray, " d"], t: Float[np.ndarray, "b 1"]
) -> Float[np.ndarray, "b d"]:
    """((1 − t) a + t b) / √((1 − t)² + t² + 2 t (1 − t) ρ): N(0, I) at every t if the ends are.

    For ends drawn independently ρ is 0, and this the map of Agustsson et al. (2019, table 1). The ends of a walk may
    share much, and then that map would take them too far out on the way: ρ is the cosine between them, the
    correlation of their units, so that a walk from a code to itself stays there. Ends that point apart keep ρ = 0. So
    no point is further out than the further end: its squared norm is at most a mean of |a|², |b|² and |a| |b|.
    """
    norms = np.linalg.norm(first) * np.linalg.norm(second)
    cosine = float(first @ second / norms) if norms > 0 else 0.0
    spread = (1.0 - t) ** 2 + t**2 + 2.0 * t * (1.0 - t) * max(0.0, cosine)
    return ((1.0 - t) * first + t * second) / np.sqrt(spread)
