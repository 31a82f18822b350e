"""Probabilistic PCA as a VAE: its log-likelihood, posterior and maximum-likelihood fit are known in closed form.

x = W z + c + noise of variance s², z ~ N(0, I) (Tipping & Bishop 1999).
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.stats import multivariate_normal
from jaxtyping import Float

from jaxvae.annotations import PRNGKey
from jaxvae.distributions.gaussian import Normal, standard_normal
from jaxvae.likelihoods import LikelihoodHead
from jaxvae.models.hierarchical import hierarchical_vae
from jaxvae.networks.hierarchy import HierarchyNetworks, Pass
from jaxvae.priors import StandardNormal
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


def exact_hierarchy(
    bottom: Float[Array, "p e"],
    top: Float[Array, "p d"],
    between: Float[Array, "e d"],
    noise: float,
    shift: float = 0.0,
) -> VAE:
    """Builds x = B z1 + C z2 + noise, z1 = A z2 + e, with e and z2 from N(0, I), and its exact posterior.

    Images are [b, 1, 1, p]. The axes of both levels are rotated so that q(z2|x) and q(z1|x, z2) have diagonal
    covariances: those of z1 to the eigenvectors of BᵀB, those of z2 to the ones of its posterior precision.

    Args:
        bottom: the matrix B.
        top: the matrix C.
        between: the matrix A.
        noise: the variance of the noise.
        shift: added to the posterior means of both levels to make the posterior wrong on purpose.
    """
    rotation = jnp.linalg.eigh(bottom.T @ bottom)[1]
    B, A = bottom @ rotation, rotation.T @ between
    covariance = B @ B.T + noise * jnp.eye(len(B))  # Of x given z2.
    both = B @ A + top
    axes = jnp.linalg.eigh(both.T @ jnp.linalg.solve(covariance, both))[1]
    A, both = A @ axes, both @ axes
    weights = jnp.linalg.solve(covariance, both)
    top_precision = 1.0 + jnp.sum(both * weights, axis=0)
    bottom_precision = 1.0 + jnp.sum(jnp.square(B), axis=0) / noise
    (pixels, units), top_units = B.shape, both.shape[1]

    def down(params: Params, x: Array | None, codes: Any, draw: bool) -> Pass:
        means, log_variances = [], []
        z2, u1 = codes[0], codes[1] if len(codes) > 1 else jnp.zeros((len(codes[0]), units))
        if x is not None:
            mean, log_variance = x @ weights / top_precision[None] + shift, -jnp.log(top_precision)[None]
            log_variance = jnp.broadcast_to(log_variance, mean.shape)
            z2 = mean + jnp.exp(0.5 * log_variance) * z2 if draw else z2
            means, log_variances = [mean], [log_variance]
            # z1 is e, which is its own u, on top of its prior's mean A z2.
            mean = (x - z2 @ both.T) @ B / noise / bottom_precision[None] + shift
            log_variance = jnp.broadcast_to(-jnp.log(bottom_precision)[None], mean.shape)
            u1 = mean + jnp.exp(0.5 * log_variance) * u1 if draw else u1
            means, log_variances = [*means, mean], [*log_variances, log_variance]
        output = z2 @ both.T + u1 @ B.T
        return Pass((z2, u1), tuple(means), tuple(log_variances), output.reshape(-1, 1, 1, pixels))

    networks = HierarchyNetworks(
        init=lambda key: {},
        look=lambda params, x: x.reshape(len(x), -1),
        draw=lambda params, features, codes: down(params, features, codes, True),
        follow=lambda params, features, codes: down(params, features, codes, False),
        generate=lambda params, codes: down(params, None, codes, False).output,
        shapes=((top_units,), (units,)),
        levels=("z2", "z1"),
    )
    head = LikelihoodHead(pixels, {}, lambda params, output: Normal(output, jnp.full(output.shape, jnp.log(noise)), 3))
    return hierarchical_vae(networks, head, StandardNormal().build((top_units,), (1, 1, pixels)))


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
