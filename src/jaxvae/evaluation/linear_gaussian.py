"""Probabilistic PCA as a VAE: its log-likelihood, posterior and maximum-likelihood fit are known in closed form.

x = W z + c + noise of variance s², z ~ N(0, I) (Tipping & Bishop 1999).
"""

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.stats import multivariate_normal
from jaxtyping import Float

from jaxvae.annotations import PRNGKey
from jaxvae.distributions.gaussian import Normal, standard_normal
from jaxvae.vae import VAE, Params, compose


def exact_vae(loading: Float[Array, "p d"], noise: float, shift: float = 0.0) -> VAE:
    """Builds the model with its exact posterior, whose mean is moved by `shift`; it has no trainable parameters.

    The latent axes are rotated to the eigenvectors of WᵀW, which makes the posterior covariance diagonal.

    Args:
        loading: the matrix W.
        noise: the variance s².
        shift: added to the posterior mean to make the posterior wrong on purpose.
    """
    rotated = loading @ jnp.linalg.eigh(loading.T @ loading)[1]
    precision = jnp.diag(rotated.T @ rotated) / noise + 1.0

    def encode(params: Params, x: Float[Array, "b p"]) -> Normal:
        mean = x @ rotated / noise / precision[None] + shift
        return Normal(mean, jnp.broadcast_to(-jnp.log(precision), mean.shape), 1)

    def decode(params: Params, z: Float[Array, "b d"]) -> Normal:
        mean = z @ rotated.T
        return Normal(mean, jnp.full(mean.shape, jnp.log(noise)), 1)

    return compose(lambda key: {}, encode, decode, lambda params: standard_normal((loading.shape[1],)))


def learned_vae(pixels: int, latent: int) -> VAE:
    """Builds the model with all parameters trainable: linear encoder, one variance per unit, linear decoder, noise."""

    def init(key: PRNGKey) -> Params:
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
    """Returns the exact log N(x; 0, W Wᵀ + s² I) of each centred example, in nats."""
    covariance = loading @ loading.T + noise * jnp.eye(loading.shape[0])
    return jax.vmap(lambda row: jnp.asarray(multivariate_normal.logpdf(row, jnp.zeros_like(row), covariance)))(x)


def largest_log_likelihood(x: Float[Array, "n p"], latent: int) -> Float[Array, ""]:
    """Returns the maximum mean log-likelihood of centred data under `latent` units (Tipping & Bishop 1999, eq. 7)."""
    values, vectors = jnp.linalg.eigh(x.T @ x / len(x))
    noise = jnp.mean(values[:-latent])
    loading = vectors[:, -latent:] * jnp.sqrt(values[-latent:] - noise)[None]
    return jnp.mean(log_likelihood(x, loading, noise))
