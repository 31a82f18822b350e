"""The Fréchet distance between two sets of features, each taken for a Gaussian."""

import numpy as np
from jaxtyping import Float

from jaxvae.errors import UserError


def frechet_distance(first: Float[np.ndarray, "n f"], second: Float[np.ndarray, "m f"]) -> float:
    """Squared Fréchet, or 2-Wasserstein, distance |μ₁ - μ₂|² + tr(Σ₁ + Σ₂ - 2 (Σ₁ Σ₂)^½) of the fitted Gaussians.

    In squared units of the features; 0 for equal moments, smaller is closer. The covariances divide by n - 1. With
    fewer rows than features they are singular, and the distance is still well defined. As an estimate it is biased
    upwards, the more so the fewer the rows: compare only distances between equally many.

    Raises UserError for fewer than 2 rows, rows of different widths, and values that are not finite.

    References:
        Dowson & Landau 1982, The Fréchet Distance between Multivariate Normal Distributions.
        Heusel et al. 2017, GANs Trained by a Two Time-Scale Update Rule, equation 6.
    """
    for rows in (first, second):
        if rows.ndim != 2 or len(rows) < 2 or rows.shape[1] != first.shape[1]:
            raise UserError(
                f"the features have shapes {first.shape} and {second.shape}, but a Fréchet distance needs"
                " at least 2 rows of each, [n, f] and [m, f]."
            )
        if not np.isfinite(rows).all():
            raise UserError("the features hold values that are not finite; a Fréchet distance needs finite ones.")
    first, second = first.astype(np.float64), second.astype(np.float64)
    a, b = _factor(first), _factor(second)
    # With Σ₁ = AᵀA and Σ₂ = BᵀB the eigenvalues of Σ₁ Σ₂ are the squared singular values of A Bᵀ. Taking those
    # directly spares the square root of eigenvalues that are zero but for rounding, which would make 1e-8 of 1e-16.
    overlap = np.sum(np.linalg.svd(a @ b.T, compute_uv=False))
    shift = np.sum(np.square(np.mean(first, axis=0) - np.mean(second, axis=0)))
    # No distance is negative: rounding alone can make it so, for sets that are all but equal.
    return max(0.0, float(shift + np.sum(np.square(a)) + np.sum(np.square(b)) - 2.0 * overlap))


def _factor(rows: Float[np.ndarray, "n f"]) -> Float[np.ndarray, "r f"]:
    """A matrix A with AᵀA the covariance of the rows, of at most f rows itself; it may be singular."""
    centred = (rows - np.mean(rows, axis=0)) / np.sqrt(len(rows) - 1)
    if len(rows) <= rows.shape[1]:
        return centred  # Itself such a matrix, which spares the decomposition.
    # A symmetric decomposition, which unlike scipy.linalg.sqrtm never turns complex, nor fails where singular.
    values, vectors = np.linalg.eigh(centred.T @ centred)
    return np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T
