"""Priors in the form that the exported page draws from: Gaussians, one of which is chosen, over the first units."""

from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from jaxvae.distributions.gaussian import Normal
from jaxvae.distributions.gaussian_mixture import FullCovarianceMixture, GaussianMixture
from jaxvae.distributions.levels import Levels
from jaxvae.distributions.precision_mixture import PrecisionMixture
from jaxvae.priors.row_prior import RowPrior

MOST_NUMBERS = 8_000_000  # That a browser has to load, 4 bytes each.


class Mixture(NamedTuple):
    """Gaussians over the first d units of a code; those that follow are N(0, 1).

    Attributes:
        weights: of the Gaussians, with sum 1.
        means: of each.
        factors: of their covariances [m, d, r], or standard deviations [m, d] where units are independent.
    """

    weights: Float[np.ndarray, " m"]
    means: Float[np.ndarray, "m d"]
    factors: Float[np.ndarray, "..."]


def as_mixture(prior: Any) -> Mixture | None:
    """Returns a prior as Gaussians; None if it is something else, such as a flow, or has too many parameters."""
    match prior:
        case Levels() if all(_is_standard(part) for part in prior.parts[1:]):
            return as_mixture(prior.top)
        case RowPrior(rows=FullCovarianceMixture() as rows):
            return _mixture(rows.weights, rows.means, rows.factors)
        case RowPrior(rows=PrecisionMixture() as rows):
            return as_mixture(RowPrior(rows.with_factors, prior.like))
        case GaussianMixture():
            deviations = np.exp(0.5 * np.asarray(prior.log_variances))
            return _mixture(jax.nn.softmax(prior.logits), _rows(prior.means), _rows(deviations))
        case Normal():
            deviation = np.exp(0.5 * np.asarray(prior.log_variance))
            return _mixture(np.ones(1), np.reshape(prior.mean, (1, -1)), deviation.reshape(1, -1))
    return None


def _mixture(weights: Any, means: Any, factors: Any) -> Mixture | None:
    arrays = [np.asarray(each, np.float32) for each in (weights, means, factors)]
    return Mixture(*arrays) if sum(each.size for each in arrays) <= MOST_NUMBERS else None


def _rows(array: Any) -> np.ndarray:
    return np.asarray(array).reshape(len(array), -1)


def _is_standard(part: Any) -> bool:
    return isinstance(part, Normal) and not np.any(part.mean) and not np.any(part.log_variance)
