"""Fits a flow-matching prior to codes, and to the attributes of their images where they have any."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int

from jaxvae.annotations import Params, PRNGKey
from jaxvae.codes import Code
from jaxvae.keys import key_for, key_shape
from jaxvae.labels import UNKNOWN
from jaxvae.networks.velocity import Velocity, build_velocity
from jaxvae.priors.flow_matching import FlowMatching, condition_of, velocity_at
from jaxvae.system.quick_compilation import jit_for_one_call
from jaxvae.told import draw_shown

WIDTH, BLOCKS = 384, 3  # Of the network, for codes that are vectors.
MAP_WIDTH = 64
ROUNDS, BATCH_SIZE, LEARNING_RATE, EMA_DECAY = 10, 128, 2e-3, 0.995
FEWEST_CODES = 20
MOST_DENSE_UNITS = 256  # A map of more units has a convolutional network.
MOST_WHITENED_UNITS = 1024  # Codes of more are scaled unit by unit.
HELD_OUT_SHARE = 0.05
MOST_LABELS = 10_000  # Rows of the table of attributes.
MOST_CLASSES = 20  # An attribute with more values is a measurement, under which nothing is drawn.


def fit_flow_matching(
    codes: Float[np.ndarray, "n d"],
    labels: Int[np.ndarray, "n a"],
    shape: tuple[int, ...],
    steps: int,
    seed: int,
    tell: Callable[[str], object] = lambda _: None,
    *,
    hide: bool = True,
    table: Int[np.ndarray, "m a"] | None = None,
) -> Params | None:
    """Fits the velocity by flow matching.

    Each example shows a random part of its attributes, so that any request can be made later.

    Args:
        codes: codes as rows.
        labels: the attributes of their images, negative where unknown; no columns for images without any.
        shape: shape of one code, as `shape_of` returns it.
        steps: number of updates.
        seed: seed of the split, the initialisation, the batches and the noise.
        tell: called with a line of progress after each tenth of the updates.
        hide: whether to hide attributes; False for codes of a conditional model, which was told a part of them.
        table: the attributes of images, from which those that a request leaves open are drawn; by default the labels.

    Returns:
        The arrays of a `FlowMatching`, with the moving average of the network's parameters after the round with the
        smallest error on held-out codes; None for fewer than FEWEST_CODES codes.
    """
    import optax  # Here, since only training needs it.

    count = len(codes)
    if count < FEWEST_CODES:
        return None
    order = np.random.default_rng(seed).permutation(count)
    rows = np.asarray(codes, np.float32)[order]
    center, factor = whitening(rows, shape)
    column, value = entries(labels)
    params: Params = {"center": jnp.asarray(center), "factor": jnp.asarray(factor)}
    params |= {"labels": jnp.asarray((labels if table is None else table)[:MOST_LABELS], jnp.int32)}
    params |= {"column": jnp.asarray(column, jnp.int32), "value": jnp.asarray(value, jnp.int32)}
    velocity = network_of(shape, len(column))
    centered = rows - center
    whitened = centered / factor if factor.ndim == 1 else np.linalg.solve(factor, centered.T).T
    seen = condition_of(params, labels[order])
    held_out = max(1, int(HELD_OUT_SHARE * count))
    (last, z), (last_seen, seen) = (
        (part[:held_out], part[held_out:]) for part in (jnp.asarray(whitened, jnp.float32), seen)
    )
    attributes = jnp.asarray(column, jnp.int32)

    def error(network: Params, key: PRNGKey, z: Array, seen: Array) -> Float[Array, ""]:
        noise_key, time_key, *hide_keys = jax.random.split(key, 5)
        noise, t = jax.random.normal(noise_key, z.shape), jax.random.uniform(time_key, (len(z),))
        x = (1.0 - t)[:, None] * noise + t[:, None] * z
        shown = draw_shown(hide_keys, (len(z), labels.shape[1]))[:, attributes] if hide else 1.0
        guess = velocity_at(velocity, network, x, t, seen * shown)
        return jnp.mean(jnp.square(guess - (z - noise)))

    per_round = max(1, steps // ROUNDS)
    schedule = optax.warmup_cosine_decay_schedule(0.0, LEARNING_RATE, per_round, ROUNDS * per_round)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule))

    def update(carry: tuple[Params, Params, Any], key: PRNGKey) -> tuple[tuple[Params, Params, Any], None]:
        network, average, state = carry
        rows_key, key = jax.random.split(key)
        chosen = jax.random.randint(rows_key, (BATCH_SIZE,), 0, len(z))
        gradient = jax.grad(error)(network, key, z[chosen], seen[chosen])
        updates, state = optimizer.update(gradient, state, network)
        network = optax.apply_updates(network, updates)
        # Early on the average would be that of the first parameters.
        decay = jnp.minimum(EMA_DECAY, (1.0 + state[1][0].count) / (10.0 + state[1][0].count))
        average = optax.incremental_update(network, average, 1.0 - decay)
        return (network, average, state), None

    @jax.jit
    def train_round(carry: Any, key: PRNGKey, check: PRNGKey) -> tuple[Any, Float[Array, ""]]:
        carry, _ = jax.lax.scan(update, carry, jax.random.split(key, per_round))
        return carry, error(carry[1], check, last, last_seen)

    init_key, check, *keys = jax.random.split(key_for("fitted_flow_matching", seed), ROUNDS + 2)
    network = jit_for_one_call(velocity.init)(init_key)
    best, smallest, carry = network, jnp.inf, (network, network, jit_for_one_call(optimizer.init)(network))
    for number, round_key in enumerate(keys, 1):
        carry, reached = train_round(carry, round_key, jax.random.clone(check))
        tell(f"  {number * per_round:,} of {ROUNDS * per_round:,} steps, error on held-out codes {reached:.4f}")
        if reached < smallest:
            best, smallest = carry[1], reached
    return params | {"network": best}


def whitening(
    rows: Float[np.ndarray, "n d"], shape: tuple[int, ...]
) -> tuple[Float[np.ndarray, " d"], Float[np.ndarray, "..."]]:
    """Returns the mean of codes and a factor of their covariance; of maps, mean and deviation of each channel."""
    if len(shape) == 3:
        channels = rows.reshape(-1, shape[-1])
        spread = np.maximum(channels.std(0), 1e-6)
        return np.tile(channels.mean(0), rows.shape[1] // shape[-1]), np.tile(spread, rows.shape[1] // shape[-1])
    if rows.shape[1] > MOST_WHITENED_UNITS:
        return rows.mean(0), np.maximum(rows.std(0), 1e-6)
    covariance = np.atleast_2d(np.cov(rows, rowvar=False)).astype(np.float64)
    ridge = 1e-3 * np.trace(covariance) / len(covariance) + 1e-6  # Keeps units that say nothing invertible.
    factor = np.linalg.cholesky(covariance + ridge * np.eye(len(covariance)))
    return rows.mean(0), factor.astype(np.float32)


def entries(labels: Int[np.ndarray, "n a"]) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " m"]]:
    """Returns the column and the value of each entry of a condition: the classes of each attribute that has classes."""
    found = []
    for column in range(labels.shape[1]):
        values = np.unique(labels[:, column])
        values = values[values > UNKNOWN]
        if 1 < len(values) <= MOST_CLASSES:
            found += [(column, int(value)) for value in values]
    columns, values = np.asarray(found, np.int32).reshape(-1, 2).T
    return columns, values


def shape_of(like: Code) -> tuple[int, ...]:
    """Returns the shape that the network sees: a large map as it is, and any other code as a vector."""
    leaves = jax.tree.leaves(like)
    units = sum(leaf.size for leaf in leaves)
    if len(leaves) == 1 and leaves[0].ndim == 3 and units > MOST_DENSE_UNITS:
        return tuple(leaves[0].shape)
    return (units,)


def network_of(shape: tuple[int, ...], conditions: int, width: int | None = None) -> Velocity:
    """Returns the network for codes of this shape, of the width that is fitted now or another."""
    return build_velocity(shape, conditions, width or (MAP_WIDTH if len(shape) == 3 else WIDTH), BLOCKS)


def width_of(arrays: Params) -> int | None:
    """Returns the width of the network that was fitted; None if the arrays are not those of one."""
    try:
        (width,) = np.shape(arrays["network"]["Dense_0"]["bias"])
    except (KeyError, TypeError, ValueError, IndexError):
        return None
    return int(width)


def open_flow_matching(params: Params, shape: tuple[int, ...]) -> FlowMatching:
    """Returns the distribution that `fit_flow_matching` fitted to codes of this shape."""
    return FlowMatching(params, None, 1.0, network_of(shape, len(params["column"]), width_of(params)))


def flow_matching_shapes(
    shape: tuple[int, ...], conditions: int, labels: tuple[int, int], width: int | None = None
) -> Params:
    """Returns the shapes of the arrays that `fit_flow_matching` returns for codes and a table of these shapes."""
    units = math.prod(shape)
    network = jax.eval_shape(network_of(shape, conditions, width).init, key_shape())
    factor = (units,) if len(shape) == 3 or units > MOST_WHITENED_UNITS else (units, units)
    whole = jax.ShapeDtypeStruct((conditions,), jnp.int32)
    return {
        "center": jax.ShapeDtypeStruct((units,), jnp.float32), "factor": jax.ShapeDtypeStruct(factor, jnp.float32),
        "column": whole, "value": whole, "labels": jax.ShapeDtypeStruct(labels, jnp.int32), "network": network,
    }  # fmt: skip


def is_flow_matching(arrays: Params, shape: tuple[int, ...]) -> bool:
    """Returns whether the arrays have the shapes of those that `fit_flow_matching` returns for codes of this shape."""
    shapes, width = jax.tree.map(jnp.shape, arrays), width_of(arrays)
    if width is None or not isinstance(shapes, dict):
        return False
    conditions, labels = shapes.get("column"), shapes.get("labels")
    if not (isinstance(conditions, tuple) and len(conditions) == 1 and isinstance(labels, tuple) and len(labels) == 2):
        return False
    expected = flow_matching_shapes(shape, *conditions, labels=labels, width=width)
    return bool(shapes == jax.tree.map(jnp.shape, expected))
