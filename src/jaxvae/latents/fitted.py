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

LARGEST = 1024  # Units above which the codes are first reduced to their leading principal components.
COMPONENTS_KEPT = 256
MOST_CODES = 20_000  # More add seconds, not accuracy.


class Mixture(NamedTuple):
    """Gaussians over flattened codes [d]: draws are means + factors · ε with ε standard normal in r dimensions.

    `factors` are Cholesky factors of full covariances (r = d), or of those within a subspace (r < d).
    """

    weights: Float[Array, " m"]
    means: Float[Array, "m d"]
    factors: Float[Array, "m d r"]


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
    """Fits the mixture by expectation-maximisation; None for fewer than two codes.

    A full covariance of r units needs several times r codes: components are limited to n // (2 r), at least one.
    Codes of more than LARGEST units are fitted within their leading principal components (Tipping & Bishop 1999).
    """
    # Here, since only training needs scikit-learn, which takes a second to import.
    from sklearn.decomposition import PCA
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    codes = codes[:: -(-len(codes) // MOST_CODES)].astype(np.float64) if len(codes) else codes
    count, units = codes.shape
    if count < 2:
        return None
    center, basis = np.zeros(units), np.eye(units)
    if units > LARGEST:
        reduced = PCA(min(COMPONENTS_KEPT, count - 1), random_state=seed).fit(codes)
        center, basis = reduced.mean_, reduced.components_
        codes = reduced.transform(codes)
    components = max(1, min(components, count // (2 * codes.shape[1])))
    # scikit-learn adds reg_covar to each variance: a thousandth of a typical one keeps collapsed units invertible.
    ridge = 1e-3 * float(np.mean(np.var(codes, axis=0))) + 1e-6
    model = GaussianMixture(components, covariance_type="full", reg_covar=ridge, random_state=seed, max_iter=50)
    with warnings.catch_warnings():
        # A mixture that fifty rounds have not quite settled, or with a component to spare, serves for sampling.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(codes)
    means, factors = center + model.means_ @ basis, basis.T @ np.linalg.cholesky(model.covariances_)
    return Mixture(*(jnp.asarray(each, jnp.float32) for each in (model.weights_, means, factors)))


def draw(key: Array, mixture: Mixture, count: int, temperature: float = 1.0) -> Float[Array, "b d"]:
    """`count` codes from the mixture; `temperature` multiplies the spread within each Gaussian."""
    component_key, noise_key = jax.random.split(key)
    component = jax.random.categorical(component_key, jnp.log(mixture.weights), shape=(count,))
    noise = jax.random.normal(noise_key, (count, mixture.factors.shape[2]))
    # One Gaussian at a time: a factor for each draw would be a d × r matrix for each draw.
    spread = sum(
        jnp.where((component == i)[:, None], noise @ factor.T, 0.0) for i, factor in enumerate(mixture.factors)
    )
    return mixture.means[component] + temperature * jnp.asarray(spread)
