"""A Gaussian mixture fitted to the training codes: where the codes really lie.

A VAE's codes fill N(0, I) only as far as the KL was worth it: with a sharp likelihood they spread and correlate, and
most draws from N(0, I) fall between them, where the decoder was never trained. A density fitted afterwards gives draws
that it knows (Ghosh et al. 2020, section 5; Dai & Wipf 2019).
"""

import math
import warnings
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

LARGEST = 2048  # Units above which a full covariance is neither estimated well nor stored lightly.


class Mixture(NamedTuple):
    """Full-covariance Gaussians over flattened codes [d]; `factors` are lower Cholesky factors of the covariances."""

    weights: Float[Array, " m"]
    means: Float[Array, "m d"]
    factors: Float[Array, "m d d"]


def flatten(code: Any) -> Float[Array, "b d"]:
    """Codes, a pytree of [b, ...], as rows."""
    return jnp.concatenate([leaf.reshape(leaf.shape[0], -1) for leaf in jax.tree.leaves(code)], axis=1)


def unflatten(rows: Float[Array, "b d"], like: Any) -> Any:
    """Rows back to codes; `like` is a pytree of the shape of one code, without the batch axis."""
    leaves, structure = jax.tree.flatten(like)
    ends = np.cumsum([math.prod(leaf.shape) for leaf in leaves])
    parts = jnp.split(rows, ends[:-1], axis=1)
    shaped = [part.reshape(-1, *leaf.shape) for part, leaf in zip(parts, leaves, strict=True)]
    return jax.tree.unflatten(structure, shaped)


def fit(codes: Float[np.ndarray, "n d"], components: int, seed: int) -> Mixture | None:
    """Fits the mixture by expectation-maximisation; None above LARGEST units.

    A full covariance of d units needs several times d codes: components are limited to n // (2 d), at least one.
    """
    # Here, since only training needs scikit-learn, which takes a second to import.
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    count, units = codes.shape
    if units > LARGEST:
        return None
    components = max(1, min(components, count // (2 * units)))
    # scikit-learn adds reg_covar to each variance: a thousandth of a typical one keeps collapsed units invertible.
    ridge = 1e-3 * float(np.mean(np.var(codes, axis=0))) + 1e-6
    model = GaussianMixture(components, covariance_type="full", reg_covar=ridge, random_state=seed, max_iter=50)
    with warnings.catch_warnings():
        # A mixture that fifty rounds have not quite settled, or with a component to spare, serves for sampling.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(codes.astype(np.float64))
    factors = np.linalg.cholesky(model.covariances_)
    return Mixture(*(jnp.asarray(each, jnp.float32) for each in (model.weights_, model.means_, factors)))


def draw(key: Array, mixture: Mixture, count: int, temperature: float = 1.0) -> Float[Array, "b d"]:
    """`count` codes from the mixture; `temperature` multiplies the spread within each Gaussian."""
    component_key, noise_key = jax.random.split(key)
    component = jax.random.categorical(component_key, jnp.log(mixture.weights), shape=(count,))
    noise = jax.random.normal(noise_key, (count, mixture.means.shape[1]))
    return mixture.means[component] + temperature * jnp.einsum("bij,bj->bi", mixture.factors[component], noise)
