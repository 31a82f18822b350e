"""Memory, FLOPs and communication of a train step, from its compiled program; nothing is run."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import NamedTuple

import jax
import numpy as np

from jaxvae.config import DevicesConfig
from jaxvae.experiment import Config
from jaxvae.networks.loops import as_on_accelerators
from jaxvae.training.planning.loops import repeated_flops
from jaxvae.training.planning.program import Exchange, find_exchanges, state_shapes, trace_step
from jaxvae.training.planning.target import Target
from jaxvae.training.sharding import Placement, counted, over

SECOND_BATCH_FACTOR = 16  # Size of the second batch compiled to measure how memory grows, relative to the first.
MAX_TRIES = 4


class Estimate(NamedTuple):
    """Resources of a train step: bytes per device, and `flops` per step summed over all devices.

    `state` is kept between steps; `temporary` is what a step needs in addition, including the batch and the program.
    """

    batch_size: int
    state: int
    temporary: int
    flops: float
    exchanges: list[Exchange]

    @property
    def total(self) -> int:
        """Peak memory per device, in bytes."""
        return self.state + self.temporary


def estimate(
    config: Config, shape: tuple[int, int, int], count: int, target: Target, devices: DevicesConfig
) -> Estimate | None:
    """Compiles the train step for the target; returns None if the compiler finds that it does not fit.

    Args:
        config: config of the run.
        shape: height, width and channels of the images.
        count: number of training images.
        target: the hardware to compile for.
        devices: config of the devices.
    """
    placement = over(counted(target.devices, devices.count), config, devices)
    with as_on_accelerators() if target.kind == "gpu" else nullcontext():
        traced = trace_step(config, shape, count, placement, devices)
    try:
        compiled = traced.lower().compile()
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" in str(error):
            return None
        raise
    memory = compiled.memory_analysis()
    state = _state_bytes(config, shape, placement)
    peak = memory.argument_size_in_bytes + memory.output_size_in_bytes - memory.alias_size_in_bytes
    peak += memory.temp_size_in_bytes + memory.generated_code_size_in_bytes
    return Estimate(
        batch_size=config.train.batch_size,
        state=state,
        temporary=peak - state,
        flops=_flops(config, shape, count, target),
        exchanges=find_exchanges(compiled.as_text()),
    )


def largest_batch(
    config: Config,
    shape: tuple[int, int, int],
    count: int,
    target: Target,
    devices: DevicesConfig,
    first: Estimate,
    say: Callable[[str], None],
) -> int:
    """Searches for the largest batch size that fits, by extrapolating memory linearly from two sizes and compiling.

    If the extrapolated size does not fit, it is reduced by a tenth, up to MAX_TRIES times.

    Args:
        config: config of the run.
        shape: height, width and channels of the images.
        count: number of training images.
        target: the hardware to compile for.
        devices: config of the devices.
        first: the estimate for a first batch size, which fits.
        say: prints a progress message.
    """
    parts = len(counted(target.devices, devices.count)) * devices.accumulate

    def estimate_fitting(size: int) -> Estimate | None:
        say(f"compiling for a batch of {size}")
        resized = replace(config, train=replace(config.train, batch_size=size))
        found = estimate(resized, shape, count, target, devices)
        return found if found is not None and found.total <= target.memory else None

    second = estimate_fitting(SECOND_BATCH_FACTOR * first.batch_size)
    fits, size = first, SECOND_BATCH_FACTOR * first.batch_size
    if second is not None:
        fits = second
        slope = (second.total - first.total) / (second.batch_size - first.batch_size)
        size = int(second.batch_size + (target.memory - second.total) / max(slope, 1.0))
    for _ in range(MAX_TRIES):
        size = size // parts * parts if second is not None else size // 2 // parts * parts
        if size <= fits.batch_size:
            break
        if (found := estimate_fitting(size)) is not None:
            return found.batch_size
        size = int(0.9 * size)
    return fits.batch_size


def _state_bytes(config: Config, shape: tuple[int, int, int], placement: Placement) -> int:
    """Returns the size of the state on one device, in bytes."""
    leaves = jax.tree.leaves(placement.of(state_shapes(config, shape)))
    counts = [(leaf, np.prod(leaf.sharding.shard_shape(leaf.shape), dtype=np.int64)) for leaf in leaves]
    return int(sum(count * leaf.dtype.itemsize for leaf, count in counts))


def _flops(config: Config, shape: tuple[int, int, int], count: int, target: Target) -> float:
    """Returns the FLOPs of the whole step, lowered for one device without accumulation.

    The cost analysis of a compiled program covers only its own device.
    """
    single = DevicesConfig()
    program = trace_step(config, shape, count, over(jax.devices("cpu")[:1], config, single), single)
    platform = {"tpu": "tpu", "gpu": "cuda", "cpu": "cpu"}[target.kind]
    once = float(program.lower(lowering_platforms=(platform,)).cost_analysis()["flops"])
    return once + repeated_flops(program.jaxpr.jaxpr, platform)
