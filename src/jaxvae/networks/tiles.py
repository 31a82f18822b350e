"""Large images tile by tile: memory is bounded by one tile, and overlaps are blended so that no seam shows.

What a network does with one tile depends on its surroundings: on neighbours beyond the border, and on whatever looks at
the whole image, as attention and normalisation do. Tiles therefore differ from the whole, by less the larger they are.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int

from jaxvae.annotations import ArrayLike, Params
from jaxvae.networks.base import Networks
from jaxvae.networks.layers import pad_to_multiple

OVERLAP = 0.25  # Share of a tile that its neighbour covers too.
MARGIN = 0.25  # Share of an overlap, at either side of it, in which only one of the two tiles counts.
SMALLEST = 1e-6  # Weight of what counts only where there is nothing else.


def tiled_networks(
    build: Callable[[tuple[int, int, int]], Networks], shape: tuple[int, int, int], *, tile: int | None, stride: int
) -> Networks:
    """Returns networks that encode and decode tile by tile; those of the whole image where one tile covers it.

    Args:
        build: shape of the images -> networks, the same parameters for every shape.
        shape: height, width and channels of the images.
        tile: side of a tile in pixels, a multiple of `stride`; None for the whole image.
        stride: pixels per position of the code.
    """
    whole = build(shape)
    if tile is None or max(shape[:2]) <= tile:
        return whole
    height, width, _ = whole.latent_shape
    sides = min(tile // stride, height), min(tile // stride, width)  # In positions of the code.
    one = build((sides[0] * stride, sides[1] * stride, shape[2]))
    overlap = max(1, round(OVERLAP * tile / stride))
    starts = jnp.asarray(tile_starts((height, width), sides, overlap), jnp.int32)

    def encode(params: Params, x: Float[ArrayLike, "b h w c"]) -> tuple[Float[Array, "b *d"], Float[Array, "b *d"]]:
        x = pad_to_multiple(jnp.asarray(x), stride)

        def encode_tile(start: Int[Array, " 2"]) -> Array:
            part = _cut(x, start * stride, (sides[0] * stride, sides[1] * stride))
            return jnp.concatenate(one.encode(params, part), axis=-1)

        mean, log_variance = jnp.split(_blend(encode_tile, starts, (height, width), sides, overlap, 1), 2, axis=-1)
        return mean, log_variance

    def decode(params: Params, z: Float[Array, "b *d"]) -> Float[Array, "b h w o"]:
        def decode_tile(start: Int[Array, " 2"]) -> Array:
            return one.decode(params, _cut(z, start, sides))

        image = _blend(decode_tile, starts, (height, width), sides, overlap, stride)
        return image[:, : shape[0], : shape[1]]

    return Networks(one.init, encode, decode, whole.latent_shape)


def tile_starts(whole: tuple[int, int], sides: tuple[int, int], overlap: int) -> list[tuple[int, int]]:
    """Returns the first row and column of each tile; the last one in a row ends where the whole does."""

    def along(length: int, side: int) -> list[int]:
        step = max(1, side - overlap)
        return [min(start, length - side) for start in range(0, length - side + step, step)]

    return [(top, left) for top in along(whole[0], sides[0]) for left in along(whole[1], sides[1])]


def _cut(x: Array, start: Int[Array, " 2"], sides: tuple[int, int]) -> Array:
    zero = jnp.zeros((), start.dtype)
    return jax.lax.dynamic_slice(x, (zero, start[0], start[1], zero), (x.shape[0], *sides, x.shape[3]))


def _blend(
    of_tile: Callable[[Int[Array, " 2"]], Array],
    starts: Int[Array, "n 2"],
    whole: tuple[int, int],
    sides: tuple[int, int],
    overlap: int,
    scale: int,
) -> Array:
    """Returns the whole from its tiles, weighted by ramps across their overlaps.

    Args:
        of_tile: (first row and column of a tile) -> [b, scale*sides[0], scale*sides[1], c].
        starts: the first row and column of each tile.
        whole: height and width, in units of `starts`.
        sides: those of a tile.
        overlap: width of the ramps.
        scale: pixels of the result per unit of `starts`.
    """
    ramps = [_ramp(scale * side, scale * overlap) for side in sides]
    weight = jnp.asarray(np.outer(*ramps), jnp.float32)[None, :, :, None]
    # One tile after the other, and again for the gradient rather than kept: memory is that of one.
    tiles = jax.lax.map(jax.checkpoint(of_tile), starts)

    def add(sums: tuple[Array, Array], each: tuple[Array, Array]) -> tuple[tuple[Array, Array], None]:
        total, weights = sums
        start, tile = each
        return (_add(total, start * scale, weight * tile), _add(weights, start * scale, weight)), None

    size = (scale * whole[0], scale * whole[1])
    nothing = jnp.zeros((tiles.shape[1], *size, tiles.shape[4])), jnp.zeros((1, *size, 1))
    (total, weights), _ = jax.lax.scan(add, nothing, (starts, tiles))
    return total / weights


def _add(x: Array, start: Int[Array, " 2"], tile: Array) -> Array:
    zero = jnp.zeros((), start.dtype)
    corner = (zero, start[0], start[1], zero)
    return jax.lax.dynamic_update_slice(x, tile + jax.lax.dynamic_slice(x, corner, tile.shape), corner)


def _ramp(side: int, overlap: int) -> Float[np.ndarray, " n"]:
    """Returns weights along a tile that rise and fall linearly across the middle of its overlaps.

    Next to the border of a tile, where the network misses most of its surroundings, only the neighbour counts. At the
    border of the image there is none, and since weights are divided by their sum, the smallest one will do.
    """
    distance = np.arange(side) + 0.5
    inside = np.minimum(distance, side - distance) - MARGIN * overlap
    return np.clip(inside / ((1 - 2 * MARGIN) * overlap), SMALLEST, 1.0)
