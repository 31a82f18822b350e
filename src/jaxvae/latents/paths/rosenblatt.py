"""Transport between Gaussian mixtures and N(0, I) by conditional quantiles, one unit at a time.

u_j = Φ⁻¹(F(z_j | z_1 … z_{j−1})), where F is the conditional distribution function of the mixture, itself that of a
one-dimensional mixture (Rosenblatt 1952). Quantiles of the marginals would be simpler but ignore the dependence between
units: a code that is typical unit by unit need not be typical as a whole.

Computed in float64 with logarithms of the smaller tail, so that codes ten or ten thousand standard deviations out stay
finite. All points between two Gaussians, where the mixture has no mass, have the same quantile and come back at the
border of that gap. Runs on the host: a path has few codes.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.linalg import solve_triangular
from scipy.special import log_ndtr, ndtri_exp

BISECTIONS = 100  # More than float64 precision; the search stops once nothing changes.

Rows = Float[np.ndarray, "n d"]


class Triangular(NamedTuple):
    """A mixture over rows whose components are mean + L ε with L lower triangular.

    `scales` are the diagonals of the factors L; `factors` is None if L is diagonal.
    """

    log_weights: Float[np.ndarray, " m"]
    means: Float[np.ndarray, "m d"]
    scales: Float[np.ndarray, "m d"]
    factors: Float[np.ndarray, "m d d"] | None


def to_normal(mixture: Triangular, rows: Rows) -> Rows:
    """Maps rows of the mixture to rows of N(0, I)."""
    white = np.stack([_whiten(mixture, component, rows) for component in range(len(mixture.means))], axis=2)
    logs = -0.5 * np.square(white) - np.log(mixture.scales.T)
    # The components' weights conditional on the preceding units.
    log_weights = mixture.log_weights + np.cumsum(logs, axis=1) - logs
    log_weights -= _log_sum(log_weights)[..., None]
    below, above = (_log_sum(log_weights + log_ndtr(sign * white)) for sign in (1.0, -1.0))
    return np.where(below < above, 1.0, -1.0) * ndtri_exp(np.minimum(below, above))


def from_normal(mixture: Triangular, u: Rows) -> Rows:
    """Maps rows of N(0, I) to rows of the mixture; the inverse of `to_normal`."""
    count, units = u.shape
    rows, white = np.zeros((count, units)), np.zeros((count, units, len(mixture.means)))
    log_weights = np.tile(mixture.log_weights, (count, 1))
    for unit in range(units):
        means, scales = mixture.means[:, unit], mixture.scales[:, unit]
        if mixture.factors is not None:
            means = means + np.einsum("nim,mi->nm", white[:, :unit], mixture.factors[:, unit, :unit], optimize=True)
        log_weights = log_weights - _log_sum(log_weights)[:, None]
        rows[:, unit] = _quantile(u[:, unit], log_weights, means, scales)
        white[:, unit] = (rows[:, unit, None] - means) / scales
        log_weights = log_weights - 0.5 * np.square(white[:, unit]) - np.log(scales)
    return rows


def _whiten(mixture: Triangular, component: int, rows: Rows) -> Rows:
    differences = rows - mixture.means[component]
    if mixture.factors is None:
        return differences / mixture.scales[component]
    return np.asarray(solve_triangular(mixture.factors[component], differences.T, lower=True).T)


def _quantile(u: Any, log_weights: Any, means: Any, scales: Any) -> Float[np.ndarray, " n"]:
    """Finds where a one-dimensional mixture has as much mass below it as N(0, 1) has below u, by bisection.

    A quantile of a mixture lies between those of its components.
    """
    each = means + scales * u[:, None]
    low, high = each.min(axis=1), each.max(axis=1)
    sign = np.where(u > 0, -1.0, 1.0)
    target = log_ndtr(-np.abs(u))
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        if np.all((middle == low) | (middle == high)):
            break
        tail = _log_sum(log_weights + log_ndtr(sign[:, None] * (middle[:, None] - means) / scales))
        short = sign * (target - tail) > 0
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    return 0.5 * (low + high)


def _log_sum(logs: Float[np.ndarray, "*n m"]) -> Float[np.ndarray, "*n"]:
    return np.asarray(np.logaddexp.reduce(logs, axis=-1))
