"""Weights that change over the steps of training."""

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxvae.annotations import Step


def annealed(beta: float, warmup_steps: int, cycles: int, step: Step) -> Float[Array, ""]:
    """Returns the weight at a step: a linear rise over the warm-up, then beta (Bowman et al. 2016, section 3.1).

    With several cycles each rise is followed by as many steps at beta, and the next starts at 0 again (Fu et al. 2019,
    equations 6 and 7, with R = 1/2).

    Args:
        beta: the weight after the warm-up.
        warmup_steps: length of a rise; 0 for none.
        cycles: number of rises.
        step: number of updates made so far.
    """
    if not warmup_steps:
        return jnp.full((), beta)
    period = 2 * warmup_steps
    cycle = jnp.minimum(step // period, cycles - 1)
    return beta * jnp.minimum(1.0, (step - cycle * period) / warmup_steps)


def capacity_at(capacity_nats: float, rising_steps: int, step: Step) -> Float[Array, ""]:
    """Returns the target KL in nats: a linear rise, then constant (Burgess et al. 2018, section 4)."""
    if not rising_steps:
        return jnp.full((), capacity_nats)
    return capacity_nats * jnp.minimum(1.0, step / rising_steps)
