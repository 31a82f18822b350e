"""Fits a RealNVP flow to codes, by maximum likelihood."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from jaxvae.annotations import Params, PRNGKey
from jaxvae.keys import key_for, key_shape
from jaxvae.priors.flow import Flow, build_flow
from jaxvae.system.quick_compilation import jit_for_one_call

FLOW_PAIRS, FLOW_HIDDEN = 4, 128
FLOW_ROUNDS, FLOW_BATCH_SIZE, FLOW_LEARNING_RATE = 10, 256, 1e-3
FEWEST_FLOW_CODES = 20
HELD_OUT_SHARE = 0.1  # Share of the codes that selects the best round: a flow of this size can memorise codes.


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
    params = jit_for_one_call(family.init)(init_key)
    spread = jnp.std(rows, axis=0)
    params |= {"center": jnp.mean(rows, axis=0), "log_scale": jnp.log(jnp.maximum(spread, 1e-6 + 1e-3 * spread.max()))}
    best, highest, state = params, -jnp.inf, jit_for_one_call(optimizer.init)(params)
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


def is_flow(arrays: Params, units: int) -> bool:
    """Returns whether the arrays have the shapes of those that `fit_flow` returns for this many units."""
    return bool(jax.tree.map(jnp.shape, arrays) == jax.tree.map(jnp.shape, flow_shapes(units)))
