"""The terms that every objective and every evaluation is made of."""

from typing import NamedTuple

from jax import Array
from jaxtyping import Float

from jaxvae.codes import Code
from jaxvae.distributions.gaussian import Normal


class Terms(NamedTuple):
    """The terms of the bound, per example [b], in nats.

    log p(x|z), log p(z) and log q(z|x) at the sampled code, and KL(q(z|x) ‖ p(z)), in closed form between Gaussians.
    The last three are None for the traditional autoencoder, which has no distribution over its codes; with several
    samples the first three are means over them. `bound` is the importance-weighted bound, where that is the
    objective; `kl_units` the closed form unit by unit, where there is one. `posterior`, the code `z` drawn from it and,
    for the objective that compares the two, a draw from the prior are kept for statistics over several pictures.
    """

    log_likelihood: Float[Array, " b"]
    log_prior: Float[Array, " b"] | None
    log_posterior: Float[Array, " b"] | None
    kl: Float[Array, " b"] | None
    posterior: Normal
    z: Code
    kl_units: Float[Array, "b *d"] | None = None
    bound: Float[Array, " b"] | None = None
    prior_draw: Code | None = None
