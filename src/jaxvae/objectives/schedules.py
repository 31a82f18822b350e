"""What an objective's weights are at a given update."""

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxvae.config import ObjectiveConfig


def beta_at(config: ObjectiveConfig, step: Array) -> Float[Array, ""]:
    """The weight at an update: rising linearly over the warm-up, then beta (Bowman et al. 2016, section 3.1).

    With several cycles each rise is followed by as many updates at beta, and the next begins at 0 again (Fu et al.
    2019, equations 6 and 7, with R = 1/2).
    """
    if not config.warmup_steps:
        return jnp.full((), config.beta)
    period = 2 * config.warmup_steps
    cycle = jnp.minimum(step // period, config.warmup_cycles - 1)
    return config.beta * jnp.minimum(1.0, (step - cycle * period + 1.0) / config.warmup_steps)


def capacity_at(capacity_nats: float, rising_steps: int, step: Array) -> Float[Array, ""]:
    """The KL aimed at, in nats: rising linearly, then staying (Burgess et al. 2018, section 4)."""
    return capacity_nats * jnp.minimum(1.0, (step + 1.0) / max(rising_steps, 1))
