"""The rate of each latent unit, by which units are ordered."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from jaxvae.annotations import Params, PRNGKey
from jaxvae.codes import flatten
from jaxvae.data.batches import epoch_batches, example_keys, gather
from jaxvae.data.pixels import to_float
from jaxvae.distributions.base import LOG_2PI
from jaxvae.distributions.gaussian import Normal
from jaxvae.inference import BATCH_SIZE
from jaxvae.keys import key_for
from jaxvae.latents.units.marginals import Draws, Gaussians, prior_marginals
from jaxvae.runs.run import Loaded

NODES = 16  # Gauss-Hermite nodes: exact for polynomials up to degree 31.


class UnitRates(NamedTuple):
    """The rate of each unit, in the order of `codes.flatten`: a unit with more says more about an image.

    Attributes:
        values: KL(q(z_j|x) ‖ p(z_j)) in nats, averaged over images; for an autoencoder, which has no KL, the variance
            of the codes.
        name: Which of the two `values` are, as a JSON key.
        description: How they were computed.
        mean: The codes [n, d] they were computed from.
    """

    values: Float[np.ndarray, " d"]
    name: str
    description: str
    mean: Float[np.ndarray, "n d"]

    @property
    def order(self) -> np.ndarray:
        """Indices of the units by decreasing rate; ties keep their order."""
        return np.argsort(-self.values, kind="stable")


def unit_rates(loaded: Loaded, images: np.ndarray) -> UnitRates:
    """Computes the rate of each unit over uint8 images [n, h, w, c].

    For a diagonal Gaussian prior these are the terms of the KL, equal to `rate_per_unit_nats` of `evaluate`. For a
    mixture each is the KL to the unit's marginal, by quadrature; for a flow, the KL to a Gaussian with the marginal's
    mean and variance. In the last two cases they do not sum to the KL.
    """
    vae, params, info = loaded
    posterior = _posterior_rows(loaded, images)
    mean, log_variance = np.asarray(posterior.mean, np.float64), np.asarray(posterior.log_variance, np.float64)
    every = np.arange(mean.shape[1])
    if not info.config.objective.variational:
        return UnitRates(
            np.var(mean, axis=0), "variance", "variance of the codes, because an autoencoder has no KL", mean
        )
    prior = jax.jit(vae.prior)(params)
    marginals = prior_marginals(prior, every)
    if isinstance(marginals.distribution, Draws):
        values = _closed_form(mean, log_variance, _gaussian(marginals.distribution))
        how = "KL to a Gaussian with the marginal's mean and variance"
    elif len(marginals.distribution.weights) == 1:
        values, how = _closed_form(mean, log_variance, marginals.distribution), "KL(q(z_j|x) || p(z_j)) in closed form"
    else:
        values, how = (
            _by_quadrature(mean, log_variance, marginals.distribution),
            "KL to the unit's marginal, by quadrature",
        )
    return UnitRates(values, "rate_nats", how, mean)


def _posterior_rows(loaded: Loaded, images: np.ndarray) -> Normal:
    """Returns the posteriors as rows [n, d], from the same pixel values as `evaluate` at its default seed."""
    vae, params, info = loaded

    def one(params: Params, key: PRNGKey, image: Array) -> Normal:
        posterior = vae.encode(params, to_float(jax.random.split(key)[0], image[None], info.config.data.pixels))
        return Normal(flatten(posterior.mean)[0], flatten(posterior.log_variance)[0], 1)

    batch, key, parts = jax.jit(jax.vmap(one, (None, 0, 0))), jax.random.split(key_for("evaluate", 0), 2)[0], []
    for indices, real in epoch_batches(len(images), min(BATCH_SIZE, len(images))):
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
    """Returns E_q[log q − log p] per unit: the first term in closed form, the second by Gauss-Hermite quadrature."""
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
