"""The evidence lower bound.

log p(x)  ≥  E_q(z|x) [log p(x|z)]  −  KL(q(z|x) ‖ p(z))  =  ELBO          (Kingma & Welling 2014, equation 3)
"""

from typing import Protocol, runtime_checkable

from jax import Array
from jaxtyping import Float

from jaxvae.annotations import AnyKey, ArrayLike
from jaxvae.vae import VAE, Inference, Params


@runtime_checkable
class BoundTerms(Protocol):
    """Terms that a bound with an analytic or sampled KL is made of, in nats per example."""

    @property
    def log_likelihood(self) -> Float[Array, " b"]:
        """log p(x|z)."""

    @property
    def kl(self) -> Float[Array, " b"]:
        """KL(q(z|x) ‖ p(z))."""


def variational_terms(vae: VAE, params: Params, key: AnyKey, x: Float[ArrayLike, "b *x"]) -> Inference:
    """Returns the terms of the bound at one reparameterised draw per image, in nats."""
    return vae.infer(params, key, x)


def elbo(terms: BoundTerms, beta: float | Float[Array, ""] = 1.0) -> Float[Array, " b"]:
    """Returns log p(x|z) − β KL per example (Higgins et al. 2017, equation 4; β = 1 is the evidence lower bound)."""
    return terms.log_likelihood - beta * terms.kl


def bound_metrics(terms: BoundTerms) -> dict[str, Float[Array, " b"]]:
    """Returns the bound with β = 1 and its parts, in nats; for a hierarchy also the KL of each level."""
    levels = {f"kl_nats/{name}": kl for name, kl in (getattr(terms, "kl_levels", None) or {}).items()}
    return {"log_likelihood_nats": terms.log_likelihood, "kl_nats": terms.kl, "elbo_nats": elbo(terms), **levels}
