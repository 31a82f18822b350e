"""Importance-weighted bounds: log p(x) ≥ E log (1/K) Σ p(x, z_k) / q(z_k|x), z_k ~ q(z|x).

Only sampled terms enter a weight. With the analytic KL in place of log q(z|x) - log p(z) the mean of the weights is no
longer p(x), and the logarithm of their mean no bound.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxvae.codes import Code
from jaxvae.distributions.gaussian import Normal
from jaxvae.objectives.terms import Terms
from jaxvae.vae import VAE, Distribution, Params


def importance_terms(
    vae: VAE, params: Params, key: Array, x: Float[Array, "b h w c"], *, samples: int, doubly: bool
) -> Terms:
    """The terms of `samples` weighted draws and their bound; `doubly` chooses the gradient of Tucker et al. 2019."""
    draw = doubly_reparameterized if doubly else log_weights
    weights = draw(vae, params, key, x, samples)
    posterior, prior = vae.encode(params, x), vae.prior(params)
    sampled_kl = jnp.mean(weights.log_posterior - weights.log_prior, axis=0)
    return Terms(
        log_likelihood=jnp.mean(weights.log_likelihood, axis=0),
        log_prior=jnp.mean(weights.log_prior, axis=0),
        log_posterior=jnp.mean(weights.log_posterior, axis=0),
        kl=posterior.kl(prior) if isinstance(prior, Normal) else sampled_kl,
        posterior=posterior,
        z=posterior.mean,
        bound=bound(weights.total),
    )


class LogWeights(NamedTuple):
    """The terms of log w = log p(x|z) + log p(z) - log q(z|x), [k, b] each, in nats."""

    log_likelihood: Float[Array, "k b"]
    log_prior: Float[Array, "k b"]
    log_posterior: Float[Array, "k b"]

    @property
    def total(self) -> Float[Array, "k b"]:
        """log w."""
        return self.log_likelihood + self.log_prior - self.log_posterior


def log_weights(vae: VAE, params: Params, key: Array, x: Float[Array, "b h w c"], samples: int) -> LogWeights:
    """`samples` weighted draws from q(z|x) for each picture, in one draw of shape [k, b, ...]."""
    posterior = vae.encode(params, x)
    return weights_at(vae, params, posterior.sample(key, (samples,)), posterior, x)


def weights_at(vae: VAE, params: Params, z: Code, posterior: Distribution, x: Float[Array, "b h w c"]) -> LogWeights:
    """The terms at given codes, a pytree of [k, b, ...]."""
    log_likelihood = jax.vmap(lambda draw: vae.decode(params, draw).log_prob(x))(z)
    return LogWeights(log_likelihood, vae.prior(params).log_prob(z), posterior.log_prob(z))


def bound(log_weight: Float[Array, "k b"]) -> Float[Array, " b"]:
    """log (1/K) Σ w, the importance-weighted bound of each picture (Burda et al. 2016, equation 8)."""
    return jax.nn.logsumexp(log_weight, axis=0) - jnp.log(log_weight.shape[0])


def doubly_reparameterized(
    vae: VAE, params: Params, key: Array, x: Float[Array, "b h w c"], samples: int
) -> LogWeights:
    """As `log_weights`, with a gradient of the bound that does not lose its signal as K grows.

    The score of q is dropped and each draw's path is weighted by its normalised weight once more
    (Tucker et al. 2019, equation 8). The value is that of `log_weights`; the gradient in the parameters of
    the decoder and of the prior is the usual one.
    """
    posterior = vae.encode(params, x)
    z = posterior.sample(key, (samples,))
    fixed = jax.lax.stop_gradient(posterior)
    normalized = jax.nn.softmax(jax.lax.stop_gradient(weights_at(vae, params, z, posterior, x).total), axis=0)
    scaled = jax.tree.map(partial(_scale_gradient, normalized), z)
    return weights_at(vae, params, scaled, fixed, x)


def _scale_gradient(factor: Float[Array, "k b"], leaf: Array) -> Array:
    factor = factor.reshape(*factor.shape, *(1,) * (leaf.ndim - 2))
    return factor * leaf + jax.lax.stop_gradient((1.0 - factor) * leaf)
