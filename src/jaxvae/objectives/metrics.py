"""Numbers derived from the per-example terms."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxvae.likelihoods.build import StoredBits
from jaxvae.objectives.elbo import elbo
from jaxvae.objectives.terms import Terms

ACTIVE_VARIANCE = 0.01


def bits_per_dim(log_prob_nats: Float[Array, " b"], bits: StoredBits, dimensions: int) -> Float[Array, " b"]:
    """Bits per stored value from log p(x) in nats per example; smaller is better."""
    return bits.volume - log_prob_nats / (dimensions * math.log(2.0))


def named_terms(terms: Terms, bits: StoredBits | None, dimensions: int) -> dict[str, Float[Array, " b"]]:
    """The terms per example under the names that are reported, in nats; training and evaluation both take their means.

    The ELBO has β = 1; bits per dimension are there only where the pixels allow them.
    """
    named = {"log_likelihood_nats": terms.log_likelihood}
    if terms.kl is not None:
        named |= {"kl_nats": terms.kl, "elbo_nats": elbo(terms)}
        if bits is not None:
            named["bits_per_dim"] = bits_per_dim(named["elbo_nats"], bits, dimensions)
    if terms.bound is not None:
        named["iwae_nats"] = terms.bound
    return named


def active_units(mean: Any) -> Float[Array, ""]:
    """How many latent units vary with the picture: Var_x(E[z|x]) > 0.01 (Burda et al. 2016, section 5.2).

    `mean` holds the posterior means, a pytree of [b, ...]. Over one batch this is an estimate.
    """
    counts = [jnp.sum(jnp.var(leaf, axis=0) > ACTIVE_VARIANCE) for leaf in jax.tree.leaves(mean)]
    return jnp.sum(jnp.stack(counts)).astype(jnp.float32)
