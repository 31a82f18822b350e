"""The model: four pure functions, and the draw between two of them.

x ──encode──▶ q(z|x) ──sample(key)──▶ z ──decode──▶ p(x|z)
                 └──────── KL ───────▶ p(z)
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
from jax import Array
from jaxtyping import Float

from jaxvae.codes import Code
from jaxvae.config import ModelConfig
from jaxvae.distributions.gaussian import Normal
from jaxvae.likelihoods.build import build_likelihood
from jaxvae.networks import build_networks
from jaxvae.priors.learned import build_prior

Params = dict[str, Any]


class Distribution(Protocol):
    """What the posterior, the prior and the likelihood have in common; log-probabilities in nats per example."""

    @property
    def mean(self) -> Any:
        """The expected value."""

    def sample(self, key: Array, shape: tuple[int, ...] = ()) -> Any:
        """A draw."""

    def log_prob(self, value: Any) -> Array:
        """The log-density or log-probability of each example."""


class Prior(Protocol):
    """A distribution over codes, one event being one code."""

    def sample(self, key: Array, shape: tuple[int, ...] = (), temperature: float = 1.0) -> Code:
        """Codes [*shape, ...]; `temperature` multiplies the spread of the draws."""

    def log_prob(self, value: Code) -> Array:
        """The log-density in nats of each code."""


class VAE(NamedTuple):
    """A variational autoencoder (Kingma & Welling 2014; Rezende et al. 2014) as a value.

    Pictures x are float32 [b, h, w, c] in [0, 1].
    """

    init: Callable[[Array], Params]
    encode: Callable[[Params, Float[Array, "b h w c"]], Any]
    decode: Callable[[Params, Code], Any]
    prior: Callable[[Params], Any]


def sample(key: Array, posterior: Distribution) -> Code:
    """The reparameterised draw z = μ + σ·ε, ε ~ N(0, I) from `key` (Kingma & Welling 2014, section 2.4)."""
    return posterior.sample(key)


def build(config: ModelConfig, shape: tuple[int, int, int]) -> VAE:
    """The model that the config describes, for pictures of this height, width and number of channels."""
    likelihood = build_likelihood(config, shape[2])
    networks = build_networks(config, shape, likelihood.outputs)

    learned_prior = build_prior(config, networks.latent_shape, shape)

    def init(key: Array) -> Params:
        encoder_key, decoder_key, prior_key = jax.random.split(key, 3)
        learned = {"likelihood": dict(likelihood.params), "prior": learned_prior.init(prior_key)}
        return networks.init(encoder_key, decoder_key) | learned

    def encode(params: Params, x: Float[Array, "b h w c"]) -> Normal:
        mean, log_variance = networks.encode(params, x)
        return Normal(mean, log_variance, len(networks.latent_shape))

    def decode(params: Params, z: Code) -> Distribution:
        return likelihood.distribution(params["likelihood"], networks.decode(params, z))

    def prior(params: Params) -> Prior:
        return learned_prior.distribution(params["prior"], partial(encode, params))

    return VAE(init, encode, decode, prior)


def code_shape(vae: VAE, params: Params) -> Code:
    """A pytree of the shape of one code."""
    return jax.eval_shape(vae.prior(params).sample, jax.random.key(0))
