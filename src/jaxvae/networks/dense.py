"""The dense layer, with a weight gradient in the layout of the weights.

JAX transposes a matrix product into one whose result is transposed, [o, i]. XLA's CPU backend transposes it back inside
each operation of the optimizer, with strided memory accesses that together take longer than the product itself.
"""

from typing import Any

import jax
from flax import linen as nn
from jax import Array, lax
from jaxtyping import Float

# The dimension numbers that `nn.Dense` passes: the last axis of x with the first of the kernel.
_ROWS_BY_COLUMNS = (((1,), (0,)), ((), ()))

Operands = tuple[Float[Array, "b i"], Float[Array, "i o"]]


@jax.custom_vjp
def product(x: Float[Array, "b i"], kernel: Float[Array, "i o"]) -> Float[Array, "b o"]:
    """Returns x @ kernel."""
    return lax.dot_general(x, kernel, _ROWS_BY_COLUMNS)


def _forward(x: Float[Array, "b i"], kernel: Float[Array, "i o"]) -> tuple[Float[Array, "b o"], Operands]:
    return product(x, kernel), (x, kernel)


def _backward(operands: Operands, cotangent: Float[Array, "b o"]) -> Operands:
    x, kernel = operands
    x_cotangent = lax.dot_general(cotangent, kernel, (((1,), (1,)), ((), ())))
    kernel_cotangent = lax.dot_general(x, cotangent, (((0,), (0,)), ((), ())))
    return x_cotangent, kernel_cotangent


product.defvjp(_forward, _backward)


class Dense(nn.Dense):
    """`nn.Dense` on [b, i], whose weight gradient is one product [i, b] [b, o]."""

    dot_general: Any = staticmethod(lambda x, kernel, dimensions, precision=None: product(x, kernel))
