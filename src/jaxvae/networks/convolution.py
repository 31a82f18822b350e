"""Convolutions whose gradients XLA compiles well on a CPU as well.

`conv_transpose` is the gradient of a strided convolution with respect to its input. Written the usual way, XLA's CPU
backend lowers its *weight* gradient to a loop that is ten to thirty times slower than it need be. Stated through the
forward convolution, all three pieces are convolutions that it knows how to run; the numbers are the same to rounding.
"""

from collections.abc import Sequence
from functools import partial

import jax
from jax import Array, lax
from jaxtyping import Float

_LAYOUT = ("NHWC", "HWIO", "NHWC")


def conv(
    x: Float[Array, "b h w i"], kernel: Float[Array, "kh kw i o"], stride: int, padding: Sequence[tuple[int, int]]
) -> Float[Array, "b h2 w2 o"]:
    """The convolution of the networks: channels last, one stride for both axes, explicit padding."""
    return lax.conv_general_dilated(x, kernel, (stride, stride), padding, dimension_numbers=_LAYOUT)


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def conv_transpose(
    x: Float[Array, "b h w i"], kernel: Float[Array, "4 4 o i"], stride: int = 2
) -> Float[Array, "b 2h 2w o"]:
    """The transposed convolution that doubles height and width: 4x4 kernel, stride 2.

    It is the input-gradient of `conv(·, kernel, 2, ((1, 1), (1, 1)))`, so the kernel ends in
    the axes (output, input).
    """
    return _transpose(x, kernel, stride)


def _transpose(x: Array, kernel: Array, stride: int) -> Array:
    size = kernel.shape[0]
    # Dilating the input by the stride and flipping the kernel turns the input-gradient into a convolution.
    pad = size - 1 - (size - stride) // 2
    flipped = kernel[::-1, ::-1].swapaxes(2, 3)
    return lax.conv_general_dilated(
        x, flipped, (1, 1), ((pad, pad), (pad, pad)), lhs_dilation=(stride, stride), dimension_numbers=_LAYOUT
    )


def _forward(x: Array, kernel: Array, stride: int) -> tuple[Array, tuple[Array, Array]]:
    return _transpose(x, kernel, stride), (x, kernel)


def _backward(stride: int, saved: tuple[Array, Array], cotangent: Array) -> tuple[Array, Array]:
    x, kernel = saved
    pad = (kernel.shape[0] - stride) // 2
    convolve = partial(conv, stride=stride, padding=((pad, pad), (pad, pad)))
    # y = convᵀ(x, w) is linear in each: dx is conv(dy, w), and dw is the weight gradient of that same convolution
    # with dy as its input and x as its cotangent.
    dx, weight_gradient = jax.vjp(lambda w: convolve(cotangent, w), kernel)
    return dx, weight_gradient(x)[0]


conv_transpose.defvjp(_forward, _backward)
