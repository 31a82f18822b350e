"""The transposed convolution, with gradients that XLA compiles well on a CPU as well.

It is the gradient of a strided convolution with respect to its input. Left to automatic differentiation, its *weight*
gradient is lowered by XLA's CPU backend to a loop many times slower than it need be. Stated through the forward
convolution, all three pieces are convolutions that every backend runs well; the numbers are the same to rounding.
"""

import jax
from jax import Array, lax
from jaxtyping import Float

KERNEL, STRIDE, PADDING = 4, 2, 1
_LAYOUT = ("NHWC", "HWIO", "NHWC")


@jax.custom_vjp
def conv_transpose(x: Float[Array, "b h w i"], kernel: Float[Array, "4 4 o i"]) -> Float[Array, "b 2h 2w o"]:
    """Doubles height and width with a 4x4 kernel and stride 2.

    The adjoint of `_convolve(·, kernel)`, so the kernel ends in the axes (output, input).
    """
    # Spreading the input by the stride and flipping the kernel turns the adjoint into a convolution.
    pad = KERNEL - 1 - PADDING
    flipped = kernel[::-1, ::-1].swapaxes(2, 3)
    return lax.conv_general_dilated(
        x, flipped, (1, 1), ((pad, pad), (pad, pad)), lhs_dilation=(STRIDE, STRIDE), dimension_numbers=_LAYOUT
    )


def _convolve(x: Float[Array, "b 2h 2w o"], kernel: Float[Array, "4 4 o i"]) -> Float[Array, "b h w i"]:
    pads = ((PADDING, PADDING), (PADDING, PADDING))
    return lax.conv_general_dilated(x, kernel, (STRIDE, STRIDE), pads, dimension_numbers=_LAYOUT)


def _forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return conv_transpose(x, kernel), (x, kernel)


def _backward(saved: tuple[Array, Array], cotangent: Array) -> tuple[Array, Array]:
    x, kernel = saved
    # y = convᵀ(x, w) is linear in each: dx is conv(dy, w), and dw is the weight gradient of that same convolution
    # with dy as its input and x as its cotangent.
    dx, weight_gradient = jax.vjp(lambda kernel: _convolve(cotangent, kernel), kernel)
    return dx, weight_gradient(x)[0]


conv_transpose.defvjp(_forward, _backward)
