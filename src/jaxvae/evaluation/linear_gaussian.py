"""Probabilistic PCA as a VAE: a model whose log-likelihood, posterior and best fit are known exactly.

x = W z + c + noise of variance s², z ~ N(0, I) (Tipping & Bishop 1999).
"""

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.stats import multivariate_normal
from jaxtyping import Float

from jaxvae.distributions.gaussian import Normal, standard_normal
from jaxvae.vae import VAE, Params, compose


def exact_vae(loading: Float[Array, "p d"], noise: float, shift: float = 0.0) -> VAE:
    """The model with its exact posterior, whose mean is moved by `shift`; it has no parameters to learn.

    The posterior's covariance is diagonal once the latent axes are those of WᵀW, to which they are turned.
    """
    turned = loading @ jnp.linalg.eigh(loading.T @ loading)[1]
    precision = jnp.diag(turned.T @ turned) / noise + 1.0

    def encode(params: Params, x: Float[Array, "b p"]) -> Normal:
        mean = x @ turned / noise / precision[None] + shift
        return Normal(mean, jnp.broadcast_to(-jnp.log(precision), mean.shape), 1)

    def decode(params: Params, z: Float[Array, "b d"]) -> Normal:
        mean = z @ turned.T
        return Normal(mean, jnp.full(mean.shape, jnp.log(noise)), 1)

    return compose(lambda key: {}, encode, decode, lambda params: standard_normal((loading.shape[1],)))


def learned_vae(pixels: int, latent: int) -> VAE:
    """The same model with everything learned: linear encoder with one variance per unit, linear decoder, noise."""

    def init(key: Array) -> Params:
        encoder, decoder = jax.random.split(key)
        return {
            "encoder": 0.1 * jax.random.normal(encoder, (pixels, latent)),
            "log_variance": jnp.zeros(latent),
            "decoder": 0.1 * jax.random.normal(decoder, (latent, pixels)),
            "center": jnp.zeros(pixels),
            "log_noise": jnp.zeros(()),
        }

    def encode(params: Params, x: Float[Array, "b p"]) -> Normal:
        mean = (x - params["center"][None]) @ params["encoder"]
        return Normal(mean, jnp.broadcast_to(params["log_variance"][None], mean.shape), 1)

    def decode(params: Params, z: Float[Array, "b d"]) -> Normal:
        mean = z @ params["decoder"] + params["center"][None]
        return Normal(mean, jnp.broadcast_to(params["log_noise"], mean.shape), 1)

    return compose(init, encode, decode, lambda params: standard_normal((latent,)))


def log_likelihood(x: Float[Array, "b p"], loading: Float[Array, "p d"], noise: Float[Array, ""]) -> Float[Array, " b"]:
    """log N(x; 0, W Wᵀ + s² I) of each centred example, exact, in nats."""
    covariance = loading @ loading.T + noise * jnp.eye(loading.shape[0])
    return jax.vmap(lambda each: jnp.asarray(multivariate_normal.logpdf(each, jnp.zeros_like(each), covariance)))(x)


def largest_log_likelihood(x: Float[Array, "n p"], latent: int) -> Float[Array, ""]:
    """The mean log-likelihood that no model of so many latent units exceeds on the centred data (equation 7 there)."""
    values, vectors = jnp.linalg.eigh(x.T @ x / len(x))
    noise = jnp.mean(values[:-latent])
    loading = vectors[:, -latent:] * jnp.sqrt(values[-latent:] - noise)[None]
    return jnp.mean(log_likelihood(x, loading, noise))
