"""Which devices train, and what of the state and the batch each holds: one mesh, of one machine or of many.

Each takes its share of every batch. The step is compiled for the whole of it, and the compiler splits it: the numbers
are those of one device to rounding. The state is whole on each, or shared out as well (`devices.fsdp`).
"""

import os
from contextlib import suppress
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxvae.config import DevicesConfig
from jaxvae.errors import UserError
from jaxvae.experiment import Config
from jaxvae.system.processes import cpu_count

PATIENCE = 600  # Seconds.


UNCHOSEN = -1  # JAX's default.


SMALLEST_SHARE = 8  # Pictures of a batch that are worth a device of their own.


SMALLEST_SHARED = 2**10  # Numbers of an array that are worth sharing out.


class Placement(NamedTuple):
    """Where things lie: `whole` on every device, or `split` [s, b, ...] by the pictures b of each of s batches."""

    mesh: Mesh
    whole: NamedSharding
    split: NamedSharding
    fsdp: bool

    def of(self, shapes: Any) -> Any:
        """The shapes from `jax.eval_shape` with the sharding of each array of the state.

        Fully sharded, an array is cut along its longest axis that the devices divide (Rajbhandari et al. 2020, stage
        3); small ones stay whole.
        """
        return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=self._of(leaf)), shapes)

    def laid(self, state: Any) -> Any:
        """The state, inside a compiled function, held to those shardings."""
        return jax.tree.map(lambda leaf: jax.lax.with_sharding_constraint(leaf, self._of(leaf)), state)

    def _of(self, leaf: Any) -> NamedSharding:
        count = self.mesh.size
        axes = [axis for axis, size in enumerate(leaf.shape) if size % count == 0]
        if not self.fsdp or leaf.size < SMALLEST_SHARED or not axes:
            return self.whole
        longest = max(axes, key=lambda axis: leaf.shape[axis])
        return NamedSharding(self.mesh, PartitionSpec(*(None,) * longest, "batch"))


def share_cores(config: Config) -> None:
    """On a CPU, makes a device of each core for a convolutional model, unless the user has chosen how many there are.

    XLA keeps several cores busier with a share of the batch each than with every operation shared out. Dense
    networks are too small for that. Must be called before JAX looks for its devices; later it changes nothing.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    by_flag = "xla_force_host_platform_device_count" in flags
    if not config.model.convolutional or by_flag or jax.config.values["jax_num_cpu_devices"] != UNCHOSEN:
        return
    # One device waits for the other where gradients are added, and XLA ends the process after 40 seconds of it: on a
    # machine that is busy with other things that can be too few.
    if "xla_cpu_collective_call_terminate_timeout_seconds" not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_collective_call_terminate_timeout_seconds={PATIENCE}".strip()
    with suppress(RuntimeError):  # The devices are known already.
        jax.config.update("jax_num_cpu_devices", cpu_count())


def place(config: Config, devices: DevicesConfig = DevicesConfig()) -> Placement:
    """The devices that `devices` and the batch allow; of several processes, those of all."""
    return over(_chosen(config.train.batch_size, devices), config, devices)


def over(chosen: list[jax.Device], config: Config, devices: DevicesConfig) -> Placement:
    """The placement on these devices; `UserError` where a batch cannot be cut as asked."""
    if devices.accumulate > 1 and not config.objective.per_example:
        raise UserError(
            f"devices.accumulate is {devices.accumulate}, but must be 1 for objective {config.objective.kind!r} with "
            "these settings, whose value is of the whole batch."
        )
    size, parts = config.train.batch_size, len(chosen) * devices.accumulate
    if size % parts:
        why = f"{len(chosen)} devices, and devices.accumulate {devices.accumulate}"
        raise UserError(f"train.batch_size is {size}, but must be a multiple of {parts}: {why}.")
    mesh = Mesh(np.asarray(chosen), ("batch",), axis_types=(AxisType.Auto,))
    split = NamedSharding(mesh, PartitionSpec(None, "batch"))
    return Placement(mesh, NamedSharding(mesh, PartitionSpec()), split, devices.fsdp)


def _chosen(batch_size: int, devices: DevicesConfig) -> list[jax.Device]:
    # By process, so that the rows of each are one stretch of the batch.
    there = sorted(jax.devices(), key=lambda device: (device.process_index, device.id))
    if jax.process_count() > 1:
        if devices.count is not None:
            raise UserError(f"devices.count is {devices.count}, but several processes train on all of theirs.")
        return there
    if devices.count is not None:
        return counted(there, devices.count)
    most = max(1, min(len(there), batch_size // SMALLEST_SHARE))
    fitting = (count for count in range(most, 1, -1) if batch_size % (count * devices.accumulate) == 0)
    return there[: next(fitting, 1)]


def counted(there: list[Any], count: int | None) -> list[Any]:
    """The first so many of the devices, or all of them; `UserError` where there are fewer."""
    if count is not None and count > len(there):
        raise UserError(
            f"devices.count is {count}, but there are {len(there)} here; JAX_NUM_CPU_DEVICES makes several of a CPU."
        )
    return there[:count]


def rows_here(place: Placement, batch_size: int) -> slice:
    """Which pictures of a batch the devices of this process hold."""
    held = place.split.addressable_devices_indices_map((1, batch_size)).values()
    bounds = [index[1].indices(batch_size) for index in held if index is not None]
    return slice(min(start for start, *_ in bounds), max(stop for _, stop, *_ in bounds))


def spread(sharding: NamedSharding, here: np.ndarray, shape: tuple[int, ...]) -> Array:
    """The array of `shape` of which this process holds the part `here`."""
    return jax.make_array_from_process_local_data(sharding, here, shape)


def everywhere(place: Placement, tree: Any) -> Any:
    """Arrays that every process has computed alike, as arrays of all devices: only such can be saved together."""
    return jax.tree.map(lambda leaf: spread(place.whole, np.asarray(leaf), np.shape(leaf)), tree)


def one_copy(place: Placement, tree: Any) -> Any:
    """The tree whole, as arrays of this process's first device: what works on one would otherwise run on all."""
    if place.fsdp:
        tree = jax.jit(lambda tree: tree, out_shardings=place.whole)(tree)
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)
