"""Layers of the networks: halving and doubling of the resolution, and the soft clip of log-variances."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array
from jax.typing import DTypeLike
from jaxtyping import Float

from jaxvae.networks.strided_convolution import conv_transpose, convolve

# Keeps the variance of activations through layers of rectified units (He et al. 2015, equation 10).
kernel_init = nn.initializers.variance_scaling(2.0, "fan_in", "truncated_normal")


def soft_clip(value: Float[Array, "*shape"], low: float, high: float) -> Float[Array, "*shape"]:
    """Keeps values within bounds, smoothly: nearly the identity inside, flat outside.

    A hard clip has no gradient beyond its bounds, and a unit that reached one would stay there.
    """
    value = high - jax.nn.softplus(high - value)
    return low + jax.nn.softplus(value - low)


def halve(size: int) -> int:
    """Returns the side of an image after one halving: odd sides round up."""
    return (size + 1) // 2


def pad_to_multiple(x: Float[Array, "b h w c"], stride: int) -> Float[Array, "b h2 w2 c"]:
    """Repeats the last row and column until the stride divides both sides."""
    below, right = (-side % stride for side in x.shape[1:3])
    # Not by `jnp.pad`, which also looks at the first axis, and that may be a symbol.
    x = jnp.concatenate([x, *[x[:, -1:]] * below], axis=1)
    return jnp.concatenate([x, *[x[:, :, -1:]] * right], axis=2)


class Modulation(nn.Module):
    """The layer that scales and shifts channels by what is told [b, m] (FiLM); at first it changes nothing.

    References:
        Perez et al. 2018, "FiLM: visual reasoning with a general conditioning layer", equation 1.
    """

    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Float[Array, "b *d"], told: Float[Array, "t m"]) -> Float[Array, "b *d"]:
        heads = nn.Dense(2 * x.shape[-1], dtype=self.dtype, kernel_init=nn.initializers.zeros_init())(told)
        scale, shift = jnp.split(heads.reshape(len(told), *(1,) * (x.ndim - 2), -1), 2, axis=-1)
        return x * (1.0 + scale) + shift


def modulate(x: Float[Array, "b *d"], told: Float[Array, "t m"] | None) -> Float[Array, "b *d"]:
    """Returns the output of a layer of its own that modulates x; x itself for networks that are told nothing."""
    return x if told is None else Modulation(x.dtype)(x, told)


class Down(nn.Module):
    """The layer that halves height and width (odd sides round up) and sets the number of channels.

    `kind` is "stride" (a convolution of stride 2), "max_pool" or "avg_pool" (a convolution, then the pool).
    """

    channels: int
    kind: str
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b (h+1)//2 (w+1)//2 {self.channels}"]:
        if self.kind == "stride":
            return Conv(self.channels, self.dtype)(x)
        x = nn.Conv(self.channels, (3, 3), dtype=self.dtype, kernel_init=kernel_init)(x)
        if self.kind == "max_pool":
            return nn.max_pool(x, (2, 2), (2, 2), "SAME")
        # At the border of an odd side, the mean is over the pixels that exist.
        return nn.avg_pool(x, (2, 2), (2, 2), "SAME", count_include_pad=False)


class Up(nn.Module):
    """The layer that doubles height and width, crops them to `size`, and sets the channels: the mirror of `Down`.

    `kind` is "deconv" (a transposed convolution) or "unpool" (repeated pixels, then a convolution).
    """

    channels: int
    size: tuple[int, int]
    kind: str
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b {self.size[0]} {self.size[1]} {self.channels}"]:
        height, width = self.size
        if self.kind == "deconv":
            return Deconv(self.channels, self.dtype)(x)[:, :height, :width]
        x = jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)[:, :height, :width]
        return nn.Conv(self.channels, (3, 3), dtype=self.dtype, kernel_init=kernel_init)(x)


class Conv(nn.Module):
    """The 4x4 convolution of stride 2, with a bias."""

    channels: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b (h+1)//2 (w+1)//2 {self.channels}"]:
        kernel = self.param("kernel", kernel_init, (4, 4, x.shape[-1], self.channels))
        bias = self.param("bias", nn.initializers.zeros_init(), (self.channels,))
        x, kernel, bias = nn.dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
        return convolve(x, kernel) + bias[None, None, None, :]


class Deconv(nn.Module):
    """The transposed 4x4 convolution of stride 2, with a bias."""

    channels: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b 2*h 2*w {self.channels}"]:
        shape = (4, 4, self.channels, x.shape[-1])
        # Each output pixel sums 2x2 of the 4x4 taps, hence a quarter of the kernel's fan-in.
        init = nn.initializers.variance_scaling(8.0, "fan_in", "truncated_normal", in_axis=-1, out_axis=-2)
        kernel = self.param("kernel", init, shape)
        bias = self.param("bias", nn.initializers.zeros_init(), (self.channels,))
        x, kernel, bias = nn.dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
        return conv_transpose(x, kernel) + bias[None, None, None, :]
