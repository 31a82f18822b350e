"""Importance-weighted bounds: log p(x) ≥ E log (1/K) Σ p(x, z_k) / q(z_k|x), z_k ~ q(z|x).

Only sampled terms enter a weight. With the analytic KL instead of log q(z|x) - log p(z) the mean of the weights is no
longer p(x), and the logarithm of their mean is not a bound.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxvae.annotations import AnyKey, ArrayLike, Step
from jaxvae.objectives.bounds import bound_metrics
from jaxvae.vae import VAE, Code, Inference, Params


class ImportanceTerms(NamedTuple):
    """The bound of each image [b] and what it is made of, in nats.

    Attributes:
        bound: log (1/K) Σ w.
        log_likelihood: log p(x|z), averaged over the draws.
        kl: KL(q(z|x) ‖ p(z)), in closed form or averaged over the draws.
        posterior: q(z|x).
        z: its means, for statistics over several images.
        kl_levels: of a hierarchy, the KL of each level [b] by its name, averaged over the draws.
    """

    bound: Float[Array, " b"]
    log_likelihood: Float[Array, " b"]
    kl: Float[Array, " b"]
    posterior: Any
    z: Code
    kl_levels: dict[str, Float[Array, " b"]] | None = None


def bound(log_weights: Float[Array, "k b"]) -> Float[Array, " b"]:
    """Returns log (1/K) Σ w, the importance-weighted bound of each image (Burda et al. 2016, equation 8)."""
    return jax.nn.logsumexp(log_weights, axis=0) - jnp.log(log_weights.shape[0])


def doubly_reparameterized(
    vae: VAE, params: Params, key: AnyKey, x: Float[ArrayLike, "b *x"], samples: int
) -> Inference:
    """Returns `vae.infer` with a gradient of the bound whose signal does not fade as K grows.

    The score of q is dropped and the path of each draw is weighted by its normalised weight once more
    (Tucker et al. 2019, equation 8). Values are those of `vae.infer`; the gradient with respect to the parameters of
    decoder and prior is the usual one.
    """
    # The same draws twice: their weights are needed before the gradient can be formed.
    first = jax.lax.stop_gradient(vae.infer(params, jax.random.clone(key), x, samples))
    normalized = jax.nn.softmax(first.log_weights, axis=0)
    return vae.infer(params, key, x, samples, normalized)


def importance_terms(
    vae: VAE, params: Params, key: AnyKey, x: Float[ArrayLike, "b *x"], *, samples: int, doubly: bool
) -> ImportanceTerms:
    """Returns the terms of `samples` weighted draws per image; `doubly` chooses the gradient of Tucker et al. 2019."""
    draw = partial(doubly_reparameterized, vae) if doubly else vae.infer
    drawn = draw(params, key, x, samples)
    log_likelihood = jnp.mean(drawn.log_likelihood, axis=0)
    return ImportanceTerms(
        bound(drawn.log_weights), log_likelihood, drawn.kl, drawn.posterior, drawn.posterior.mean, drawn.kl_levels
    )


def bound_of(terms: ImportanceTerms, step: Step) -> Float[Array, " b"]:
    """Returns the bound; it is the same at every step."""
    return terms.bound


def importance_metrics(terms: ImportanceTerms) -> dict[str, Float[Array, " b"]]:
    """Returns the bound, and the ELBO with its parts, in nats."""
    return bound_metrics(terms) | {"iwae_nats": terms.bound}
