"""The train step as a compiled program that is looked at rather than run: what it takes, and what crosses devices."""

import re
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxvae.config import DevicesConfig
from jaxvae.experiment import Config
from jaxvae.models import build
from jaxvae.training.sharding import Placement
from jaxvae.training.state import TrainState, init_state, split_root
from jaxvae.training.step import build_train_step, compile_step


class Exchange(NamedTuple):
    """What crosses between devices at one place of a program, in bytes, and whether that lies within a loop."""

    kind: str
    size: int
    in_loop: bool


def state_shapes(config: Config, shape: tuple[int, int, int]) -> TrainState:
    """The shapes of the train state for pictures of this height, width and number of channels."""
    vae = build(config.model, shape)
    return jax.eval_shape(lambda: init_state(split_root(0), vae, config.train))


def traced(
    config: Config, shape: tuple[int, int, int], pictures: int, placement: Placement, devices: DevicesConfig
) -> Any:
    """One train step, as the loop runs it, for a set of so many pictures; `.lower().compile()` makes the program."""
    vae, size = build(config.model, shape), config.train.batch_size
    state = placement.of(state_shapes(config, shape))
    batch = jax.ShapeDtypeStruct((1, size, *shape), jnp.uint8, sharding=placement.split)
    train_step = build_train_step(vae, config, pictures, devices, placement.mesh)
    return compile_step(train_step, placement).trace(state, batch)


KINDS = "all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute|collective-broadcast"


_EXCHANGE = re.compile(rf" = (?P<result>\S.*?) (?P<kind>{KINDS})(?P<starts>-start)?\(")


_ARRAY = re.compile(r"([a-z]+)(\d*)\w*\[([\d,]*)\]")


_BLOCK = re.compile(r"^(?:ENTRY )?%?([\w.\-]+) .*\{$")


def exchanges(text: str) -> list[Exchange]:
    """All exchanges in a program, given as the text of `compiled.as_text()`."""
    bodies, found, block = set(re.findall(r"body=%?([\w.\-]+)", text)), [], ""
    for line in text.splitlines():
        if (begins := _BLOCK.match(line)) is not None:
            block = begins[1]
        elif (match := _EXCHANGE.search(line)) is not None:
            sizes = [_bytes(*array) for array in _ARRAY.findall(match["result"])]
            # What a gather or permutation starts with has its operands in the result as well.
            whole = max(sizes) if match["starts"] and match["kind"] != "all-reduce" else sum(sizes)
            found.append(Exchange(match["kind"], whole, block in bodies))
    return found


def _bytes(kind: str, bits: str, dimensions: str) -> int:
    """The size of an array such as f32[3,4]; `pred` has no width in its name, and takes a byte."""
    return int(np.prod([int(each) for each in dimensions.split(",") if each], dtype=np.int64)) * max(
        1, int(bits or 8) // 8
    )
