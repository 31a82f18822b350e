"""The 2x2 convolution of stride 1 with 9 products per 2x2 outputs in place of 16, by Winograd's minimal filtering.

Along one axis, two outputs of two taps g take three inputs and three products (Winograd 1980; Lavin and Gray 2016,
equation 5, for F(2, 3)):

    m0 = (x0 - x1) g0    m1 = x1 (g0 + g1)    m2 = (x2 - x1) g1    y0 = m0 + m1    y1 = m1 + m2

Nested over rows and columns, these are 3x3 matrix products over the tiles of 2x2 outputs. The same nine serve both
gradients, each with two of its factors exchanged. The coefficients are 0 and ±1, so the result is as accurate as the
plain sums.
"""

from jax import Array, lax
from jax import numpy as jnp
from jaxtyping import Float

# The nine arrays [tiles, channels] of an image, or [i, o] of a kernel: by row, then by column.
Nine = list[list[Array]]

_BY_ROWS = (((0,), (0,)), ((), ()))  # Dimension numbers: contracts the tiles of both factors.


def convolve(x: Float[Array, "b h+1 w+1 i"], kernel: Float[Array, "2 2 i o"]) -> Float[Array, "b h w o"]:
    """Returns the convolution without padding."""
    b, height, width, _ = x.shape
    x = _even(x)
    products = _products(_of_inputs(x), _of_kernel(kernel), lambda v, g: v @ g)
    shape = (b, x.shape[1] // 2, x.shape[2] // 2, kernel.shape[3])
    y = _to_outputs([[m.reshape(shape) for m in row] for row in products])
    return y[:, : height - 1, : width - 1]


def spread(y: Float[Array, "b h w o"], kernel: Float[Array, "2 2 i o"]) -> Float[Array, "b h+1 w+1 i"]:
    """Returns the gradient of `convolve` in x, y being the cotangent."""
    b, height, width, _ = y.shape
    y = _even_outputs(y)
    products = _products(_of_outputs(y), _of_kernel(kernel), lambda u, g: u @ g.T)
    shape = (b, y.shape[1] // 2, y.shape[2] // 2, kernel.shape[2])
    x = _to_inputs([[m.reshape(shape) for m in row] for row in products])
    return x[:, : height + 1, : width + 1]


def correlate(x: Float[Array, "b h+1 w+1 i"], y: Float[Array, "b h w o"]) -> Float[Array, "2 2 i o"]:
    """Returns the gradient of `convolve` in the kernel, y being the cotangent."""
    v, u = _of_inputs(_even(x)), _of_outputs(_even_outputs(y))
    # XLA's CPU backend lays out the left factor anew, which takes long where the tiles are many: then that is the one
    # of fewer channels, here always y.
    if len(v[0][0]) > 8 * x.shape[3]:
        return _to_kernel(_products(u, v, _over_tiles)).swapaxes(2, 3)
    return _to_kernel(_products(v, u, _over_tiles))


def _to_kernel(products):
    rows = [(m0 + m1, m1 + m2) for m0, m1, m2 in products]
    first, second, third = rows
    return jnp.stack(
        [jnp.stack([a + b for a, b in zip(*pair, strict=True)]) for pair in ((first, second), (second, third))]
    )


def _products(left, right, product) -> Nine:
    return [[product(a, b) for a, b in zip(*rows, strict=True)] for rows in zip(left, right, strict=True)]


def _over_tiles(v, u):
    return lax.dot_general(v, u, _BY_ROWS)


def _even(x):
    return jnp.pad(x, ((0, 0), (0, 1 - x.shape[1] % 2), (0, 1 - x.shape[2] % 2), (0, 0)))


def _even_outputs(y):
    return jnp.pad(y, ((0, 0), (0, y.shape[1] % 2), (0, y.shape[2] % 2), (0, 0)))


def _every_second(x, axis, start, count):
    return lax.slice_in_dim(x, start, start + 2 * count - 1, 2, axis)


def _of_inputs(x) -> Nine:
    def along(x, axis):
        count = x.shape[axis] // 2
        x0, x1, x2 = (_every_second(x, axis, start, count) for start in range(3))
        return x0 - x1, x1, x2 - x1

    return [[v.reshape(-1, v.shape[-1]) for v in along(row, 2)] for row in along(x, 1)]


def _of_kernel(kernel) -> Nine:
    def along(g, axis):
        g0, g1 = (lax.index_in_dim(g, tap, axis, keepdims=False) for tap in (0, 1))
        return g0, g0 + g1, g1

    return [list(along(row, 0)) for row in along(kernel, 0)]


def _of_outputs(y) -> Nine:
    def along(y, axis):
        y0, y1 = (_every_second(y, axis, start, y.shape[axis] // 2) for start in (0, 1))
        return y0, y0 + y1, y1

    return [[u.reshape(-1, u.shape[-1]) for u in along(row, 2)] for row in along(y, 1)]


def _to_outputs(products: Nine):
    def along(m, axis):
        m0, m1, m2 = m
        return jnp.stack([m0 + m1, m1 + m2], axis + 1).reshape(*m0.shape[:axis], -1, *m0.shape[axis + 1 :])

    return along([along(row, 2) for row in products], 1)


def _to_inputs(products: Nine):
    def along(v, axis):
        v0, v1, v2 = v

        def at(value, start, end):
            pads = [(0, 0, 0)] * value.ndim
            pads[axis] = (start, end, 1)
            return lax.pad(value, jnp.zeros((), value.dtype), pads)

        return at(v0, 0, 2) + at(v1 - v0 - v2, 1, 1) + at(v2, 2, 0)

    return along([along(row, 2) for row in products], 1)
