"""The maximum mean discrepancy between codes and draws from the prior."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxvae.annotations import AnyKey, ArrayLike
from jaxvae.codes import flatten
from jaxvae.vae import VAE, Code, Inference, Params

SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class DiscrepancyTerms(NamedTuple):
    """The terms of the bound, and a draw from the prior for each image."""

    inference: Inference
    prior_draw: Code

    @property
    def z(self) -> Code:
        """The codes drawn from q(z|x)."""
        return self.inference.z

    @property
    def posterior(self) -> Any:
        """q(z|x)."""
        return self.inference.posterior

    @property
    def kl_units(self) -> Any | None:
        """The KL unit by unit; None where there is no closed form."""
        return self.inference.kl_units


def discrepancy_terms(vae: VAE, params: Params, key: AnyKey, x: Float[ArrayLike, "b *x"]) -> DiscrepancyTerms:
    """Returns the terms of the bound and as many draws from the prior."""
    key, prior_key = jax.random.split(key)
    drawn = vae.prior(params).sample(prior_key, (len(x),))
    return DiscrepancyTerms(vae.infer(params, key, x), drawn)


def mmd_value(terms: DiscrepancyTerms, beta: Float[Array, ""], weight: float) -> Float[Array, " b"]:
    """Returns log p(x|z) − β KL − λ MMD²(q(z), p(z)).

    Args:
        terms: of the batch.
        beta: weight of the KL; 0 gives the WAE-MMD (Tolstikhin et al. 2018).
        weight: λ (Zhao et al. 2019, equation 6).
    """
    discrepancy = squared_mmd(flatten(terms.z), flatten(terms.prior_draw))
    return terms.inference.log_likelihood - beta * terms.inference.kl - weight * discrepancy


def squared_mmd(first: Float[Array, "b d"], second: Float[Array, "b d"]) -> Float[Array, ""]:
    """Returns the unbiased estimate of MMD², which averages 0 where both sets have the same distribution.

    Gretton et al. 2012, equation 3.

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
