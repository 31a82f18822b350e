"""Priors fitted to the training codes after training.

The codes of a VAE fill N(0, I) only as far as the KL term made them: under a sharp likelihood they spread and
correlate, and most draws from N(0, I) fall between them, where the decoder was never trained. A density fitted
afterwards draws codes that the decoder knows and, used instead of p(z), gives a higher bound on log p(x).

References:
    Ghosh et al. 2020, "From variational to deterministic autoencoders", section 5.
    Dai & Wipf 2019, "Diagnosing and enhancing VAE models".
"""

import warnings
from dataclasses import fields
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from jaxvae.annotations import ArrayLike, Params, PRNGKey
from jaxvae.codes import Code
from jaxvae.distributions.gaussian_mixture import FullCovarianceMixture
from jaxvae.keys import key_for, key_shape
from jaxvae.priors.flow import Flow, build_flow
from jaxvae.priors.flow_matching_fit import flow_matching_shapes, open_flow_matching, shape_of
from jaxvae.priors.row_prior import RowPrior

KINDS = ("fitted_mixture", "fitted_flow", "fitted_flow_matching")

# The mixture.
MAX_FULL_UNITS = 1024  # Codes of more units are fitted within their leading principal components, without a density.
MAX_PRINCIPAL_COMPONENTS = 256  # Kept for such codes.
MAX_CODES = 20_000  # More add seconds, not accuracy.
ROUNDS, ROUNDS_FROM_START = 50, 10  # Of expectation maximisation, at most.
SMALLEST_SHARE = 0.1  # Of an equal share of the codes: with fewer a component counts as empty.

# The flow.
FLOW_PAIRS, FLOW_HIDDEN = 4, 128
FLOW_ROUNDS, FLOW_BATCH_SIZE, FLOW_LEARNING_RATE = 10, 256, 1e-3
FEWEST_FLOW_CODES = 20
HELD_OUT_SHARE = 0.1  # Share of the codes that selects the best round: a flow of this size can memorise codes.


