"""The 4x4 convolution of stride 2 and its transpose, in the forms that each kind of hardware runs well.

GPUs and TPUs run the plain convolutions. XLA's CPU backend runs some of these many times slower than it could, so on a
CPU each of the three operations that both layers and their gradients consist of takes the form that measured fastest
there (experiments/benchmarks). All forms are the same sums in another order, equal up to rounding.

    operation             of the convolution    of its transpose
    convolve(x, w)        value                 gradient in x
    spread(y, w)          gradient in x         value
    correlate(x, y)       gradient in w         gradient in w, with input and cotangent exchanged

The forms rest on one identity: with each 2x2 block of pixels laid out as channels (space to depth), a 4x4 convolution
of stride 2 is a 2x2 convolution of stride 1 over four times the channels. With many channels and images, that one needs
fewer products by Winograd's filtering (`winograd.py`).
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from jaxvae.annotations import ArrayLike
from jaxvae.networks import winograd
from jaxvae.networks.shares import over_shares_of_the_batch
from jaxvae.system.processor import computes_with_avx512

_LAYOUT = ("NHWC", "HWIO", "NHWC")
_TAPS = ((0, 0), (0, 1), (1, 0), (1, 1))  # Rows and columns of the 2x2 kernel.

# Which form is faster depends on the channels of the finer side and on the images: of the whole batch where values are
# computed, of a device's share where sums over the batch are.
FEW_CHANNELS, SOME_CHANNELS = 4, 64
SLICE = 16  # Images. The gradient of the kernel reads its factors out of order: larger ones would leave the cache.


class Winograd(NamedTuple):
    """Where Winograd's filtering is the fastest form on a CPU.

    Attributes:
        images: for values from so many images on, with SOME_CHANNELS or more.
        share: for gradients of kernels from so many images of one device on.
        channels_of_gradients: for gradients of kernels with more channels than these.
    """

    images: int
    share: int
    channels_of_gradients: int


# It trades products for slices and sums, of which AVX-512 makes only the products much faster.
WITH_AVX512 = Winograd(images=64, share=32, channels_of_gradients=SOME_CHANNELS)
WITHOUT_AVX512 = Winograd(images=16, share=4, channels_of_gradients=FEW_CHANNELS)


def fastest_by_winograd() -> Winograd:
    """Returns where Winograd's filtering is the fastest form on this processor."""
    return WITH_AVX512 if computes_with_avx512() else WITHOUT_AVX512


Residuals = tuple[Float[ArrayLike, "b h w c"], Float[ArrayLike, "4 4 i o"]]


@jax.custom_vjp
def convolve(
    x: Float[ArrayLike, "b h w i"], kernel: Float[ArrayLike, "4 4 i o"]
) -> Float[Array, "b (h+1)//2 (w+1)//2 o"]:
    """Halves height and width, rounding up, with one pixel of zeros before and one or two after each axis."""
    return _by_platform(_convolve_on_cpu, _convolve_plainly, x, kernel)


@jax.custom_vjp
def conv_transpose(x: Float[ArrayLike, "b h w o"], kernel: Float[ArrayLike, "4 4 i o"]) -> Float[Array, "b 2*h 2*w i"]:
    """Doubles height and width: the adjoint of `convolve(·, kernel)`, so the kernel ends in (output, input)."""
    return _spread(x, kernel, (2 * x.shape[1], 2 * x.shape[2]))


def _spread(
    y: Float[ArrayLike, "b h w o"], kernel: Float[ArrayLike, "4 4 i o"], size: tuple[int, ...]
) -> Float[Array, "b {size[0]} {size[1]} i"]:
    return _by_platform(partial(_spread_on_cpu, size=size), partial(_spread_plainly, size=size), y, kernel)


def _by_platform(
    on_cpu: Callable[..., Array], plainly: Callable[..., Array], *arrays: Float[ArrayLike, "..."]
) -> Float[Array, "..."]:
    chosen: Array = lax.platform_dependent(*map(jnp.asarray, arrays), cpu=on_cpu, default=plainly)
    return chosen


def _has_many(images: Float[ArrayLike, "b h w c"]) -> bool:
    # The batch of an exported model is a symbol, of which nothing is known.
    return isinstance(images.shape[0], int) and images.shape[0] >= fastest_by_winograd().images


def _pads(size: tuple[int, ...]) -> tuple[tuple[int, int], tuple[int, int]]:
    return (1, 1 + size[0] % 2), (1, 1 + size[1] % 2)


def _convolve_plainly(
    x: Float[Array, "b h w i"], kernel: Float[Array, "4 4 i o"]
) -> Float[Array, "b (h+1)//2 (w+1)//2 o"]:
    return lax.conv_general_dilated(x, kernel, (2, 2), _pads(x.shape[1:3]), dimension_numbers=_LAYOUT)


