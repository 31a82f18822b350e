"""The network inside an affine coupling: half of a code to a scale and a shift for the other half."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from flax import linen as nn
from jax import Array
from jaxtyping import Float

from jaxvae.networks.layers import kernel_init

LARGEST_LOG_SCALE = 2.0


class Conditioner(nn.Module):
    """Two hidden layers; begins as zeros, so that a flow begins as the identity."""

    hidden: int
    outputs: int

    @nn.compact
    def __call__(self, x: Float[Array, "b i"]) -> tuple[Float[Array, "b o"], Float[Array, "b o"]]:
        for _ in range(2):
            x = nn.relu(nn.Dense(self.hidden, kernel_init=kernel_init)(x))
        both = nn.Dense(2 * self.outputs, kernel_init=nn.initializers.zeros_init())(x)
        log_scale, shift = jnp.split(both, 2, axis=-1)
        return LARGEST_LOG_SCALE * jnp.tanh(log_scale / LARGEST_LOG_SCALE), shift


class Coupling(NamedTuple):
    """`init: key -> params`, `apply: (params, half [b, i]) -> (log_scale, shift)`, [b, o] each."""

    init: Callable[[Array], dict[str, Any]]
    apply: Callable[[dict[str, Any], Array], tuple[Array, Array]]


def build_coupling(inputs: int, outputs: int, hidden: int) -> Coupling:
    """The network that reads `inputs` units and moves `outputs` others."""
    network = Conditioner(hidden, outputs)

    def init(key: Array) -> dict[str, Any]:
        params: dict[str, Any] = network.init(key, jnp.zeros((1, inputs)))["params"]
        return params

    def apply(params: dict[str, Any], half: Array) -> tuple[Array, Array]:
        moved: Any = network.apply({"params": params}, half)
        return moved

    return Coupling(init, apply)
