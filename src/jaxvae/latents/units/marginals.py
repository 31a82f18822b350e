"""Quantiles of the prior's marginal distribution of each unit.

The marginals of a diagonal Gaussian, and of mixtures of them, have closed forms. A flow's do not, so samples stand in
for them. An autoencoder has no prior; the codes of images stand in for it.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.special import ndtr, ndtri

from jaxvae.codes import Code, flatten
from jaxvae.distributions.gaussian import Normal
from jaxvae.distributions.gaussian_mixture import FullCovarianceMixture, GaussianMixture
from jaxvae.distributions.levels import Levels
from jaxvae.distributions.precision_mixture import PrecisionMixture
from jaxvae.keys import key_for, key_shape
from jaxvae.priors.row_prior import RowPrior
from jaxvae.vae import Prior

DRAWS, DRAWS_PER_BATCH = 8192, 1024
BISECTIONS = 60  # Bisects an interval of a few standard deviations to float64 precision.


class Gaussians(NamedTuple):
    """Marginals that are mixtures of m Gaussians with shared weights, for each of d units."""

    weights: Float[np.ndarray, " m"]
    means: Float[np.ndarray, "m d"]
    deviations: Float[np.ndarray, "m d"]

    def quantiles(self, probabilities: Float[np.ndarray, " q"]) -> Float[np.ndarray, "q d"]:
        """Returns the quantiles of each unit, by bisection of the distribution function."""
        of_one = ndtri(probabilities)[:, None, None]
        each = self.means[None] + self.deviations[None] * of_one
        # A quantile of a mixture lies between the smallest and the largest of its components' quantiles.
        low, high = each.min(axis=1), each.max(axis=1)
        for _ in range(BISECTIONS if len(self.weights) > 1 else 0):
            middle = 0.5 * (low + high)
            below = self.distribution_function(middle) < probabilities[:, None]
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return 0.5 * (low + high)

    def distribution_function(self, values: Float[np.ndarray, "q d"]) -> Float[np.ndarray, "q d"]:
        """Returns P(unit ≤ value) for each unit."""
        total = np.zeros(values.shape)
        for weight, mean, deviation in zip(*self, strict=True):
            total += weight * ndtr((values - mean[None]) / deviation[None])
        return total


class Draws(NamedTuple):
    """Marginals represented by samples [n, d]."""

    values: Float[np.ndarray, "n d"]

    def quantiles(self, probabilities: Float[np.ndarray, " q"]) -> Float[np.ndarray, "q d"]:
        """Returns the interpolated quantiles of the samples."""
        return np.quantile(self.values, probabilities, axis=0)


class Parts(NamedTuple):
    """Marginals of one kind for some columns and of another for the rest: (columns, marginals) of each."""

    parts: tuple[tuple[np.ndarray, Any], ...]

    def quantiles(self, probabilities: Float[np.ndarray, " q"]) -> Float[np.ndarray, "q d"]:
        """Returns the quantiles of each unit."""
        values = np.empty((len(probabilities), sum(len(columns) for columns, _ in self.parts)))
        for columns, marginals in self.parts:
            values[:, columns] = marginals.quantiles(probabilities)
        return values


class Marginals(NamedTuple):
    """The marginals of some units, and a description for people."""

    distribution: Gaussians | Draws | Parts
    description: str


def prior_marginals(prior: Prior, units: np.ndarray) -> Marginals:
    """Returns a prior's marginals of the given units (column indices of `codes.flatten`)."""
    if isinstance(prior, Levels) and all(isinstance(part, Normal) for part in prior.parts):
        return prior_marginals(_joined(prior.parts), units)
    if isinstance(prior, Levels) and all(isinstance(part, Normal) for part in prior.parts[1:]):
        return _of_levels(prior, units)
    if isinstance(prior, Normal):
        mean, log_variance = (_rows(leaf[None])[:, units] for leaf in (prior.mean, prior.log_variance))
        standard = not mean.any() and not log_variance.any()
        return Marginals(
            Gaussians(np.ones(1), mean, np.exp(0.5 * log_variance)), "N(0, 1)" if standard else "the Gaussian prior"
        )
    if isinstance(prior, GaussianMixture):
        weights = np.asarray(jax.nn.softmax(prior.logits), np.float64)
        means, log_variances = (_rows(leaf)[:, units] for leaf in (prior.means, prior.log_variances))
        described = f"the marginal of the prior's {len(weights)} Gaussians"
        return Marginals(Gaussians(weights / weights.sum(), means, np.exp(0.5 * log_variances)), described)
    if isinstance(prior, RowPrior) and isinstance(prior.rows, FullCovarianceMixture | PrecisionMixture):
        rows = prior.rows.with_factors if isinstance(prior.rows, PrecisionMixture) else prior.rows
        weights, means, factors = (np.asarray(part, np.float64) for part in (rows.weights, rows.means, rows.factors))
        deviations = np.sqrt(np.sum(np.square(factors[:, units]), axis=2))
        described = f"the marginal of the prior's {len(weights)} Gaussians"
        return Marginals(Gaussians(weights / weights.sum(), means[:, units], deviations), described)
    draw = jax.jit(lambda key: flatten(prior.sample(key, (DRAWS_PER_BATCH,)))[:, jnp.asarray(units)])
    keys = jax.random.split(key_for("unit marginals", 0), DRAWS // DRAWS_PER_BATCH)
    values = np.concatenate([np.asarray(draw(key), np.float64) for key in keys])
    return Marginals(Draws(values), f"{DRAWS} samples from the prior, whose marginals have no closed form")


def _of_levels(prior: Levels, units: np.ndarray) -> Marginals:
    """Returns the marginals of levels of which only the coarsest has a prior without closed form."""
    code = jax.eval_shape(lambda key: prior.sample(key, (1,)), key_shape())
    in_top = sum(math.prod(level.shape) for level in code[: max(1, prior.joint)])
    above, below = np.flatnonzero(units < in_top), np.flatnonzero(units >= in_top)
    if not len(below):
        return prior_marginals(prior.top, units)
    of_below = prior_marginals(_joined(prior.parts[1:]), units[below] - in_top)
    if not len(above):
        return of_below
    of_top = prior_marginals(prior.top, units[above])
    both = tuple((columns, each.distribution) for columns, each in ((above, of_top), (below, of_below)))
    return Marginals(Parts(both), f"{of_top.description}; below the coarsest levels {of_below.description}")


def _joined(parts: Sequence[Normal]) -> Normal:
    heads = ([getattr(part, name)[None] for part in parts] for name in ("mean", "log_variance"))
    mean, log_variance = (flatten(head)[0] for head in heads)
    return Normal(mean, log_variance, 1)


def code_marginals(mean: Any, units: np.ndarray) -> Marginals:
    """Returns the marginals of posterior means [n, ...], for a model without a prior."""
    return Marginals(
        Draws(_rows(mean)[:, units]), f"the codes of {len(_rows(mean))} images, because the model has no prior"
    )


def _rows(code: Code) -> Float[np.ndarray, "n d"]:
    return np.asarray(flatten(code), np.float64)
