"""The rate of each latent unit, by which units are ordered."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from jaxvae.annotations import Params, PRNGKey
from jaxvae.codes import Moments, flatten
from jaxvae.data.batches import epoch_batches, example_keys, gather
from jaxvae.data.pixels import to_float
from jaxvae.distributions.base import LOG_2PI, require_log_variances
from jaxvae.inference import BATCH_SIZE
from jaxvae.keys import key_for
from jaxvae.latents.units.marginals import Draws, Gaussians, Parts, prior_marginals
from jaxvae.runs.run import Loaded
from jaxvae.vae import Prior

Rate = Callable[[np.ndarray, np.ndarray], np.ndarray]

NODES = 16  # Gauss-Hermite nodes: exact for polynomials up to degree 31.


class UnitRates(NamedTuple):
    """The rate of each unit, in the order of `codes.flatten`: a unit with more says more about an image.

    Attributes:
        values: KL(q(z_j|x) ‖ p(z_j)) in nats, averaged over images; for an autoencoder, which has no KL, the variance
            of the codes.
        name: Which of the two `values` are, as a JSON key.
        description: How they were computed.
        mean: Mean over the images of the codes (posterior means).
        deviation: Their standard deviation.
        codes: The codes themselves for an autoencoder, which has no prior to take quantiles of; otherwise None.
    """

    values: Float[np.ndarray, " d"]
    name: str
    description: str
    mean: Float[np.ndarray, " d"]
    deviation: Float[np.ndarray, " d"]
    codes: Float[np.ndarray, "n d"] | None = None

    @property
    def order(self) -> np.ndarray:
        """Indices of the units by decreasing rate; ties keep their order."""
        return np.argsort(-self.values, kind="stable")


def unit_rates(loaded: Loaded, images: np.ndarray) -> UnitRates:
    """Computes the rate of each unit over uint8 images [n, h, w, c], a batch at a time.

    For a diagonal Gaussian prior these are the terms of the KL, equal to `rate_per_unit_nats` of `evaluate` (below the
    coarsest level of a hierarchy: up to the draw of the levels above, which here are at their means). For a mixture
    each is the KL to the unit's marginal, by quadrature; for a flow, the KL to a Gaussian with the marginal's mean and
    variance. In the last two cases they do not sum to the KL. A posterior of another family counts as the Gaussian with
    its mean and variance.
    """
    vae, params, info = loaded
    if not info.config.objective.variational:
        codes = np.concatenate([mean for mean, _ in _posterior_rows(loaded, images)])
        mean, variance = codes.mean(axis=0), codes.var(axis=0)
        how = "variance of the codes, because an autoencoder has no KL"
        return UnitRates(variance, "variance", how, mean, np.sqrt(variance), codes)
    rate, how = _rate_function(jax.jit(vae.prior)(params), vae.units(params))
    moments, values = Moments(), np.zeros(1)
    for mean, log_variance in _posterior_rows(loaded, images):
        moments = moments.add(mean)
        values = values + rate(mean, log_variance).sum(axis=0)
    return UnitRates(values / len(images), "rate_nats", how, moments.mean, np.sqrt(moments.variance))


def _rate_function(prior: Prior, units: int) -> tuple[Rate, str]:
    """Returns the function from mean and log-variance of q(z|x) to the rate of each unit, and how it is computed."""
    return _rate_from(prior_marginals(prior, np.arange(units)).distribution)


def _rate_from(marginals: Gaussians | Draws | Parts) -> tuple[Rate, str]:
    if isinstance(marginals, Parts):
        each = [(columns, *_rate_from(part)) for columns, part in marginals.parts]

        def by_part(mean: np.ndarray, log_variance: np.ndarray) -> np.ndarray:
            values = np.empty(mean.shape)
            for columns, rate, _ in each:
                values[:, columns] = rate(mean[:, columns], log_variance[:, columns])
            return values

        return by_part, "; below the coarsest levels ".join(how for _, _, how in each)
    if isinstance(marginals, Draws):
        how = "KL to a Gaussian with the marginal's mean and variance"
        return partial(_closed_form, prior=_gaussian(marginals)), how
    if len(marginals.weights) == 1:
        return partial(_closed_form, prior=marginals), "KL(q(z_j|x) || p(z_j)) in closed form"
    return partial(_by_quadrature, prior=marginals), "KL to the unit's marginal, by quadrature"


def _posterior_rows(loaded: Loaded, images: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields mean and log-variance of the posteriors, rows [b, d] of float64, a batch at a time.

    From the same pixel values as `evaluate` at its default seed.
    """
    vae, params, info = loaded

    def one(params: Params, key: PRNGKey, image: Array) -> tuple[Array, Array]:
        posterior = vae.encode(params, to_float(jax.random.split(key)[0], image[None], info.config.data.pixels))
        variational = info.config.objective.variational
        spread = require_log_variances(posterior) if variational else posterior.mean
        return flatten(posterior.mean)[0], flatten(spread)[0]

    batch, key = jax.jit(jax.vmap(one, (None, 0, 0))), jax.random.split(key_for("evaluate", 0), 2)[0]
    for indices, real in epoch_batches(len(images), min(BATCH_SIZE, len(images))):
        mean, log_variance = jax.device_get(batch(params, example_keys(key, indices), gather(images, indices)))
        yield np.asarray(mean[:real], np.float64), np.asarray(log_variance[:real], np.float64)


def _gaussian(draws: Draws) -> Gaussians:
    return Gaussians(np.ones(1), draws.values.mean(axis=0)[None], draws.values.std(axis=0)[None])


def _closed_form(mean: np.ndarray, log_variance: np.ndarray, prior: Gaussians) -> Float[np.ndarray, "b d"]:
    log_ratio = log_variance - 2.0 * np.log(prior.deviations)
    parts = np.expm1(log_ratio) - log_ratio + np.square((mean - prior.means) / prior.deviations)
    return np.asarray(0.5 * parts)


def _by_quadrature(mean: np.ndarray, log_variance: np.ndarray, prior: Gaussians) -> Float[np.ndarray, "b d"]:
    """Returns E_q[log q − log p] per unit: the first term in closed form, the second by Gauss-Hermite quadrature."""
    per_unit = (mean.T, np.exp(0.5 * log_variance).T, prior.means.T, prior.deviations.T)
    arrays = tuple(jnp.asarray(each, jnp.float32) for each in per_unit)
    log_prior = _expected_log_density(jnp.asarray(prior.weights, jnp.float32), arrays)
    return -0.5 * (1.0 + LOG_2PI + log_variance) - np.asarray(log_prior, np.float64).T


@jax.jit
def _expected_log_density(mixture_weights: Float[Array, " m"], arrays: tuple[Array, ...]) -> Float[Array, "d b"]:
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    log_weights = jnp.log(mixture_weights)[None]

    def unit(each: Any) -> Array:
        center, spread, means, deviations = each

        def log_density(node: Array) -> Array:
            distances = (center[:, None] + node * spread[:, None] - means[None]) / deviations[None]
            logs = log_weights - jnp.log(deviations)[None] - 0.5 * (jnp.square(distances) + LOG_2PI)
            return jax.nn.logsumexp(logs, axis=1)

        return jnp.asarray(weights / weights.sum()) @ jax.lax.map(log_density, jnp.asarray(nodes, jnp.float32))

    expected: Array = jax.lax.map(unit, arrays)
    return expected
