"""A model whose log-likelihood is known."""

import jax.numpy as jnp
import numpy as np
import scipy.stats

from jaxvae.distributions import Normal, standard_normal
from jaxvae.vae import VAE

# Probabilistic PCA (Tipping & Bishop 1999): x = W z + noise of variance s², so that p(x) and p(z|x) are known.
W = jnp.asarray([[1.0, 0.5], [-0.3, 0.8], [0.2, -1.1], [0.7, 0.1]])
NOISE = 0.3
X = jnp.asarray(np.random.default_rng(0).normal(size=(6, 4)), jnp.float32)


def pca(shift: float = 0.0) -> VAE:
    """The linear-Gaussian model with its exact posterior, whose mean is moved by `shift`.

    The exact posterior has a full covariance; a rotation of the latent axes makes it diagonal.
    """
    rotation = jnp.linalg.eigh(W.T @ W)[1]
    loading = W @ rotation
    precision = jnp.diag(loading.T @ loading) / NOISE + 1.0

    def encode(params, x):
        mean = x @ loading / NOISE / precision[None] + shift
        return Normal(mean, jnp.broadcast_to(-jnp.log(precision), mean.shape), 1)

    def decode(params, z):
        mean = z @ loading.T
        return Normal(mean, jnp.full(mean.shape, jnp.log(NOISE)), 1)

    return VAE(lambda key: {}, encode, decode, lambda params: standard_normal((2,)))


def exact() -> np.ndarray:
    covariance = np.asarray(W @ W.T) + NOISE * np.eye(4)
    return scipy.stats.multivariate_normal(np.zeros(4), covariance).logpdf(np.asarray(X))
