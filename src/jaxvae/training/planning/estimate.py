"""What a train step takes on hardware that need not be there, from its compiled program; nothing is run."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import jax
import numpy as np

from jaxvae.config import DevicesConfig
from jaxvae.experiment import Config
from jaxvae.training.planning.program import Exchange, exchanges, state_shapes, traced
from jaxvae.training.planning.target import Target
from jaxvae.training.sharding import Placement, counted, over

FURTHER = 16  # The second batch that is compiled to see how memory grows, as a multiple of the first.


TRIES = 4


class Estimate(NamedTuple):
    """Bytes are of one device; `flops` those of one step on all devices together.

    `state` is what stays between steps, `temporary` what a step takes beside it, batch and program included.
    """

    batch_size: int
    state: int
    temporary: int
    flops: float
    exchanges: list[Exchange]

    @property
    def total(self) -> int:
        """The memory of one device at the peak of a step, in bytes."""
        return self.state + self.temporary


def estimate(
    config: Config, shape: tuple[int, int, int], pictures: int, target: Target, devices: DevicesConfig
) -> Estimate | None:
    """Compiles the train step for the target; None where the compiler finds that it does not fit."""
    placement = over(counted(target.devices, devices.count), config, devices)
    program = traced(config, shape, pictures, placement, devices).lower()
    try:
        compiled = program.compile()
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" in str(error):
            return None
        raise
    memory = compiled.memory_analysis()
    state = _held(config, shape, placement)
    peak = memory.argument_size_in_bytes + memory.output_size_in_bytes - memory.alias_size_in_bytes
    peak += memory.temp_size_in_bytes + memory.generated_code_size_in_bytes
    return Estimate(
        batch_size=config.train.batch_size,
        state=state,
        temporary=peak - state,
        flops=_flops(config, shape, pictures, target),
        exchanges=exchanges(compiled.as_text()),
    )


def largest(
    config: Config,
    shape: tuple[int, int, int],
    pictures: int,
    target: Target,
    devices: DevicesConfig,
    first: Estimate,
    say: Callable[[str], None],
) -> int:
    """The largest batch found to fit: where memory would be full if it grew as between two batches, then compiled.

    Where the compiler refuses that, a tenth less, and so on.
    """
    parts = len(counted(target.devices, devices.count)) * devices.accumulate

    def compiled(size: int) -> Estimate | None:
        say(f"compiling for a batch of {size}")
        changed = replace(config, train=replace(config.train, batch_size=size))
        found = estimate(changed, shape, pictures, target, devices)
        return found if found is not None and found.total <= target.memory else None

    second = compiled(FURTHER * first.batch_size)
    fits, size = first, FURTHER * first.batch_size
    if second is not None:
        fits = second
        slope = (second.total - first.total) / (second.batch_size - first.batch_size)
        size = int(second.batch_size + (target.memory - second.total) / max(slope, 1.0))
    for _ in range(TRIES):
        size = size // parts * parts if second is not None else size // 2 // parts * parts
        if size <= fits.batch_size:
            break
        if (found := compiled(size)) is not None:
            return found.batch_size
        size = int(0.9 * size)
    return fits.batch_size


def _held(config: Config, shape: tuple[int, int, int], placement: Placement) -> int:
    """Bytes of the state on one device."""
    leaves = jax.tree.leaves(placement.of(state_shapes(config, shape)))
    numbers = [(leaf, np.prod(leaf.sharding.shard_shape(leaf.shape), dtype=np.int64)) for leaf in leaves]
    return int(sum(count * leaf.dtype.itemsize for leaf, count in numbers))


def _flops(config: Config, shape: tuple[int, int, int], pictures: int, target: Target) -> float:
    """Of the whole step, in one part on one device: a compiled program tells of its own device, and of a loop once."""
    whole = DevicesConfig()
    program = traced(config, shape, pictures, over(jax.devices("cpu")[:1], config, whole), whole)
    platform = {"tpu": "tpu", "gpu": "cuda", "cpu": "cpu"}[target.kind]
    return float(program.lower(lowering_platforms=(platform,)).cost_analysis()["flops"])
