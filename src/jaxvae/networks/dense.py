"""The dense layer, with a weight gradient in the layout of the weights.

JAX transposes a matrix product into one whose result is transposed, [o, i]. XLA's CPU backend transposes it back inside
each operation of the optimizer, with strided memory accesses that together take longer than the product itself.
"""

import jax
from flax import linen as nn
from jax import Array, lax
from jax.typing import DTypeLike
from jaxtyping import Float

from jaxvae.annotations import ArrayLike

# Dimension numbers: contracts the last axis of x with the first of the kernel, without batch axes.
_ROWS_BY_COLUMNS = (((1,), (0,)), ((), ()))

Operands = tuple[Float[ArrayLike, "b i"], Float[ArrayLike, "i o"]]


@jax.custom_vjp
def product(x: Float[ArrayLike, "b i"], kernel: Float[ArrayLike, "i o"]) -> Float[Array, "b o"]:
    """Returns x @ kernel."""
    return lax.dot_general(x, kernel, _ROWS_BY_COLUMNS)


def _forward(x: Float[ArrayLike, "b i"], kernel: Float[ArrayLike, "i o"]) -> tuple[Float[Array, "b o"], Operands]:
    return product(x, kernel), (x, kernel)


def _backward(operands: Operands, cotangent: Float[ArrayLike, "b o"]) -> Operands:
    x, kernel = operands
    x_cotangent = lax.dot_general(cotangent, kernel, (((1,), (1,)), ((), ())))
    kernel_cotangent = lax.dot_general(x, cotangent, (((0,), (0,)), ((), ())))
    return x_cotangent, kernel_cotangent


product.defvjp(_forward, _backward)


class Dense(nn.Module):
    """A dense layer with a bias on [b, i]: `nn.Dense`, except that its weight gradient is one product [i, b] [b, o]."""

    features: int
    dtype: DTypeLike
    kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()

    @nn.compact
    def __call__(self, x: Float[ArrayLike, "b i"]) -> Float[Array, "b {self.features}"]:
        kernel = self.param("kernel", self.kernel_init, (x.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros_init(), (self.features,))
        x, kernel, bias = nn.dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
        return product(x, kernel) + bias[None]
