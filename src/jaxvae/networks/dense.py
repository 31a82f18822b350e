"""The dense layer, whose weight gradient comes out in the weights' own layout.

JAX transposes a product of matrices into one whose result is turned, [o, i]. XLA's CPU backend turns it back inside
each operation of the optimizer, against the grain of the memory; together these take longer than the product itself.
"""

from typing import Any

import jax
from flax import linen as nn
from jax import Array, lax
from jaxtyping import Float

# The form in which `nn.Dense` asks for its product: the last axis of x with the first of the kernel.
_ROWS_BY_COLUMNS = (((1,), (0,)), ((), ()))


@jax.custom_vjp
def product(x: Float[Array, "b i"], kernel: Float[Array, "i o"]) -> Float[Array, "b o"]:
    """x @ kernel."""
    return lax.dot_general(x, kernel, _ROWS_BY_COLUMNS)


def _forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return product(x, kernel), (x, kernel)


def _backward(saved: tuple[Array, Array], cotangent: Array) -> tuple[Array, Array]:
    x, kernel = saved
    in_x = lax.dot_general(cotangent, kernel, (((1,), (1,)), ((), ())))
    in_kernel = lax.dot_general(x, cotangent, (((0,), (0,)), ((), ())))
    return in_x, in_kernel


product.defvjp(_forward, _backward)


class Dense(nn.Dense):
    """`nn.Dense` on [b, i], its weight gradient as one product [i, b] [b, o]."""

    dot_general: Any = staticmethod(lambda x, kernel, dimensions, precision=None: product(x, kernel))
