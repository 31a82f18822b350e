from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvae import KLAutoencoder, TinyAutoencoder, UserError, build
from jaxvae.networks import Networks
from jaxvae.networks.tiles import tile_starts, tiled_networks

STRIDE = 4


def pointwise(shape: tuple[int, int, int]) -> Networks:
    """The mean of each patch as its code, and the code as each pixel of its patch: nothing looks beyond a patch."""
    height, width = -(-shape[0] // STRIDE), -(-shape[1] // STRIDE)

    def encode(params, x):
        assert x.shape[1:] == shape
        mean = x.reshape(len(x), height, STRIDE, width, STRIDE, -1).mean((2, 4))
        return mean, -mean

    def decode(params, z):
        return jnp.repeat(jnp.repeat(z, STRIDE, 1), STRIDE, 2)[:, : shape[0], : shape[1]]

    return Networks(lambda a, b: {}, encode, decode, (height, width, shape[2]))


@pytest.mark.parametrize("shape", [(64, 64, 3), (61, 45, 1), (17, 90, 2), (9, 33, 3)])
@pytest.mark.parametrize("tile", [8, 16, 32])
def test_tiles_are_put_together_where_they_belong(shape, tile):
    tiled = tiled_networks(pointwise, shape, tile=tile, stride=STRIDE)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, *shape)), jnp.float32)
    pads = [(0, -side % STRIDE) for side in shape[:2]]
    padded = jnp.pad(x, ((0, 0), *pads, (0, 0)), "edge")
    mean, log_variance = pointwise(padded.shape[1:]).encode({}, padded)
    codes = tiled.encode({}, x)
    np.testing.assert_allclose(codes[0], mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(codes[1], log_variance, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(tiled.decode({}, mean), pointwise(shape).decode({}, mean), rtol=1e-5, atol=1e-6)


def test_an_image_within_a_tile_is_taken_whole():
    networks = tiled_networks(pointwise, (31, 32, 3), tile=32, stride=STRIDE)
    jaxpr = str(jax.make_jaxpr(networks.decode)({}, jnp.zeros((1, 8, 8, 3))))
    assert "scan" not in jaxpr
    larger = tiled_networks(pointwise, (33, 32, 3), tile=32, stride=STRIDE)
    assert "scan" in str(jax.make_jaxpr(larger.decode)({}, jnp.zeros((1, 9, 8, 3))))


@pytest.mark.parametrize(("length", "side", "overlap"), [(100, 16, 4), (17, 16, 4), (16, 16, 4), (3, 2, 1), (90, 2, 2)])
def test_tiles_cover_everything_and_overlap_as_much_as_they_should(length, side, overlap):
    starts = [left for _, left in tile_starts((side, length), (side, side), overlap)]
    assert starts[0] == 0
    assert starts[-1] == length - side
    gaps = np.diff(starts)
    assert np.all((gaps > 0) & (gaps <= max(1, side - overlap)))


def test_next_to_its_border_a_tile_does_not_count_where_there_is_another():
    """A network whose output is wrong in the outermost position of each tile is as good as one that is right."""

    def wrong_at_borders(shape):
        right = pointwise(shape)

        def decode(params, z):
            image = right.decode(params, z)
            inside = jnp.zeros(image.shape).at[:, 1:-1, 1:-1].set(1.0)
            return jnp.where(inside > 0, image, 9.0)

        return right._replace(decode=decode)

    z = jnp.asarray(np.random.default_rng(0).normal(size=(1, 20, 20, 1)), jnp.float32)
    tiled = tiled_networks(wrong_at_borders, (80, 80, 1), tile=32, stride=STRIDE)
    image = tiled.decode({}, z)[:, 1:-1, 1:-1]
    np.testing.assert_allclose(image, pointwise((80, 80, 1)).decode({}, z)[:, 1:-1, 1:-1], atol=1e-3)


def test_seams_of_a_network_are_far_smaller_than_its_contrasts():
    """Without a layer that looks at the whole image, tiles differ from it by what lies beyond their borders alone."""
    model = TinyAutoencoder(encoder_channels=8, decoder_channels=8, encoder_blocks=(1, 1), decoder_blocks=(1, 1))
    whole, tiled = build(model, (112, 104, 3)), build(replace(model, tile=64), (112, 104, 3))
    params = whole.init(jax.random.key(0))
    rows, columns = np.mgrid[:112, :104] / 20.0
    x = jnp.asarray(0.5 + 0.4 * np.sin(np.stack([rows, columns, rows + columns], -1))[None], jnp.float32)
    codes = [jax.jit(vae.encode)(params, x).mean for vae in (whole, tiled)]
    images = [jax.jit(vae.decode)(params, codes[0]).mean for vae in (whole, tiled)]
    for exact, near in (codes, images):
        assert exact.shape == near.shape
        differences = np.abs(np.asarray(near - exact))
        assert np.max(differences) > 0
        assert np.sqrt(np.mean(np.square(differences))) < 0.05 * float(jnp.std(exact))
        # Far from every border of a tile, they are the same.
        corner = differences[:, : exact.shape[1] // 5, : exact.shape[2] // 5]
        np.testing.assert_allclose(corner, 0.0, atol=1e-5)


@pytest.mark.slow
def test_gradients_pass_through_tiles():
    model = KLAutoencoder(channels=(2, 4), groups=2, middle_attention=False, tile=16)
    vae = build(model, (24, 24, 3))
    params, x = vae.init(jax.random.key(0)), jnp.full((1, 24, 24, 3), 0.25)

    def loss(params):
        return -jnp.mean(vae.decode(params, vae.encode(params, x).mean).log_prob(x))

    gradients = jax.jit(jax.grad(loss))(params)
    kernel = gradients["encoder"]["down_blocks_0"]["downsamplers_0"]["conv"]["kernel"]
    assert bool(jnp.all(jnp.isfinite(kernel)))
    assert float(jnp.max(jnp.abs(kernel))) > 0


def memory(model: KLAutoencoder, side: int, function: str) -> int:
    """Bytes of a compiled pass beyond its arguments and results, without running it."""
    vae = build(model, (side, side, 3))
    params = jax.eval_shape(vae.init, jax.random.key(0))
    encode = jax.eval_shape(vae.encode, params, jax.ShapeDtypeStruct((1, side, side, 3), jnp.float32))
    given = jax.ShapeDtypeStruct((1, side, side, 3), jnp.float32) if function == "encode" else encode.mean

    def run(params, given):
        return getattr(vae, function)(params, given).mean

    return jax.jit(run).lower(params, given).compile().memory_analysis().temp_size_in_bytes


@pytest.mark.slow
@pytest.mark.parametrize("function", ["encode", "decode"])
def test_memory_for_an_image_of_2048_pixels_is_that_of_a_tile_and_a_few_images(function):
    model = KLAutoencoder(channels=(32, 32), groups=8, middle_attention=False)
    image = 4 * 3 * 2048**2
    whole = memory(model, 2048, function)
    tile = memory(model, 256, function)
    tiled = memory(replace(model, tile=256), 2048, function)
    print(f"{function}: whole {whole / 2**20:.0f} MiB, tiled {tiled / 2**20:.0f} MiB, one tile {tile / 2**20:.0f} MiB")
    assert tiled < 2 * tile + 5 * image
    assert tiled < whole / 4


@pytest.mark.parametrize("tile", [2, 6, 0, -8])
def test_tiles_that_do_not_fit_are_refused(tile):
    with pytest.raises(UserError, match=rf"model\.tile is {tile}, but must be a multiple of 4, .* of at least 8"):
        KLAutoencoder(tile=tile)
