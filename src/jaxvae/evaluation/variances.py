"""Whether variances are where they may move: those of the codes, of the posteriors, and of the likelihood."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvae.codes import flatten
from jaxvae.config import ModelConfig
from jaxvae.distributions import Normal
from jaxvae.likelihoods import LOG_SCALE_RANGE
from jaxvae.vae import VAE, Params

NEAR = 0.1
EXAMPLES = 64


def widest_variance(posterior: Normal) -> float:
    """The largest variance of one unit over all codes: that of the means, and the mean of the variances."""
    means, log_variances = flatten(posterior.mean), flatten(posterior.log_variance)
    return float(jnp.max(jnp.var(means, axis=0) + jnp.mean(jnp.exp(log_variances), axis=0)))


def posterior_at_bound(posterior: Normal, config: ModelConfig) -> float:
    """The share of the log-variances of q(z|x) that are within NEAR of a bound."""
    return _share(np.asarray(posterior.log_variance), *config.log_variance_range)


def scale_at_bound(vae: VAE, params: Params, z: Any) -> float | None:
    """The share of the scales of p(x|z) within NEAR of a bound, at the first codes; None where none is predicted."""
    likelihood = vae.decode(params, jax.tree.map(lambda leaf: jnp.asarray(leaf[:EXAMPLES]), z))
    if isinstance(likelihood, Normal):
        return _share(0.5 * np.asarray(likelihood.log_variance), *LOG_SCALE_RANGE)
    for name in ("log_scale", "log_scales"):
        if hasattr(likelihood, name):
            return _share(np.asarray(getattr(likelihood, name)), *LOG_SCALE_RANGE)
    return None


def _share(values: np.ndarray, low: float, high: float) -> float:
    return float(np.mean((values < low + NEAR) | (values > high - NEAR)))
