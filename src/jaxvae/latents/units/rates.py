"""What each unit of the code costs: its rate, by which units are ordered."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from jaxvae.codes import flatten
from jaxvae.data.batches import epoch_batches, example_keys, gather
from jaxvae.data.pixels import to_float
from jaxvae.distributions.base import LOG_2PI
from jaxvae.distributions.gaussian import Normal
from jaxvae.inference import COMPILED_BATCH
from jaxvae.latents.units.marginals import Draws, Gaussians, prior_marginals
from jaxvae.runs.run import Loaded

NODES = 16  # Of Gauss-Hermite quadrature: exact for polynomials up to degree 31.


class UnitRates(NamedTuple):
    """A number for each unit, in the order of `codes.flatten`; the larger, the more the unit says of a picture.

    `values` are KL(q(z_j|x) ‖ p(z_j)) in nats, means over pictures, or for an autoencoder, which has no KL, the
    variances of the codes; `name` and `description` say which and how. `mean` [n, d] are the codes they are of.
    """

    values: Float[np.ndarray, " d"]
    name: str
    description: str
    mean: Float[np.ndarray, "n d"]

    @property
    def order(self) -> np.ndarray:
        """Numbers of the units, the largest rate first; equals in their own order."""
        return np.argsort(-self.values, kind="stable")


def unit_rates(loaded: Loaded, images: np.ndarray) -> UnitRates:
    """The rates of all units over pictures uint8 [n, h, w, c].

    Where the prior is a Gaussian with diagonal covariance these are the parts of the KL, and equal to what `evaluate`
    reports as `rate_per_unit_nats`. Where it is a mixture, each is the KL to the unit's marginal, by quadrature; where
    it is a flow, the KL to a Gaussian with the mean and variance of the marginal. Such parts do not add up to the KL.
    """
    vae, params, info = loaded
    posterior = _as_seen(loaded, images)
    mean, log_variance = np.asarray(posterior.mean, np.float64), np.asarray(posterior.log_variance, np.float64)
    every = np.arange(mean.shape[1])
    if not info.config.objective.variational:
        return UnitRates(np.var(mean, axis=0), "variance", "variance of the codes, as an autoencoder has no KL", mean)
    prior = jax.jit(vae.prior)(params)
    marginals = prior_marginals(prior, every)
    if isinstance(marginals.of, Draws):
        values = _closed_form(mean, log_variance, _gaussian(marginals.of))
        how = "KL to a Gaussian of the marginal's mean and variance"
    elif len(marginals.of.weights) == 1:
        values, how = _closed_form(mean, log_variance, marginals.of), "KL(q(z_j|x) || p(z_j)) in closed form"
    else:
        values, how = _by_quadrature(mean, log_variance, marginals.of), "KL to the unit's marginal, by quadrature"
    return UnitRates(values, "rate_nats", how, mean)


def _as_seen(loaded: Loaded, images: np.ndarray) -> Normal:
    """The posteriors as rows [n, d], of pixels as the model sees them: those of `evaluate` at its default seed."""
    vae, params, info = loaded

    def one(params: Any, key: Array, image: Array) -> Normal:
        posterior = vae.encode(params, to_float(jax.random.split(key)[0], image[None], info.config.data.pixels))
        return Normal(flatten(posterior.mean)[0], flatten(posterior.log_variance)[0], 1)

    batch, key, parts = jax.jit(jax.vmap(one, (None, 0, 0))), jax.random.split(jax.random.key(0), 2)[0], []
    for indices, real in epoch_batches(len(images), min(COMPILED_BATCH, len(images))):
        rows = jax.device_get(batch(params, example_keys(key, indices), gather(images, indices)))
        parts.append(jax.tree.map(lambda leaf, real=real: leaf[:real], rows))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)


def _gaussian(draws: Draws) -> Gaussians:
    return Gaussians(np.ones(1), draws.values.mean(axis=0)[None], draws.values.std(axis=0)[None])


def _closed_form(mean: np.ndarray, log_variance: np.ndarray, prior: Gaussians) -> Float[np.ndarray, " d"]:
    log_ratio = log_variance - 2.0 * np.log(prior.deviations)
    parts = np.expm1(log_ratio) - log_ratio + np.square((mean - prior.means) / prior.deviations)
    return 0.5 * np.mean(parts, axis=0)


def _by_quadrature(mean: np.ndarray, log_variance: np.ndarray, prior: Gaussians) -> Float[np.ndarray, " d"]:
    """E_q[log q − log p] of each unit; the first in closed form, the second at nodes chosen for each posterior."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    log_weights = jnp.log(jnp.asarray(prior.weights))[None]

    def unit(each: Any) -> Array:
        center, spread, means, deviations = each

        def log_density(node: Array) -> Array:
            distances = (center[:, None] + node * spread[:, None] - means[None]) / deviations[None]
            logs = log_weights - jnp.log(deviations)[None] - 0.5 * (jnp.square(distances) + LOG_2PI)
            return jnp.mean(jax.nn.logsumexp(logs, axis=1))

        return jax.lax.map(log_density, jnp.asarray(nodes, jnp.float32)) @ jnp.asarray(weights / weights.sum())

    per_unit = (mean.T, np.exp(0.5 * log_variance).T, prior.means.T, prior.deviations.T)
    arrays = tuple(jnp.asarray(each, jnp.float32) for each in per_unit)
    log_prior = jax.jit(lambda arrays: jax.lax.map(unit, arrays))(arrays)
    return np.mean(-0.5 * (1.0 + LOG_2PI + log_variance), axis=0) - np.asarray(log_prior, np.float64)
