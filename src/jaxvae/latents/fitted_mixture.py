"""A Gaussian mixture with full covariances, fitted to codes by expectation-maximisation."""

import warnings
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.tree_util import register_dataclass
from jaxtyping import Float

from jaxvae.distributions import LOG_2PI
from jaxvae.errors import UserError

LARGEST = 1024  # Units above which the codes are first reduced to their leading principal components.
COMPONENTS_KEPT = 256
MOST_CODES = 20_000  # More add seconds, not accuracy.


@partial(register_dataclass, data_fields=["weights", "means", "factors"], meta_fields=[])
@dataclass(frozen=True)
class Mixture:
    """Gaussians over rows: draws are means + factors · ε with ε standard normal in r dimensions.

    `factors` are Cholesky factors of full covariances (r = d), or of those within a subspace (r < d).
    """

    weights: Float[Array, " m"]
    means: Float[Array, "m d"]
    factors: Float[Array, "m d r"]

    def sample(self, key: Array, shape: tuple[int, ...] = (), temperature: float = 1.0) -> Float[Array, "*k d"]:
        """Draws; `temperature` multiplies the spread within each Gaussian."""
        component_key, noise_key = jax.random.split(key)
        component = jax.random.categorical(component_key, jnp.log(self.weights), shape=shape)
        noise = jax.random.normal(noise_key, (*shape, self.factors.shape[2]))
        # One Gaussian at a time: a factor for each draw would be a d × r matrix for each draw.
        spread = sum(
            jnp.where((component == i)[..., None], noise @ factor.T, 0.0) for i, factor in enumerate(self.factors)
        )
        return self.means[component] + temperature * jnp.asarray(spread)

    def log_prob(self, value: Float[Array, "*k d"]) -> Float[Array, "*k"]:
        """log Σ w N(value; mean, factor factorᵀ) in nats; `UserError` for a mixture within a subspace."""
        units, rank = self.factors.shape[1:]
        if rank < units:
            raise UserError(
                f"the fitted mixture has no density: codes of {units} units are above {LARGEST}, and it was fitted "
                f"within {rank} of their principal components; the model's own prior and the fitted flow have one."
            )
        rows = value.reshape(-1, units)

        def component(mean: Array, factor: Array) -> Array:
            white = jax.scipy.linalg.solve_triangular(factor, (rows - mean[None]).T, lower=True)
            log_determinant = jnp.sum(jnp.log(jnp.diag(factor)))
            return -0.5 * (jnp.sum(jnp.square(white), axis=0) + units * LOG_2PI) - log_determinant

        # One after the other, so that memory does not grow with their number.
        logs = jax.lax.map(lambda each: component(*each), (self.means, self.factors))
        return jax.nn.logsumexp(jnp.log(self.weights)[:, None] + logs, axis=0).reshape(value.shape[:-1])


def fit_mixture(codes: Float[np.ndarray, "n d"], components: int, seed: int) -> Mixture | None:
    """Fits the mixture; None for fewer than two codes.

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
