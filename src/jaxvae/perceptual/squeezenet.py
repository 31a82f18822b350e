"""SqueezeNet 1.1 as pure functions, and the perceptual distance of images in its features."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxvae.annotations import ArrayLike

Convolution = tuple[Array, Array]  # Kernel [height, width, channels in, channels out] and bias [channels out].
SqueezeNet = Mapping[str, Convolution]  # Parameters, by name of the layer.

# By fire module: channels before it, squeezed, and of each of the two expansions.
FIRES = {
    "fire2": (64, 16, 64), "fire3": (128, 16, 64), "fire4": (128, 32, 128), "fire5": (256, 32, 128),
    "fire6": (256, 48, 192), "fire7": (384, 48, 192), "fire8": (384, 64, 256), "fire9": (512, 64, 256),
}  # fmt: skip
POOLED_BEFORE = ("fire2", "fire4", "fire6")
TAPS = ("conv1", "fire3", "fire5", "fire6", "fire7", "fire8", "fire9")
SMALLEST_SIDE = 31  # In pixels; of smaller images the last layers have nothing left.
# Of the channels blue, green and red in 0 to 255, which the network was trained with.
MEANS_BGR = (103.939, 116.779, 123.68)
TINY = 1e-10  # Keeps the gradient finite where all channels of a position are 0.


def layer_shapes() -> dict[str, tuple[int, int, int, int]]:
    """Returns the shape of each kernel that the features need, by name of the layer."""
    shapes = {"conv1": (3, 3, 3, 64)}
    for name, (before, squeezed, expanded) in FIRES.items():
        shapes[f"{name}/squeeze1x1"] = (1, 1, before, squeezed)
        shapes[f"{name}/expand1x1"] = (1, 1, squeezed, expanded)
        shapes[f"{name}/expand3x3"] = (3, 3, squeezed, expanded)
    return shapes


def squeezenet_features(params: SqueezeNet, x: Float[ArrayLike, "b h w c"]) -> dict[str, Float[Array, "b i j f"]]:
    """Returns the activations of the network at `TAPS`, after their rectification.

    Args:
        params: the parameters.
        x: images in [0, 1], of one or three channels and at least `SMALLEST_SIDE` pixels a side.

    Raises:
        ValueError: images are smaller, or have another number of channels.

    References:
        Iandola et al. 2016, SqueezeNet: AlexNet-level accuracy with 50x fewer parameters (arXiv 1602.07360); version
        1.1.
    """
    if x.shape[3] not in (1, 3) or min(x.shape[1:3]) < SMALLEST_SIDE:
        raise ValueError(
            f"the images have shape {x.shape[1:]}, but SqueezeNet needs one or three channels and at least "
            f"{SMALLEST_SIDE} pixels a side."
        )
    rgb = jnp.broadcast_to(jnp.asarray(x), (*x.shape[:3], 3))
    y = 255.0 * rgb[..., ::-1] - jnp.asarray(MEANS_BGR)[None, None, None]
    y = jax.nn.relu(_convolve(params["conv1"], y, stride=2, padding="VALID"))
    taps = {"conv1": y}
    for name in FIRES:
        y = _pool(y) if name in POOLED_BEFORE else y
        squeezed = jax.nn.relu(_convolve(params[f"{name}/squeeze1x1"], y))
        both = (_convolve(params[f"{name}/{expansion}"], squeezed) for expansion in ("expand1x1", "expand3x3"))
        y = jax.nn.relu(jnp.concatenate(list(both), axis=-1))
        if name in TAPS:
            taps[name] = y
    return taps


def squeeze_distance(
    params: SqueezeNet, x: Float[ArrayLike, "b h w c"], y: Float[ArrayLike, "b h w c"]
) -> Float[Array, " b"]:
    """Returns the perceptual distance of each pair of images, between 0 (equal features) and 2; smaller is better.

    At each tap the channels of each position are scaled to length 1; their squared distance is averaged over positions,
    then over taps. This is the form of LPIPS without its learned weights, in a network of another training: its numbers
    are not those of LPIPS, and comparable only with each other. Gradients reach both images, so that it can be a loss.

    Args:
        params: the parameters of SqueezeNet.
        x: images in [0, 1].
        y: images in [0, 1], of the same shape.

    Raises:
        ValueError: as for `squeezenet_features`.

    References:
        Zhang et al. 2018, The Unreasonable Effectiveness of Deep Features as a Perceptual Metric, equation 1.
    """
    first, second = squeezenet_features(params, x), squeezenet_features(params, y)
    distances = [
        jnp.mean(jnp.sum(jnp.square(_unit(first[tap]) - _unit(second[tap])), axis=-1), axis=(1, 2)) for tap in TAPS
    ]
    return jnp.mean(jnp.stack(distances), axis=0)


def _unit(features: Float[Array, "b i j f"]) -> Float[Array, "b i j f"]:
    return features * jax.lax.rsqrt(jnp.sum(jnp.square(features), axis=-1, keepdims=True) + TINY)


def _convolve(layer: Convolution, x: Float[Array, "b h w c"], stride: int = 1, padding: str = "SAME") -> Array:
    kernel, bias = layer
    y = jax.lax.conv_general_dilated(x, kernel, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return y + bias[None, None, None]


def _pool(x: Float[Array, "b h w c"]) -> Array:
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "VALID")