def _convolve_on_cpu(
    x: Float[Array, "b h w i"], kernel: Float[Array, "4 4 i o"]
) -> Float[Array, "b (h+1)//2 (w+1)//2 o"]:
    if x.shape[-1] >= SOME_CHANNELS and _has_many(x):
        return winograd.convolve(_to_depth(x), _kernel_to_depth(kernel))
    if x.shape[-1] > FEW_CHANNELS:
        return _convolve_plainly(x, kernel)
    taps = _kernel_to_depth(kernel)
    return jnp.einsum("bhwp,po->bhwo", _patches(x), taps.reshape(-1, taps.shape[-1]))


def _spread_plainly(
    y: Float[Array, "b h w o"], kernel: Float[Array, "4 4 i o"], size: tuple[int, ...]
) -> Float[Array, "b {size[0]} {size[1]} i"]:
    # With y dilated by the stride and the kernel flipped, the adjoint is a convolution again.
    flipped = kernel[::-1, ::-1].swapaxes(2, 3)
    pads = [(2, high + 1) for _, high in _pads(size)]
    spread = lax.conv_general_dilated(y, flipped, (1, 1), pads, lhs_dilation=(2, 2), dimension_numbers=_LAYOUT)
    return spread[:, : size[0], : size[1]]


def _spread_on_cpu(
    y: Float[Array, "b h w o"], kernel: Float[Array, "4 4 i o"], size: tuple[int, ...]
) -> Float[Array, "b {size[0]} {size[1]} i"]:
    if kernel.shape[2] >= SOME_CHANNELS and _has_many(y):
        return _from_depth(winograd.spread(y, _kernel_to_depth(kernel)), size)
    if kernel.shape[2] > SOME_CHANNELS:
        return _spread_plainly(y, kernel, size)
    taps = _kernel_to_depth(kernel)
    if kernel.shape[2] > FEW_CHANNELS:
        flipped = taps[::-1, ::-1].swapaxes(2, 3)
        deep = lax.conv_general_dilated(y, flipped, (1, 1), ((1, 1), (1, 1)), dimension_numbers=_LAYOUT)
        return _from_depth(deep, size)
    # Few channels: one matrix product for all four taps, then the sum of the four results, each shifted to its place.
    products = jnp.einsum("bhwo,rsio->bhwrsi", y, taps)
    moved = [jnp.pad(products[:, :, :, r, s], ((0, 0), (r, 1 - r), (s, 1 - s), (0, 0))) for r, s in _TAPS]
    return _from_depth(sum(moved[1:], moved[0]), size)


def _correlate(x: Float[ArrayLike, "b h w i"], y: Float[ArrayLike, "b (h+1)//2 (w+1)//2 o"]) -> Float[Array, "4 4 i o"]:
    """Returns the gradient of `convolve` in its kernel, y being the cotangent."""
    return _by_platform(over_shares_of_the_batch(_correlate_on_cpu), _correlate_plainly, x, y)


def _correlate_plainly(x: Float[Array, "b h w i"], y: Float[Array, "b (h+1)//2 (w+1)//2 o"]) -> Float[Array, "4 4 i o"]:
    like = jax.ShapeDtypeStruct((4, 4, x.shape[-1], y.shape[-1]), x.dtype)
    (gradient,) = jax.linear_transpose(partial(_convolve_plainly, x), like)(y)
    return gradient


def _correlate_on_cpu(x: Float[Array, "b h w i"], y: Float[Array, "b (h+1)//2 (w+1)//2 o"]) -> Float[Array, "4 4 i o"]:
    channels = x.shape[-1]
    if channels <= FEW_CHANNELS:
        gradient = jnp.einsum("bhwp,bhwo->po", _patches(x), y)
        return _kernel_from_depth(gradient.reshape(2, 2, 4 * channels, y.shape[-1]))
    winograd_from = fastest_by_winograd()
    filtered = channels > winograd_from.channels_of_gradients and len(x) >= winograd_from.share
    if filtered and channels >= SOME_CHANNELS:
        return _correlate_by_winograd(x, y)
    form = _correlate_by_winograd if filtered else _correlate_plainly
    starts = range(0, len(x), SLICE)
    sums = [form(x[start : start + SLICE], y[start : start + SLICE]) for start in starts]
    return sum(sums[1:], sums[0])


def _correlate_by_winograd(
    x: Float[Array, "b h w i"], y: Float[Array, "b (h+1)//2 (w+1)//2 o"]
) -> Float[Array, "4 4 i o"]:
    return _kernel_from_depth(winograd.correlate(_to_depth(x), y))


