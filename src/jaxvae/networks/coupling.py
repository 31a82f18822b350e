"""The network of an affine coupling: maps half of a code to the scale and the shift of the other half."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from flax import linen as nn
from jax import Array
from jaxtyping import Float

from jaxvae.annotations import Params, PRNGKey
from jaxvae.networks.layers import kernel_init

MAX_LOG_SCALE = 2.0


class Conditioner(nn.Module):
    """Two hidden layers; its output is 0 at first, so that a flow starts as the identity."""

    hidden: int
    outputs: int

    @nn.compact
    def __call__(
        self, x: Float[Array, "b i"]
    ) -> tuple[Float[Array, "b {self.outputs}"], Float[Array, "b {self.outputs}"]]:
        for _ in range(2):
            x = nn.relu(nn.Dense(self.hidden, kernel_init=kernel_init)(x))
        both = nn.Dense(2 * self.outputs, kernel_init=nn.initializers.zeros_init())(x)
        log_scale, shift = jnp.split(both, 2, axis=-1)
        return MAX_LOG_SCALE * jnp.tanh(log_scale / MAX_LOG_SCALE), shift


class Coupling(NamedTuple):
    """`init: key -> params`, `apply: (params, half [b, i]) -> (log_scale [b, o], shift [b, o])`."""

    init: Callable[[PRNGKey], Params]
    apply: Callable[[Params, Float[Array, "b i"]], tuple[Float[Array, "b o"], Float[Array, "b o"]]]


def build_coupling(inputs: int, outputs: int, hidden: int) -> Coupling:
    """Builds the network of a coupling.

    Args:
        inputs: Number of units that it reads.
        outputs: Number of units that it scales and shifts.
        hidden: Width of its two hidden layers.
    """
    network = Conditioner(hidden, outputs)

    def init(key: PRNGKey) -> Params:
        params: Params = network.init(key, jnp.zeros((1, inputs)))["params"]
        return params

    def apply(params: Params, half: Float[Array, "b i"]) -> tuple[Float[Array, "b o"], Float[Array, "b o"]]:
        output: Any = network.apply({"params": params}, half)
        return output

    return Coupling(init, apply)
