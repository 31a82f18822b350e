"""The 2x2 convolution of stride 1 in 9 products per 2x2 outputs instead of 16, by Winograd's minimal filtering.

Two outputs y of two taps g take three inputs x and three products m along one axis (Winograd 1980; nested over rows and
columns as in Lavin and Gray 2016, section 4.1):

    m0 = (x0 - x1) g0    m1 = x1 (g0 + g1)    m2 = (x2 - x1) g1    y0 = m0 + m1    y1 = m1 + m2

Over rows and columns these are nine matrix products over the tiles of 2x2 outputs. Both gradients are nine as well: the
gradient of a factor is the other factor times the cotangent. The coefficients are 0 and ±1, so that the results are
about as accurate as plain sums.
"""

from collections.abc import Callable

from jax import Array, lax
from jax import numpy as jnp
from jaxtyping import Float

# Arrays by row and column: 3x3 factors or products, 2x2 outputs or taps.
Grid = list[list[Array]]
Axis = Callable[[Array, int], list[Array]]

MANY_TILES = 8  # Tiles per channel.


def convolve(x: Float[Array, "b h w i"], kernel: Float[Array, "2 2 i o"]) -> Float[Array, "b h-1 w-1 o"]:
    """Convolves without padding."""
    b, height, width, _ = x.shape
    x = _with_even(x, 1)
    products = _pairwise(lambda v, g: _rows(v) @ g, _split(x, _factors_of_inputs), _factors_of_kernel(kernel))
    tiles = (b, x.shape[1] // 2, x.shape[2] // 2, kernel.shape[3])
    y = _merge(_reshaped(products, tiles), _outputs_from_products)
    return y[:, : height - 1, : width - 1]


def spread(y: Float[Array, "b h w o"], kernel: Float[Array, "2 2 i o"]) -> Float[Array, "b h+1 w+1 i"]:
    """Returns the gradient of `convolve` in x, y being the cotangent."""
    b, height, width, _ = y.shape
    y = _with_even(y, 0)
    factors = _factors_of_kernel(kernel)
    products = _pairwise(lambda u, g: _rows(u) @ g.T, _split(y, _factors_of_outputs), factors)
    tiles = (b, y.shape[1] // 2, y.shape[2] // 2, kernel.shape[2])
    x = _merge(_reshaped(products, tiles), _inputs_from_products)
    return x[:, : height + 1, : width + 1]


def correlate(x: Float[Array, "b h w i"], y: Float[Array, "b h-1 w-1 o"]) -> Float[Array, "2 2 i o"]:
    """Returns the gradient of `convolve` in the kernel, y being the cotangent."""
    v, u = _split(_with_even(x, 1), _factors_of_inputs), _split(_with_even(y, 0), _factors_of_outputs)
    # XLA's CPU backend lays out the left factor anew. Where the tiles are many, that takes long, and y has fewer
    # channels than x.
    if v[0][0].size > MANY_TILES * x.shape[3] ** 2:
        return _kernel_from_products(_pairwise(_over_tiles, u, v)).swapaxes(2, 3)
    return _kernel_from_products(_pairwise(_over_tiles, v, u))


def _split(x: Float[Array, "b h w c"], along: Axis) -> Grid:
    return [along(row, 2) for row in along(x, 1)]


def _merge(grid: Grid, along: Callable[[list[Array], int], Array]) -> Array:
    return along([along(row, 2) for row in grid], 1)


def _pairwise(product: Callable[[Array, Array], Array], left: Grid, right: Grid) -> Grid:
    return [[product(a, b) for a, b in zip(*rows, strict=True)] for rows in zip(left, right, strict=True)]


def _reshaped(grid: Grid, shape: tuple[int, ...]) -> Grid:
    return [[each.reshape(shape) for each in row] for row in grid]


def _rows(tiles: Float[Array, "b h w c"]) -> Float[Array, "b*h*w c"]:
    return tiles.reshape(-1, tiles.shape[-1])


def _over_tiles(left: Float[Array, "b h w l"], right: Float[Array, "b h w r"]) -> Float[Array, "l r"]:
    return lax.dot_general(_rows(left), _rows(right), (((0,), (0,)), ((), ())))


def _with_even(x: Float[Array, "b h w c"], more: int) -> Float[Array, "b h2 w2 c"]:
    """Appends a row and a column of zeros where that makes height and width an even number and `more`."""
    _, height, width, _ = x.shape
    return jnp.pad(x, ((0, 0), (0, (height - more) % 2), (0, (width - more) % 2), (0, 0)))


def _every_second(x: Array, axis: int, start: int, count: int) -> Array:
    return lax.slice_in_dim(x, start, start + 2 * count - 1, 2, axis)


def _factors_of_inputs(x: Array, axis: int) -> list[Array]:
    x0, x1, x2 = (_every_second(x, axis, start, x.shape[axis] // 2) for start in range(3))
    return [x0 - x1, x1, x2 - x1]


def _factors_of_outputs(y: Array, axis: int) -> list[Array]:
    y0, y1 = (_every_second(y, axis, start, y.shape[axis] // 2) for start in range(2))
    return [y0, y0 + y1, y1]


def _factors_of_kernel(kernel: Float[Array, "2 2 i o"]) -> Grid:
    def along(g0: Array, g1: Array) -> list[Array]:
        return [g0, g0 + g1, g1]

    return [along(*row) for row in along(*kernel)]


def _kernel_from_products(products: Grid) -> Float[Array, "2 2 i o"]:
    def along(m0: Array, m1: Array, m2: Array) -> Array:
        return jnp.stack([m0 + m1, m1 + m2])

    return along(*(along(*row) for row in products))


def _outputs_from_products(m: list[Array], axis: int) -> Array:
    m0, m1, m2 = m
    return _interleaved(m0 + m1, m1 + m2, axis)


def _inputs_from_products(m: list[Array], axis: int) -> Array:
    """Returns one row more than the tiles cover, of zeros: as rows interleaved, XLA moves them faster than as sums."""
    m0, m1, m2 = m
    even = _extended(m0, axis, 0, 1) + _extended(m2, axis, 1, 0)
    odd = _extended(m1 - m0 - m2, axis, 0, 1)
    return _interleaved(even, odd, axis)


def _extended(x: Array, axis: int, before: int, after: int) -> Array:
    pads = [(0, 0)] * x.ndim
    pads[axis] = (before, after)
    return jnp.pad(x, pads)


def _interleaved(even: Array, odd: Array, axis: int) -> Array:
    return jnp.stack([even, odd], axis + 1).reshape(*even.shape[:axis], -1, *even.shape[axis + 1 :])
