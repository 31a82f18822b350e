"""What training makes large, from per-example terms in nats.

log p(x)  ≥  E_q(z|x) [log p(x|z)]  −  KL(q(z|x) ‖ p(z))  =  ELBO          (Kingma & Welling 2014, equation 3)
"""

from collections.abc import Callable
from functools import partial
from typing import cast

from jax import Array
from jaxtyping import Float

from jaxvae.config import ObjectiveConfig
from jaxvae.objectives.elbo import autoencoder_terms, elbo, variational_terms
from jaxvae.objectives.free_bits import capacity_value, free_value
from jaxvae.objectives.importance import importance_terms
from jaxvae.objectives.mmd import mmd_value, with_prior_draw
from jaxvae.objectives.schedules import beta_at
from jaxvae.objectives.terms import Terms
from jaxvae.objectives.total_correlation import tcvae_value
from jaxvae.vae import VAE, Params

MakeTerms = Callable[[VAE, Params, Array, Array], Terms]


Value = Callable[[Terms, Array], Array]


def build_terms(config: ObjectiveConfig) -> MakeTerms:
    """The per-example terms of the objective that the config names, the same in training and in evaluation."""
    match config.name:
        case "iwae":
            return partial(importance_terms, samples=config.samples, doubly=config.doubly_reparameterized)
        case "autoencoder":
            return autoencoder_terms
        case "mmd":
            return with_prior_draw
        case _:
            return variational_terms


def of_each_example(config: ObjectiveConfig) -> bool:
    """Whether the objective of a batch is the mean of those of its examples, each computed by itself."""
    of_the_batch = config.free_nats > 0 or config.capacity_nats is not None
    return config.name in ("elbo", "iwae", "autoencoder") and not of_the_batch


def build_value(config: ObjectiveConfig, pictures: int) -> Value:
    """(terms, step) -> [b], the number to make large; `pictures` is how many there are to train on."""

    def value(terms: Terms, step: Array) -> Float[Array, " b"]:
        beta = beta_at(config, step)
        match config.name:
            case "iwae":
                return cast("Array", terms.bound)
            case "beta_tcvae":
                return tcvae_value(terms, beta, pictures)
            case "mmd":
                return mmd_value(terms, beta, config.mmd_weight)
            case _ if config.free_nats:
                return free_value(terms, beta, config)
            case _ if config.capacity_nats is not None:
                return capacity_value(terms, beta, config, step)
            case _:
                return elbo(terms, beta)

    return value
