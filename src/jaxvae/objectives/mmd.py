"""The maximum mean discrepancy between two sets of codes."""

from typing import cast

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxvae.codes import flatten
from jaxvae.objectives.elbo import variational_terms
from jaxvae.objectives.terms import Terms
from jaxvae.vae import VAE, Params


def with_prior_draw(vae: VAE, params: Params, key: Array, x: Float[Array, "b h w c"]) -> Terms:
    """The variational terms, and a draw from the prior for each picture."""
    key, prior_key = jax.random.split(key)
    drawn = vae.prior(params).sample(prior_key, (len(x),))
    return variational_terms(vae, params, key, x)._replace(prior_draw=drawn)


def mmd_value(terms: Terms, beta: Array, weight: float) -> Float[Array, " b"]:
    """log p(x|z) − β KL − λ MMD²(q(z), p(z)) (Zhao et al. 2019, equation 6; with β = 0 Tolstikhin et al. 2018)."""
    discrepancy = squared_mmd(flatten(terms.z), flatten(terms.prior_draw))
    return terms.log_likelihood - beta * cast("Array", terms.kl) - weight * discrepancy


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
