"""A RealNVP flow fitted to codes by maximum likelihood."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jaxtyping import Float

from jaxvae.flows import Flow, build_flow

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
