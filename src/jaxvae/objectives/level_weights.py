"""Weights of the KL of each level of a hierarchy, for the first part of training."""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxvae.annotations import Step
from jaxvae.vae import Inference


def coarse_first_weights(levels: int, factor: float, steps: int, step: Step) -> Float[Array, " l"]:
    """Returns a weight for each level, coarsest first: factor^l at step 0, falling to 1 geometrically at `steps`.

    Fine levels learn faster, because what they say is local, and then leave the coarse ones little to say. At these
    weights they stay silent until the coarse levels have learned. Pro-VLAE fades levels in to the same end (Li et al.
    2020, section 3.2).
    """
    remaining = jnp.maximum(0.0, 1.0 - step / steps)
    return factor ** (remaining * jnp.arange(levels))


def balanced_value(terms: Inference, beta: Float[Array, ""]) -> Float[Array, " b"]:
    """Returns log p(x|z) − β Σ_l γ_l KL_l, with γ_l proportional to the mean KL per unit of level l and 1 on average.

    A level whose codes say little is then hardly penalised, and a busy one more, before the weight reaches its end
    (Vahdat & Kautz 2020, appendix A). γ is a constant for the gradient.
    """
    kls = _level_kls(terms)
    units = jnp.asarray([level[0].size for level in terms.z], kls.dtype)
    # The sampled KL to a learned prior can be below 0.
    per_unit = jax.lax.stop_gradient(jnp.maximum(jnp.mean(kls, axis=1), 0.0) / units)
    factors = per_unit / jnp.maximum(jnp.mean(per_unit), 1e-12)
    return weighted_value(terms, beta, factors)


def weighted_value(terms: Inference, beta: Float[Array, ""], weights: Float[Array, " l"]) -> Float[Array, " b"]:
    """Returns log p(x|z) − β Σ_l w_l KL_l."""
    return terms.log_likelihood - beta * jnp.sum(weights[:, None] * _level_kls(terms), axis=0)


def _level_kls(terms: Inference) -> Float[Array, "l b"]:
    if terms.kl_levels is None:
        raise TypeError("weights of levels need a hierarchy; the codes of this model have a single level.")
    return jnp.stack(list(terms.kl_levels.values()))
