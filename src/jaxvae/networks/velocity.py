"""The networks of a flow-matching prior: the velocity of a code at a time, under a condition."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import Array
from jaxtyping import Float

from jaxvae.annotations import ArrayLike, Params, PRNGKey
from jaxvae.networks.layers import kernel_init

FREQUENCIES = np.geomspace(0.5, 64.0, 16, dtype=np.float32)  # Of the time in [0, 1], in periods.
KERNEL = (3, 3)  # Of the convolutions, for codes that are maps.


class VelocityField(nn.Module):
    """Residual blocks that the time and the condition shift and scale (FiLM, Perez et al. 2018); 0 at first.

    The layers are dense for codes that are vectors, and convolutions for codes that are maps.
    """

    width: int
    blocks: int
    spatial: bool

    @nn.compact
    def __call__(
        self, x: Float[Array, "b *code"], t: Float[Array, " b"], condition: Float[Array, "b m"]
    ) -> Float[Array, "b *code"]:
        def layer(channels: int, **settings: Any) -> nn.Module:
            return nn.Conv(channels, KERNEL, **settings) if self.spatial else nn.Dense(channels, **settings)

        angles = 2.0 * np.pi * t[:, None] * FREQUENCIES[None]
        seen = jnp.concatenate([jnp.sin(angles), jnp.cos(angles), condition], axis=1)
        seen = nn.silu(nn.Dense(self.width, kernel_init=kernel_init)(seen))
        seen = nn.silu(nn.Dense(self.width, kernel_init=kernel_init)(seen))
        h = layer(self.width, kernel_init=kernel_init)(x)
        h = h + nn.Dense(self.width, kernel_init=kernel_init)(seen).reshape(len(x), *(1,) * (x.ndim - 2), self.width)
        for _ in range(self.blocks):
            shift, scale = jnp.split(
                nn.Dense(2 * self.width, kernel_init=nn.initializers.zeros_init())(seen), 2, axis=1
            )
            over = (len(x), *(1,) * (x.ndim - 2), self.width)
            y = nn.LayerNorm(use_bias=False, use_scale=False)(h) * (1.0 + scale.reshape(over)) + shift.reshape(over)
            y = layer(self.width, kernel_init=kernel_init)(nn.silu(y))
            h = h + layer(self.width, kernel_init=nn.initializers.zeros_init())(nn.silu(y))
        return layer(x.shape[-1], kernel_init=nn.initializers.zeros_init())(nn.silu(h))


class Velocity(NamedTuple):
    """`init: key -> params`, `apply: (params, rows [b, d], t [b], condition [b, m]) -> [b, d]`."""

    init: Callable[[PRNGKey], Params]
    apply: Callable[
        [Params, Float[ArrayLike, "b d"], Float[ArrayLike, " b"], Float[ArrayLike, "b m"]], Float[Array, "b d"]
    ]


@lru_cache(maxsize=8)  # The functions are part of what `jit` knows a distribution by.
def build_velocity(shape: tuple[int, ...], conditions: int, width: int, blocks: int) -> Velocity:
    """Builds the network over codes as rows.

    Args:
        shape: shape of one code; three axes are those of a map, whose network is convolutional.
        conditions: number of entries of a condition.
        width: units, or channels, of the hidden layers.
        blocks: number of residual blocks.
    """
    spatial = len(shape) == 3
    network = VelocityField(width, blocks, spatial)

    def init(key: PRNGKey) -> Params:
        code = jnp.zeros((1, *(shape if spatial else (int(np.prod(shape)),))))
        params: Params = network.init(key, code, jnp.zeros(1), jnp.zeros((1, conditions)))["params"]
        return params

    def apply(
        params: Params, rows: Float[ArrayLike, "b d"], t: Float[ArrayLike, " b"], condition: Float[ArrayLike, "b m"]
    ) -> Float[Array, "b d"]:
        code = jnp.asarray(rows).reshape(len(rows), *shape) if spatial else rows
        velocity: Array = network.apply({"params": params}, code, t, condition)  # type: ignore[assignment]
        return velocity.reshape(rows.shape)

    return Velocity(init, apply)