def _patches(x: Float[Array, "b h w i"]) -> Float[Array, "b (h+1)//2 (w+1)//2 16*i"]:
    """Returns the 4x4 pixels that each output of `convolve` sees, ordered as `_kernel_to_depth` orders the kernel.

    Few channels make them small: one matrix product over them takes less of a train step than a convolution or a
    product for each tap, and value and gradient share them.
    """
    deep = _to_depth(x)
    height, width = deep.shape[1] - 1, deep.shape[2] - 1
    return jnp.concatenate([deep[:, r : r + height, s : s + width] for r, s in _TAPS], axis=-1)


def _to_depth(x: Float[Array, "b h w i"]) -> Float[Array, "b (h+3)//2 (w+3)//2 4*i"]:
    """Turns each 2x2 block of the padded image into one pixel of 4i channels.

    The result has one row and one column more than that of `convolve`.
    """
    x = jnp.pad(x, ((0, 0), *_pads(x.shape[1:3]), (0, 0)))
    b, h, w, i = x.shape
    return x.reshape(b, h // 2, 2, w // 2, 2, i).transpose(0, 1, 3, 2, 4, 5).reshape(b, h // 2, w // 2, 4 * i)


def _from_depth(deep: Float[Array, "b h2 w2 i4"], size: tuple[int, ...]) -> Float[Array, "b {size[0]} {size[1]} i4//4"]:
    """Inverts `_to_depth` and removes the padding."""
    b, h, w, channels = deep.shape
    blocks = deep.reshape(b, h, w, 2, 2, channels // 4).transpose(0, 1, 3, 2, 4, 5)
    return blocks.reshape(b, 2 * h, 2 * w, channels // 4)[:, 1 : size[0] + 1, 1 : size[1] + 1]


def _kernel_to_depth(kernel: Float[Array, "4 4 i o"]) -> Float[Array, "2 2 4*i o"]:
    """Returns the kernel whose 2x2 convolution of `_to_depth(x)` is `convolve(x, kernel)`."""
    _, _, i, o = kernel.shape
    return kernel.reshape(2, 2, 2, 2, i, o).transpose(0, 2, 1, 3, 4, 5).reshape(2, 2, 4 * i, o)


def _kernel_from_depth(taps: Float[Array, "2 2 i4 o"]) -> Float[Array, "4 4 i4//4 o"]:
    """Inverts `_kernel_to_depth`."""
    _, _, channels, o = taps.shape
    return taps.reshape(2, 2, 2, 2, channels // 4, o).transpose(0, 2, 1, 3, 4, 5).reshape(4, 4, channels // 4, o)


def _compute_once(x: Float[ArrayLike, "*shape"], kernel: Float[ArrayLike, "4 4 i o"]) -> Float[Array, "*shape"]:
    """Returns x in a form that XLA's CPU backend does not recompute inside each transpose of it, out of order.

    The backend drops `lax.optimization_barrier` before it considers such fusions, but does not look through a branch
    that it cannot decide at compile time. The other branch here is that of a kernel that is NaN.
    """

    def branch(x: Array, kernel: Array) -> Array:
        first = kernel[0, 0, 0, 0]
        kept: Array = lax.cond(first == first, lambda x, _: x, jnp.full_like, x, first)
        return kept

    return _by_platform(branch, lambda x, kernel: x, x, kernel)


def _convolve_forward(
    x: Float[ArrayLike, "b h w i"], kernel: Float[ArrayLike, "4 4 i o"]
) -> tuple[Float[Array, "b h2 w2 o"], Residuals]:
    x = _compute_once(x, kernel)
    return convolve(x, kernel), (x, kernel)


def _convolve_backward(residuals: Residuals, cotangent: Float[ArrayLike, "b h2 w2 o"]) -> Residuals:
    x, kernel = residuals
    return _spread(cotangent, kernel, x.shape[1:3]), _correlate(x, cotangent)


def _transpose_forward(
    x: Float[ArrayLike, "b h w o"], kernel: Float[ArrayLike, "4 4 i o"]
) -> tuple[Float[Array, "b 2*h 2*w i"], Residuals]:
    x = _compute_once(x, kernel)
    return conv_transpose(x, kernel), (x, kernel)


def _transpose_backward(residuals: Residuals, cotangent: Float[ArrayLike, "b h2 w2 i"]) -> Residuals:
    x, kernel = residuals
    return convolve(cotangent, kernel), _correlate(cotangent, x)


convolve.defvjp(_convolve_forward, _convolve_backward)
conv_transpose.defvjp(_transpose_forward, _transpose_backward)
