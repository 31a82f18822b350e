"""The maximum mean discrepancy between two sets of codes."""

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def squared_mmd(first: Float[Array, "b d"], second: Float[Array, "b d"]) -> Float[Array, ""]:
    """The unbiased estimate of MMD², 0 in the mean where both sets are of one distribution (Gretton et al. 2012,
    equation 3).

    The kernel is a sum of inverse multiquadrics c / (c + |x − y|²), c = 2 d s over seven scales s: bounded, with tails
    that still pull codes far from the prior (Tolstikhin et al. 2018, section 4). Needs at least two codes each.
    """
    count, units = first.shape
    within = 1.0 / (count * (count - 1))
    others = 1.0 - jnp.eye(count)
    same = jnp.sum((_kernel(first, first, units) + _kernel(second, second, units)) * others)
    return within * same - 2.0 * jnp.mean(_kernel(first, second, units))


def _kernel(x: Float[Array, "b d"], y: Float[Array, "b d"], units: int) -> Float[Array, "b b"]:
    distances = jnp.sum(jnp.square(x[:, None] - y[None]), axis=2)
    kernel = jnp.zeros_like(distances)
    for scale in SCALES:
        kernel += 2.0 * units * scale / (2.0 * units * scale + distances)
    return kernel