class Fitted(NamedTuple):
    """The arrays of the fitted priors as a checkpoint keeps them; None for those that were not fitted."""

    fitted_mixture: dict[str, Float[ArrayLike, "..."]] | None = None
    fitted_flow: Params | None = None
    fitted_flow_matching: Params | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of the priors that were fitted."""
        return tuple(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def trees(self) -> dict[str, Params]:
        """Arrays of the priors that were fitted, as named trees of a checkpoint."""
        return {kind: getattr(self, kind) for kind in self.kinds}

    def fits(self, kind: str, like: Code) -> bool:
        """Returns whether the arrays of this kind have the shapes of a density over codes with the shapes of `like`."""
        arrays, units = getattr(self, kind), sum(leaf.size for leaf in jax.tree.leaves(like))
        shapes = jax.tree.map(jnp.shape, arrays)
        if kind == "fitted_flow":
            return bool(shapes == jax.tree.map(jnp.shape, flow_shapes(units)))
        if kind == "fitted_flow_matching":
            conditions = shapes.get("column") if isinstance(shapes, dict) else None
            if not (isinstance(conditions, tuple) and len(conditions) == 1):
                return False
            return bool(shapes == jax.tree.map(jnp.shape, flow_matching_shapes(shape_of(like), *conditions)))
        if not isinstance(arrays, dict) or set(arrays) != {field.name for field in fields(FullCovarianceMixture)}:
            return False
        (count, *_), rank = shapes["weights"] or (0,), shapes["factors"][-1:]
        return bool(count) and shapes["means"] == (count, units) and shapes["factors"] == (count, units, *rank)

    def prior(self, kind: str, like: Code) -> RowPrior:
        """Returns the fitted prior of this kind, over codes with the shapes of `like` (of a hierarchy: its top)."""
        like = jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float32), like)
        arrays = getattr(self, kind)
        match kind:
            case "fitted_mixture":
                return RowPrior(FullCovarianceMixture(**arrays), like)
            case "fitted_flow":
                return RowPrior(open_flow(arrays), like)
        return RowPrior(open_flow_matching(arrays, shape_of(like)), like)


def default_kind(learned: bool, fitted: Fitted) -> str:
    """Returns the name of the prior to sample from: the model's own if it is learned, or else the first fitted one."""
    return "model" if learned else next(iter(fitted.kinds), "model")


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

    codes = codes[:: -(-len(codes) // MAX_CODES)].astype(np.float64) if len(codes) else codes
    count, units = codes.shape
    if count < 2:
        return None
    center, basis = np.zeros(units), np.eye(units)
    if units > MAX_FULL_UNITS:
        reduced = PCA(min(MAX_PRINCIPAL_COMPONENTS, count - 1), random_state=seed).fit(codes)
        center, basis = reduced.mean_, reduced.components_
        codes = reduced.transform(codes)
    components = max(1, min(components, count // (2 * codes.shape[1])))
    # scikit-learn adds reg_covar to each variance: a thousandth of a typical one keeps collapsed units invertible.
    ridge = 1e-3 * float(np.mean(np.var(codes, axis=0))) + 1e-6
    model = GaussianMixture(components, covariance_type="full", reg_covar=ridge, random_state=seed, max_iter=ROUNDS)
    if start is not None and len(start.weights) == components and codes.shape[1] == units:
        begin_at(model, start, codes)
    with warnings.catch_warnings():
        # A mixture that has not quite converged, or has a component too many, is good enough to sample.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(codes)
    means, factors = center + model.means_ @ basis, basis.T @ np.linalg.cholesky(model.covariances_)
    return FullCovarianceMixture(*(jnp.asarray(array, jnp.float32) for array in (model.weights_, means, factors)))


def begin_at(model: Any, start: FullCovarianceMixture, codes: Float[np.ndarray, "n d"]) -> None:
    """Has scikit-learn's mixture begin at this one, unless one of its components has almost no codes."""
    weights, means, factors = (np.asarray(part, np.float64) for part in (start.weights, start.means, start.factors))
    model.weights_, model.means_ = weights / weights.sum(), means
    # Whose product with its transpose is the precision: the transposed inverse of a factor of the covariance.
    model.precisions_cholesky_ = roots = np.linalg.inv(factors).transpose(0, 2, 1)
    held = np.bincount(model.predict(codes), minlength=len(weights))
    if held.min() >= SMALLEST_SHARE * len(codes) / len(weights):
        model.weights_init, model.means_init = model.weights_, model.means_
        model.precisions_init, model.max_iter = roots @ roots.transpose(0, 2, 1), ROUNDS_FROM_START


def fit_flow(codes: Float[np.ndarray, "n d"], steps: int, seed: int) -> Params | None:
    """Fits a flow by maximum likelihood.

    Args:
        codes: Codes as rows.
        steps: Number of updates, made in FLOW_ROUNDS rounds.
        seed: Seed of the split, the initialisation and the batches.

    Returns:
        The parameters after the round with the highest mean log-density of held-out codes; None for fewer than
        FEWEST_FLOW_CODES codes or two units.
    """
    import optax  # Here, since only training needs it.

    count, units = codes.shape
    if count < FEWEST_FLOW_CODES or units < 2:
        return None
    rows = jnp.asarray(codes[np.random.default_rng(seed).permutation(count)], jnp.float32)
    held_out, rows = jnp.split(rows, [max(1, int(HELD_OUT_SHARE * count))])
    family = build_flow(units, FLOW_PAIRS, FLOW_HIDDEN)
    per_round = max(1, steps // FLOW_ROUNDS)
    optimizer = optax.chain(
        optax.clip_by_global_norm(10.0),
        optax.adam(optax.cosine_decay_schedule(FLOW_LEARNING_RATE, FLOW_ROUNDS * per_round)),
    )

    def mean_log_prob(params: Params, codes: Float[Array, "b d"]) -> Float[Array, ""]:
        return jnp.mean(family.distribution(params, (units,)).log_prob(codes))

    def update(carry: tuple[Params, Any], key: PRNGKey) -> tuple[tuple[Params, Any], None]:
        params, state = carry
        batch = rows[jax.random.randint(key, (FLOW_BATCH_SIZE,), 0, len(rows))]
        gradient = jax.grad(lambda params: -mean_log_prob(params, batch))(params)
        updates, state = optimizer.update(gradient, state, params)
        return (optax.apply_updates(params, updates), state), None

    @jax.jit
    def train_round(params: Params, state: Any, key: PRNGKey) -> tuple[Params, Any, Float[Array, ""]]:
        (params, state), _ = jax.lax.scan(update, (params, state), jax.random.split(key, per_round))
        return params, state, mean_log_prob(params, held_out)

    init_key, *keys = jax.random.split(key_for("fitted_flow", seed), FLOW_ROUNDS + 1)
    params = jax.jit(family.init)(init_key)
    spread = jnp.std(rows, axis=0)
    params |= {"center": jnp.mean(rows, axis=0), "log_scale": jnp.log(jnp.maximum(spread, 1e-6 + 1e-3 * spread.max()))}
    best, highest, state = params, -jnp.inf, jax.jit(optimizer.init)(params)
    for key in keys:
        params, state, value = train_round(params, state, key)
        if value > highest:
            best, highest = params, value
    return best


def open_flow(params: Params) -> Flow:
    """Returns the distribution over rows that `fit_flow` fitted."""
    units = len(params["center"])
    return build_flow(units, FLOW_PAIRS, FLOW_HIDDEN).distribution(params, (units,))


def flow_shapes(units: int) -> Params:
    """Returns the shapes of the parameters that `fit_flow` returns for this many units; empty if it fits none."""
    if units < 2:
        return {}
    shapes: Params = jax.eval_shape(build_flow(units, FLOW_PAIRS, FLOW_HIDDEN).init, key_shape())
    return shapes
