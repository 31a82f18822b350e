"""Priors fitted to the training codes when training has ended: where the codes really lie.

A VAE's codes fill N(0, I) only as far as the KL was worth it: with a sharp likelihood they spread and correlate, and
most draws from N(0, I) fall between them, where the decoder was never trained. A density fitted afterwards gives draws
that it knows, and, in the place of p(z), a higher bound on log p(x) (Ghosh et al. 2020, section 5; Dai & Wipf 2019).
"""

import warnings
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jax.tree_util import register_dataclass
from jaxtyping import Float

from jaxvae.codes import flatten, unflatten
from jaxvae.config import TrainConfig
from jaxvae.distributions.gaussian_mixture import LARGEST, Mixture
from jaxvae.priors.flow import Flow, build_flow

KINDS = ("fitted_mixture", "fitted_flow")


@partial(register_dataclass, data_fields=["rows", "like"], meta_fields=[])
@dataclass(frozen=True)
class FittedPrior:
    """A distribution over rows as one over codes; `like` is a pytree of the shape of one code."""

    rows: Mixture | Flow
    like: Any

    def sample(self, key: Array, shape: tuple[int, ...] = (), temperature: float = 1.0) -> Any:
        """Codes [*shape, ...]; `temperature` multiplies the spread of the draws."""
        return unflatten(self.rows.sample(key, shape, temperature), self.like)

    def log_prob(self, value: Any) -> Array:
        """The log-density in nats of each code."""
        first, one = jax.tree.leaves(value)[0], jax.tree.leaves(self.like)[0]
        return self.rows.log_prob(flatten(value, first.ndim - one.ndim))


class Fitted(NamedTuple):
    """The arrays of the fitted priors as a checkpoint keeps them, None where there is none."""

    fitted_mixture: dict[str, Array] | None = None
    fitted_flow: dict[str, Any] | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of those that there are."""
        return tuple(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def trees(self) -> dict[str, Any]:
        """Those that there are, as named trees of a checkpoint."""
        return {kind: getattr(self, kind) for kind in self.kinds}

    def fits(self, kind: str, units: int) -> bool:
        """Whether the arrays of this kind are there and of the shapes of a density over rows of so many units."""
        arrays = getattr(self, kind)
        have = jax.tree.map(jnp.shape, arrays)
        if kind == "fitted_flow":
            return bool(have == jax.tree.map(jnp.shape, flow_shapes(units)))
        if not isinstance(arrays, dict) or set(arrays) != {field.name for field in fields(Mixture)}:
            return False
        (count, *_), rank = have["weights"] or (0,), have["factors"][-1:]
        return bool(count) and have["means"] == (count, units) and have["factors"] == (count, units, *rank)

    def prior(self, kind: str, like: Any) -> FittedPrior:
        """The fitted prior of this kind, over codes shaped as `like`."""
        like = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), like)
        rows = Mixture(**getattr(self, kind)) if kind == "fitted_mixture" else open_flow(getattr(self, kind))
        return FittedPrior(rows, like)


def fit(codes: Float[np.ndarray, "n d"], config: TrainConfig, seed: int) -> Fitted:
    """Fits what the config asks for to codes as rows."""
    components, steps = config.mixture_components, config.fitted_flow_steps
    mixture = fit_mixture(codes, components, seed) if components else None
    return Fitted(
        None if mixture is None else {"weights": mixture.weights, "means": mixture.means, "factors": mixture.factors},
        fit_flow(codes, steps, seed) if steps else None,
    )


COMPONENTS_KEPT = 256


MOST_CODES = 20_000  # More add seconds, not accuracy.


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


PAIRS, HIDDEN = 4, 128


ROUNDS, BATCH, LEARNING_RATE = 10, 256, 1e-3


HELD_OUT = 0.1  # Share of the codes that decides which round is kept: a flow of this size can learn codes by heart.


def fit_flow(codes: Float[np.ndarray, "n d"], steps: int, seed: int) -> dict[str, Any] | None:
    """The parameters of the flow after the best of ROUNDS stretches of `steps` / ROUNDS updates.

    Best is the highest mean log-density of held-out codes. None for fewer than twenty codes or two units.
    """
    count, units = codes.shape
    if count < 20 or units < 2:
        return None
    rows = jnp.asarray(codes[np.random.default_rng(seed).permutation(count)], jnp.float32)
    held_out, rows = jnp.split(rows, [max(1, int(HELD_OUT * count))])
    family = build_flow(units, PAIRS, HIDDEN)
    per_round = max(1, steps // ROUNDS)
    optimizer = optax.chain(
        optax.clip_by_global_norm(10.0), optax.adam(optax.cosine_decay_schedule(LEARNING_RATE, ROUNDS * per_round))
    )

    def mean_log_prob(params: Any, some: Array) -> Array:
        return jnp.mean(family.distribution(params, (units,)).log_prob(some))

    def update(carry: tuple[Any, Any], key: Array) -> tuple[tuple[Any, Any], None]:
        params, state = carry
        batch = rows[jax.random.randint(key, (BATCH,), 0, len(rows))]
        gradient = jax.grad(lambda params: -mean_log_prob(params, batch))(params)
        updates, state = optimizer.update(gradient, state, params)
        return (optax.apply_updates(params, updates), state), None

    @jax.jit
    def stretch(params: Any, state: Any, key: Array) -> tuple[Any, Any, Array]:
        (params, state), _ = jax.lax.scan(update, (params, state), jax.random.split(key, per_round))
        return params, state, mean_log_prob(params, held_out)

    init_key, *keys = jax.random.split(jax.random.key(seed), ROUNDS + 1)
    params = jax.jit(family.init)(init_key)
    spread = jnp.std(rows, axis=0)
    params |= {"center": jnp.mean(rows, axis=0), "log_scale": jnp.log(jnp.maximum(spread, 1e-6 + 1e-3 * spread.max()))}
    best, highest, state = params, -jnp.inf, jax.jit(optimizer.init)(params)
    for key in keys:
        params, state, value = stretch(params, state, key)
        if value > highest:
            best, highest = params, value
    return best


def open_flow(params: dict[str, Any]) -> Flow:
    """The distribution over rows that `fit_flow` fitted."""
    units = len(params["center"])
    return build_flow(units, PAIRS, HIDDEN).distribution(params, (units,))


def flow_shapes(units: int) -> dict[str, Any]:
    """What `fit_flow` returns for so many units, as shapes; empty where it fits none."""
    if units < 2:
        return {}
    shapes: dict[str, Any] = jax.eval_shape(build_flow(units, PAIRS, HIDDEN).init, jax.random.key(0))
    return shapes
