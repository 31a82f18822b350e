"""The Fréchet distance between two sets of features, each modelled as a Gaussian."""

import numpy as np
from jaxtyping import Float

from jaxvae.errors import UserError


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Returns the squared Fréchet distance |μ₁ - μ₂|² + tr(Σ₁ + Σ₂ - 2 (Σ₁ Σ₂)^½) of the fitted Gaussians.

    The rows are [n, f] and [m, f]. Also known as the squared 2-Wasserstein distance; in squared units of the features,
    0 for equal moments, smaller is closer. The covariances are normalised by n - 1. With fewer rows than features they
    are singular, and the distance is still well defined. The estimate is biased upwards, more so for fewer rows: only
    compare distances computed from equal numbers of rows.

    Raises:
        UserError: for fewer than 2 rows, rows of different widths, or values that are not finite.

    References:
        Dowson & Landau 1982, The Fréchet Distance between Multivariate Normal Distributions.
        Heusel et al. 2017, GANs Trained by a Two Time-Scale Update Rule, equation 6.
    """
    for rows in (first, second):
        if rows.ndim != 2 or len(rows) < 2 or rows.shape[1] != first.shape[1]:
            raise UserError(
                f"the features have shapes {first.shape} and {second.shape}, but a Fréchet distance requires"
                " [n, f] and [m, f] with at least 2 rows each."
            )
        if not np.isfinite(rows).all():
            raise UserError("the features contain values that are not finite; a Fréchet distance requires finite ones.")
    first, second = first.astype(np.float64), second.astype(np.float64)
    a, b = _factor(first), _factor(second)
    # With Σ₁ = AᵀA and Σ₂ = BᵀB the eigenvalues of Σ₁ Σ₂ are the squared singular values of A Bᵀ. Computing those
    # directly avoids square roots of eigenvalues that are zero up to rounding, which would turn 1e-16 into 1e-8.
    overlap = np.sum(np.linalg.svd(a @ b.T, compute_uv=False))
    shift = np.sum(np.square(np.mean(first, axis=0) - np.mean(second, axis=0)))
    # Rounding can make the distance between nearly equal sets negative.
    return max(0.0, float(shift + np.sum(np.square(a)) + np.sum(np.square(b)) - 2.0 * overlap))


def _factor(rows: Float[np.ndarray, "n f"]) -> Float[np.ndarray, "r f"]:
    """Returns a matrix A, with at most f rows, such that AᵀA is the covariance of the rows; it may be singular."""
    centred = (rows - np.mean(rows, axis=0)) / np.sqrt(len(rows) - 1)
    if len(rows) <= rows.shape[1]:
        return centred  # Already such a matrix, no decomposition needed.
    # Unlike scipy.linalg.sqrtm, a symmetric decomposition stays real and works for singular matrices.
    values, vectors = np.linalg.eigh(centred.T @ centred)
    return np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T
