import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiled import AS_FOR_USERS
from untrained import random_squeezenet

from jaxvae.perceptual.squeezenet import (
    FIRES,
    MEANS_BGR,
    SMALLEST_SIDE,
    TAPS,
    layer_shapes,
    squeeze_distance,
    squeezenet_features,
)

PARAMS = random_squeezenet(jax.random.key(0))
features, distance = jax.jit(squeezenet_features), jax.jit(squeeze_distance)


def images(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).uniform(size=shape), jnp.float32)


def test_shapes_and_the_number_of_parameters():
    taps = features(PARAMS, images(2, 35, 40, 3))
    assert {name: tap.shape for name, tap in taps.items()} == {
        "conv1": (2, 17, 19, 64), "fire3": (2, 8, 9, 128), "fire5": (2, 3, 4, 256), "fire6": (2, 1, 1, 384),
        "fire7": (2, 1, 1, 384), "fire8": (2, 1, 1, 512), "fire9": (2, 1, 1, 512),
    }  # fmt: skip
    assert tuple(taps) == TAPS
    # SqueezeNet 1.1 has 1 235 496; its classifier, of 512 x 1000 weights and 1000 biases, is missing here.
    assert sum(kernel.size + bias.size for kernel, bias in PARAMS.values()) == 1_235_496 - 513_000


def convolve(layer, x, stride=1, pad=0):
    """Of one image, window by window."""
    kernel, bias = (np.asarray(each, np.float64) for each in layer)
    x = np.pad(x, ((pad, pad), (pad, pad), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], axis=(0, 1))[::stride, ::stride]
    return np.maximum(np.einsum("ijcab,abcd->ijd", windows, kernel, optimize=True) + bias, 0.0)


def test_the_features_are_those_of_numpy():
    """An independent forward pass; it has biases that count."""
    params = {name: (kernel, 10.0 * images(len(bias), seed=1) - 5.0) for name, (kernel, bias) in PARAMS.items()}
    x = images(1, 37, 33, 3)
    y = convolve(params["conv1"], 255.0 * np.asarray(x[0], np.float64)[..., ::-1] - MEANS_BGR, stride=2)
    expected = {"conv1": y}
    for name in FIRES:
        if name in ("fire2", "fire4", "fire6"):
            y = np.lib.stride_tricks.sliding_window_view(y, (3, 3), axis=(0, 1))[::2, ::2].max(axis=(3, 4))
        squeezed = convolve(params[f"{name}/squeeze1x1"], y)
        small, large = (
            convolve(params[f"{name}/expand1x1"], squeezed),
            convolve(params[f"{name}/expand3x3"], squeezed, pad=1),
        )
        y = expected[name] = np.concatenate([small, large], axis=-1)
    for name, tap in features(params, x).items():
        np.testing.assert_allclose(tap[0], expected[name], rtol=1e-3, atol=1e-3 * expected[name].max(), err_msg=name)


@pytest.mark.slow
def test_the_distance_by_hand_is_zero_for_equal_images_and_symmetric():
    x, y = images(3, 32, 32, 3), images(3, 32, 32, 3, seed=1)
    found = distance(PARAMS, x, y)
    expected = []
    for tap in TAPS:
        first, second = (np.asarray(features(PARAMS, each)[tap], np.float64) for each in (x, y))
        cosine = (first * second).sum(axis=-1) / np.linalg.norm(first, axis=-1) / np.linalg.norm(second, axis=-1)
        expected.append((2.0 - 2.0 * cosine).mean(axis=(1, 2)))  # |a - b|² of vectors of length 1.
    np.testing.assert_allclose(found, np.mean(expected, axis=0), rtol=1e-3)
    np.testing.assert_allclose(distance(PARAMS, y, x), found, rtol=1e-6)
    np.testing.assert_array_equal(distance(PARAMS, x, x), 0.0)
    assert bool(jnp.all((found > 0.0) & (found < 2.0)))
    np.testing.assert_allclose(squeeze_distance(PARAMS, x, y), found, rtol=1e-4)


def test_the_distance_grows_with_the_difference():
    x = images(2, 32, 32, 3)
    moved = [distance(PARAMS, x, x + share * (images(2, 32, 32, 3, seed=1) - x)) for share in (0.1, 0.3, 1.0)]
    assert bool(jnp.all((moved[0] < moved[1]) & (moved[1] < moved[2])))


def test_gradients_reach_both_images_and_are_right():
    x, y = images(1, 32, 32, 3), images(1, 32, 32, 3, seed=1)

    def total(x, y):
        return jnp.sum(squeeze_distance(PARAMS, x, y))

    gradients = jax.jit(jax.grad(total, (0, 1)))(x, y)
    for gradient in gradients:
        assert bool(jnp.all(jnp.isfinite(gradient)))
        assert float(jnp.linalg.norm(gradient)) > 1e-4
    # Against differences along the gradient itself, which is where they are largest.
    for index, gradient in enumerate(gradients):
        step = 1e-2 * gradient / jnp.linalg.norm(gradient)
        ends = [[x, y], [x, y]]
        ends[0][index], ends[1][index] = ends[0][index] + step, ends[1][index] - step
        measured = (float(distance(PARAMS, *ends[0])[0]) - float(distance(PARAMS, *ends[1])[0])) / 2e-2
        assert measured == pytest.approx(float(jnp.linalg.norm(gradient)), rel=0.05)


def test_the_gradient_is_finite_where_images_are_equal_and_features_are_zero():
    dead = {name: (kernel, bias - 1e6) for name, (kernel, bias) in PARAMS.items()}
    x = images(1, 32, 32, 3)
    for params in (PARAMS, dead):
        distance_sum = jax.grad(lambda x, y, params=params: jnp.sum(squeeze_distance(params, x, y)))
        gradient = jax.jit(distance_sum, compiler_options=AS_FOR_USERS)(x, x)
        np.testing.assert_array_equal(gradient, 0.0)


def test_a_grey_image_is_the_same_as_three_equal_channels():
    grey = images(2, 32, 31, 1)
    colour = jnp.tile(grey, (1, 1, 1, 3))
    np.testing.assert_allclose(distance(PARAMS, grey, 1.0 - grey), distance(PARAMS, colour, 1.0 - colour), rtol=1e-5)


@pytest.mark.parametrize("shape", [(30, 64, 3), (64, 30, 3), (64, 64, 2)])
def test_images_that_the_network_does_not_take(shape):
    with pytest.raises(ValueError, match="one or three channels and at least 31 pixels a side"):
        squeezenet_features(PARAMS, images(1, *shape))


def test_the_smallest_image_that_reaches_the_last_layer():
    x = images(1, SMALLEST_SIDE, SMALLEST_SIDE, 1)
    assert features(PARAMS, x)["fire9"].shape == (1, 1, 1, 512)
    assert set(layer_shapes()) == set(PARAMS)
