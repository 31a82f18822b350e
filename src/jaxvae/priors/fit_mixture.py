"""Fits a mixture of Gaussians with full covariances to codes, by expectation maximisation."""

import math
import warnings
from dataclasses import fields
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxvae.annotations import Params
from jaxvae.distributions.gaussian_mixture import FullCovarianceMixture

MAX_FULL_UNITS = 1024  # Codes of more units are fitted within their leading principal components, without a density.
MAX_PRINCIPAL_COMPONENTS = 256  # Kept for such codes.
MAX_CODES = 20_000  # More add seconds, not accuracy.
ROUNDS, ROUNDS_FROM_START = 50, 10  # Of expectation maximisation, at most.
# Added to each variance, as a share of a typical one: it keeps collapsed units invertible.
RIDGE = 1e-3
SMALLEST_VARIANCE = 1e-3  # That counts as a typical one.
FEW_UNITS = 128  # Threads for each of the small products over fewer would make rounds take twice as long on two cores.
SMALLEST_SHARE = 0.1  # Of an equal share of the codes: with fewer a component counts as empty.


def fit_mixture(
    codes: Float[np.ndarray, "n d"], components: int, seed: int, start: FullCovarianceMixture | None = None
) -> FullCovarianceMixture | None:
    """Fits a mixture of Gaussians with full covariances by expectation maximisation.

    Codes of more than MAX_FULL_UNITS units are fitted within their leading principal components.

    Args:
        codes: Codes as rows.
        components: Number of Gaussians. A full covariance of r units needs several times r codes: at most n // (2 r)
            are fitted, and at least one.
        seed: Seed of the initialisation by k-means.
        start: A mixture near the codes to begin at instead, for ROUNDS_FROM_START rounds, over the same units. One with
            a component that has (almost) no codes is ignored, since it would stay so.

    Returns:
        The mixture; None for fewer than two codes.

    References:
        Tipping & Bishop 1999, "Mixtures of probabilistic principal component analyzers".
    """
    # Imported here, since only training needs scikit-learn, which takes a second to import.
    from sklearn.decomposition import PCA
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture
    from threadpoolctl import threadpool_limits

    codes = codes[:: -(-len(codes) // MAX_CODES)].astype(np.float64) if len(codes) else codes
    count, units = codes.shape
    if count < 2:
        return None
    center, basis = codes.mean(axis=0), np.eye(units)
    if units > MAX_FULL_UNITS:
        reduced = PCA(min(MAX_PRINCIPAL_COMPONENTS, count - 1), random_state=seed).fit(codes)
        center, basis = reduced.mean_, reduced.components_
    components = max(1, min(components, count // (2 * len(basis))))
    rows = codes - center if units == len(basis) else (codes - center) @ basis.T
    # Rounds take a third of the time in float32, for which rows of any size and offset are brought to that of 1.
    scale = math.sqrt(np.mean(np.square(rows)) + SMALLEST_VARIANCE)
    rows = (rows / scale).astype(np.float32)
    model = GaussianMixture(components, covariance_type="full", reg_covar=RIDGE, random_state=seed, max_iter=ROUNDS)
    with threadpool_limits(1 if len(basis) < FEW_UNITS else None, "blas"), warnings.catch_warnings():
        # A mixture that has not quite converged, or has a component too many, is good enough to sample.
        warnings.simplefilter("ignore", ConvergenceWarning)
        if start is not None and len(start.weights) == components and len(basis) == units:
            weights, means, factors = (
                np.asarray(part, np.float64) for part in (start.weights, start.means, start.factors)
            )
            begin_at(model, weights / weights.sum(), (means - center) / scale, factors / scale, rows)
        model.fit(rows)
    means = center + scale * model.means_.astype(np.float64) @ basis
    factors = scale * basis.T @ np.linalg.cholesky(model.covariances_.astype(np.float64))
    return FullCovarianceMixture(*(jnp.asarray(array, jnp.float32) for array in (model.weights_, means, factors)))


def begin_at(
    model: Any,
    weights: Float[np.ndarray, " m"],
    means: Float[np.ndarray, "m d"],
    factors: Float[np.ndarray, "m d d"],
    rows: Float[np.ndarray, "n d"],
) -> None:
    """Has scikit-learn's mixture begin at this one, unless one of its components has almost no rows."""
    # Whose product with its transpose is the precision: the transposed inverse of a factor of the covariance.
    roots = np.linalg.inv(factors).transpose(0, 2, 1)
    parts = weights, means, roots, roots @ roots.transpose(0, 2, 1)
    model.weights_, model.means_, model.precisions_cholesky_, precisions = (part.astype(rows.dtype) for part in parts)
    held = np.bincount(model.predict(rows), minlength=len(weights))
    if held.min() >= SMALLEST_SHARE * len(rows) / len(weights):
        model.weights_init, model.means_init, model.precisions_init = model.weights_, model.means_, precisions
        model.max_iter = ROUNDS_FROM_START


def is_mixture(arrays: Params, units: int) -> bool:
    """Returns whether the arrays have the shapes of a mixture over rows of this many units."""
    if not isinstance(arrays, dict) or set(arrays) != {field.name for field in fields(FullCovarianceMixture)}:
        return False
    shapes = jax.tree.map(jnp.shape, arrays)
    (count, *_), rank = shapes["weights"] or (0,), shapes["factors"][-1:]
    return bool(count) and shapes["means"] == (count, units) and shapes["factors"] == (count, units, *rank)
