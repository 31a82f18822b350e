"""The train step as a compiled program, inspected rather than run: its memory and its communication."""

import re
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxvae.config import DevicesConfig
from jaxvae.experiment import Config
from jaxvae.models import build
from jaxvae.training.critic import init_critic
from jaxvae.training.params_check import check_params
from jaxvae.training.sharding import Placement
from jaxvae.training.state import TrainState, init_state, split_root
from jaxvae.training.step import build_train_step, compile_step

EXCHANGE_KINDS = "all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute|collective-broadcast"
_EXCHANGE_LINE = re.compile(rf" = (?P<result>\S.*?) (?P<kind>{EXCHANGE_KINDS})(?P<starts>-start)?\(")
_ARRAY = re.compile(r"([a-z]+)(\d*)\w*\[([\d,]*)\]")
_BLOCK = re.compile(r"^(?:ENTRY )?%?([\w.\-]+) .*\{$")


class Exchange(NamedTuple):
    """One collective operation of a program: its kind, the bytes it transfers, and whether it is inside a loop."""

    kind: str
    size: int
    in_loop: bool


def state_shapes(config: Config, shape: tuple[int, int, int]) -> TrainState:
    """Returns the shapes of the train state for images of this height, width and number of channels."""
    vae = build(config.model, shape)
    config.model.check_training(config.train)
    check_params(vae, config.train)
    config.objective.check_images(shape)
    critic = config.objective.build(1).critic

    def init() -> TrainState:
        keys = split_root(0)
        return init_state(keys, vae, config.train, init_critic(critic, keys.init, shape))

    return jax.eval_shape(init)


def trace_step(
    config: Config, shape: tuple[int, int, int], count: int, placement: Placement, devices: DevicesConfig
) -> Any:
    """Traces one train step as run by the training loop; `.lower().compile()` compiles it.

    Args:
        config: config of the run.
        shape: height, width and channels of the images.
        count: number of training images.
        placement: where state and batch are placed.
        devices: config of the devices.
    """
    vae, size = build(config.model, shape), config.train.batch_size
    state = placement.of(state_shapes(config, shape))
    batch = jax.ShapeDtypeStruct((1, size, *shape), jnp.uint8, sharding=placement.split)
    train_step = build_train_step(vae, config, count, devices, placement.mesh)
    labels = None
    if vae.attributes:
        labels = jax.ShapeDtypeStruct((1, size, len(vae.attributes)), jnp.int16, sharding=placement.split)
    return compile_step(train_step, placement).trace(state, batch, labels)


def find_exchanges(text: str) -> list[Exchange]:
    """Finds all collective operations in a program, given as the text of `compiled.as_text()`."""
    bodies, found, block = set(re.findall(r"body=%?([\w.\-]+)", text)), [], ""
    for line in text.splitlines():
        if (begins := _BLOCK.match(line)) is not None:
            block = begins[1]
        elif (match := _EXCHANGE_LINE.search(line)) is not None:
            sizes = [_bytes(*array) for array in _ARRAY.findall(match["result"])]
            # The result of an asynchronous gather or permutation also contains its operands.
            size = max(sizes) if match["starts"] and match["kind"] != "all-reduce" else sum(sizes)
            found.append(Exchange(match["kind"], size, block in bodies))
    return found


def _bytes(kind: str, bits: str, dimensions: str) -> int:
    """Returns the size in bytes of an array such as f32[3,4]; `pred` has no width in its name and takes one byte."""
    count = np.prod([int(dimension) for dimension in dimensions.split(",") if dimension], dtype=np.int64)
    return int(count) * max(1, int(bits or 8) // 8)
