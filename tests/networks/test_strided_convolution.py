import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from jax.test_util import check_grads

from jaxvae.networks import strided_convolution, winograd
from jaxvae.networks.strided_convolution import (
    SLICE,
    SOME_CHANNELS,
    WITH_AVX512,
    WITHOUT_AVX512,
    conv_transpose,
    convolve,
)
from jaxvae.networks.winograd import MANY_TILES

RANDOM = np.random.default_rng(0)


def plain_transpose(x, kernel):
    """The same through lax.conv_transpose, whose weight gradient is JAX's own."""
    return lax.conv_transpose(
        x, kernel, (2, 2), ((2, 2), (2, 2)), dimension_numbers=("NHWC", "HWIO", "NHWC"), transpose_kernel=True
    )


def plain_convolution(x, kernel):
    """The same, odd sides rounding up, with JAX's own gradients."""
    pads = [(1, 1 + size % 2) for size in x.shape[1:3]]
    return lax.conv_general_dilated(x, kernel, (2, 2), pads, dimension_numbers=("NHWC", "HWIO", "NHWC"))


@pytest.fixture(autouse=True, params=[True, False], ids=["avx512", "avx2"])
def with_avx512(request, monkeypatch):
    """The forms that are chosen on either kind of processor; both kinds compute all of them."""
    jax.clear_caches()
    monkeypatch.setattr(strided_convolution, "computes_with_avx512", lambda: request.param)
    yield request.param
    jax.clear_caches()


# Images, channels and sides for each of the forms that a CPU runs; odd sides too.
FORMS = [
    (2, 1, 6, 4),
    (2, 3, 5, 7),
    (SLICE + 3, 16, 4, 4),
    (2, SOME_CHANNELS, 3, 2),
    (2, SOME_CHANNELS + 1, 4, 5),
    (WITHOUT_AVX512.images, SOME_CHANNELS, 4, 3),
    (WITH_AVX512.share, SOME_CHANNELS + 1, 3, 4),
    (WITH_AVX512.images, SOME_CHANNELS + 1, 5, 8),
]


@pytest.mark.parametrize(("images", "channels", "height", "width"), FORMS)
@pytest.mark.parametrize("names", ["convolve", "conv_transpose"])
def test_every_form_equals_lax_in_value_and_both_gradients(names, images, channels, height, width):
    finer, coarser = channels, 6
    kernel = jnp.asarray(RANDOM.normal(size=(4, 4, finer, coarser)), jnp.float32)
    ours, theirs, entering = (
        (convolve, plain_convolution, finer) if names == "convolve" else (conv_transpose, plain_transpose, coarser)
    )
    x = jnp.asarray(RANDOM.normal(size=(images, height, width, entering)), jnp.float32)
    mine, back = jax.vjp(jax.jit(ours), x, kernel)
    other, other_back = jax.vjp(theirs, x, kernel)
    assert mine.shape == other.shape
    np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-4)
    cotangent = jnp.asarray(RANDOM.normal(size=mine.shape), jnp.float32)
    for gradient, expected in zip(back(cotangent), other_back(cotangent), strict=True):
        np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("channels", [3, 8])
def test_a_cpu_and_a_tpu_use_different_forms(channels):
    x, kernel = jnp.ones((1, 8, 8, channels)), jnp.ones((4, 4, channels, 5))
    for function, operand in ((convolve, x), (conv_transpose, jnp.ones((1, 4, 4, 5)))):
        tpu = jax.jit(function).trace(operand, kernel).lower(lowering_platforms=("tpu",)).as_text()
        assert tpu.count("stablehlo.convolution") == 1
        assert "stablehlo.dot_general" not in tpu
        # 4x4 taps, as the config says it; a CPU gets 2x2 taps or a product of matrices for some of these.
        assert "tensor<4x4x" in tpu.split("stablehlo.convolution")[1]


@pytest.mark.parametrize("finer_inputs", [24, 60])
def test_winograd_gives_the_same_with_many_tiles_and_with_few(finer_inputs):
    # The gradient of the kernel takes its factors in either order.
    x = jnp.asarray(RANDOM.normal(size=(16, 9, 10, finer_inputs)), jnp.float32)
    kernel = jnp.asarray(RANDOM.normal(size=(2, 2, finer_inputs, 5)), jnp.float32)
    assert (MANY_TILES * finer_inputs < 16 * 4 * 5) == (finer_inputs == 24)

    def plain(x, kernel):
        return lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    y, back = jax.vjp(plain, x, kernel)
    np.testing.assert_allclose(winograd.convolve(x, kernel), y, rtol=1e-4, atol=1e-4)
    for mine, expected in zip((winograd.spread(y, kernel), winograd.correlate(x, y)), back(y), strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("images", [8 * WITH_AVX512.share, 8 * WITH_AVX512.share - 4])
def test_the_gradient_of_a_kernel_is_added_up_over_devices_once(images):
    # With 8 x 32 images over 8 devices each adds up nine products, and one sum over devices follows; what the devices
    # cannot share equally is left to the compiler.
    mesh = jax.make_mesh((8,), ("batch",), axis_types=(AxisType.Auto,))
    x = jnp.asarray(RANDOM.normal(size=(images, 2, 2, SOME_CHANNELS + 1)), jnp.float32)
    kernel = jnp.asarray(RANDOM.normal(size=(4, 4, SOME_CHANNELS + 1, 3)), jnp.float32)

    def gradient(x, kernel):
        return jax.grad(lambda kernel: jnp.sum(convolve(x, kernel) ** 2))(kernel)

    def over_devices(x, kernel):
        with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
            return gradient(x, kernel)

    split = NamedSharding(mesh, PartitionSpec("batch") if images % 8 == 0 else PartitionSpec())
    compiled = (
        jax.jit(over_devices)
        .lower(jax.device_put(x, split), jax.device_put(kernel, NamedSharding(mesh, PartitionSpec())))
        .compile()
    )
    shared = compiled(jax.device_put(x, split), jax.device_put(kernel, NamedSharding(mesh, PartitionSpec())))
    np.testing.assert_allclose(shared, gradient(x, kernel), rtol=1e-4, atol=1e-2)
    assert compiled.as_text().count(" all-reduce(") == (images % 8 == 0)


def test_conv_transpose_gradient_agrees_with_finite_differences():
    x, kernel = RANDOM.normal(size=(1, 2, 2, 2)), RANDOM.normal(size=(4, 4, 3, 2))
    check_grads(conv_transpose, (jnp.float32(x), jnp.float32(kernel)), order=1, modes=["rev"], rtol=1e-2)
