"""A model whose log-likelihood is known, and data for it."""

import jax.numpy as jnp
import numpy as np
import scipy.stats

from jaxvae.evaluation.linear_gaussian import exact_vae
from jaxvae.vae import VAE

W = jnp.asarray([[1.0, 0.5], [-0.3, 0.8], [0.2, -1.1], [0.7, 0.1]])
NOISE = 0.3
X = jnp.asarray(np.random.default_rng(0).normal(size=(6, 4)), jnp.float32)


def pca(shift: float = 0.0) -> VAE:
    return exact_vae(W, NOISE, shift)


def exact() -> np.ndarray:
    covariance = np.asarray(W @ W.T) + NOISE * np.eye(4)
    return scipy.stats.multivariate_normal(np.zeros(4), covariance).logpdf(np.asarray(X))
