"""Draws the layers of an experiment's encoder and decoder, as the code builds them.

python experiments/studies/network.py experiments/avatars.py experiments/avatars_pooling.py

Each box is a layer's output: as tall as its resolution, as wide as its channels, both on a scale of square roots. The
layers are those that Flax calls while the shapes are computed; nothing is trained or loaded.
"""

from pathlib import Path
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import matplotlib as mpl
import tyro
from flax import linen as nn
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from jaxvae.cli import read_experiment, run_command
from jaxvae.experiment import Config
from jaxvae.models import build

mpl.use("Agg")

CHANNELS_OF_AN_IMAGE = 3
HEIGHT, WIDTH, GAP = 0.35, 0.06, 1.4  # Of a box, per square root of its resolution and of its channels.
IMAGE, ENCODER, CODE, DECODER = "#d9d9d9", "#9ecae1", "#fdd0a2", "#a1d99b"

KINDS = {
    "stride": "convolution\n4×4, stride 2",
    "max_pool": "convolution 3×3,\nmax-pooling",
    "avg_pool": "convolution 3×3,\nmean-pooling",
    "deconv": "deconvolution\n4×4, stride 2",
    "unpool": "unpooling,\nconvolution 3×3",
}
CLASSES = {"Dense": "linear", "Conv": "convolution"}


class Box(NamedTuple):
    """A layer's output, [h, w, c] or [d], and what made it."""

    label: str
    shape: tuple[int, ...]
    colour: str


def network(
    experiments: Annotated[tuple[Path, ...], tyro.conf.Positional],
    out: Path = Path("experiments/pictures/networks.png"),
) -> None:
    """Draws one row of layers per experiment, from image to code to image.

    Args:
        experiments: Experiment files.
        out: The image file to write.
    """
    configs = [read_experiment(path) for path in experiments]
    rows = [boxes(config) for config in configs]
    figure, panels = plt.subplots(len(rows), 1, figsize=(13, 3.0 * len(rows)), layout="constrained", squeeze=False)
    for axes, config, row in zip(panels[:, 0], configs, rows, strict=True):
        draw_row(axes, config, row)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=100)
    print(out)


def boxes(config: Config) -> list[Box]:
    """Returns the layers from an image through the means of its code to what is decoded from them."""
    side = config.data.size or 64
    image = jax.ShapeDtypeStruct((1, side, side, CHANNELS_OF_AN_IMAGE), jnp.float32)
    vae = build(config.model, image.shape[1:])
    params = jax.eval_shape(vae.init, jax.random.key(0))
    posterior, encoder = layers(vae.encode, params, image)
    likelihood, decoder = layers(vae.decode, params, posterior.mean)
    return [
        Box("image", image.shape[1:], IMAGE),
        *(Box(label, shape, ENCODER) for label, shape in encoder[:-1]),
        Box("mean and variance,\nthen a sample", posterior.mean.shape[1:], CODE),
        *(Box(label, shape, DECODER) for label, shape in decoder),
        Box("mean of p(x|z)", likelihood.mean.shape[1:], IMAGE),
    ]


def layers(function: Any, params: Any, value: Any) -> tuple[Any, list[tuple[str, tuple[int, ...]]]]:
    """Returns a function's result, as shapes, and the layers that it calls, with the shapes of their outputs."""
    called: list[tuple[str, tuple[int, ...]]] = []

    def listen(call: Any, args: Any, kwargs: Any, context: Any) -> Any:
        output = call(*args, **kwargs)
        module = context.module
        # Layers of the network itself: its path has one name.
        if context.method_name == "__call__" and len(module.path) == 1:
            called.append((describe(module), output.shape[1:]))
        return output

    with nn.intercept_methods(listen):
        result = jax.eval_shape(function, params, value)
    return result, called


def describe(module: nn.Module) -> str:
    """Returns a layer in the words of the field."""
    if (kind := getattr(module, "kind", None)) in KINDS:
        return KINDS[kind]
    return CLASSES.get(type(module).__name__, type(module).__name__)


def draw_row(axes: Axes, config: Config, row: list[Box]) -> None:
    """Draws the boxes of one experiment from left to right."""
    left = 0.0
    for box in row:
        resolution, channels = (box.shape[0], box.shape[-1]) if len(box.shape) == 3 else (1, box.shape[0])
        height, width = HEIGHT * resolution**0.5, WIDTH * channels**0.5
        middle = left + GAP / 2 + width / 2
        axes.add_patch(
            Rectangle((middle - width / 2, -height / 2), width, height, facecolor=box.colour, edgecolor="#333")
        )
        size = " × ".join(map(str, box.shape))
        axes.text(middle, height / 2 + 0.08, size, ha="center", va="bottom", fontsize=8)
        axes.text(middle, -HEIGHT * 4 - 0.12, box.label, ha="center", va="top", fontsize=7.5)
        left += GAP + width
    axes.set(xlim=(0, left + 0.2), ylim=(-HEIGHT * 4 - 0.7, HEIGHT * 4 + 0.4))
    axes.set_title(config.title, loc="left", fontsize=11)
    axes.axis("off")


if __name__ == "__main__":
    run_command(network, "network", program="python experiments/studies/network.py")
