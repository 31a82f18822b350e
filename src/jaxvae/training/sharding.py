"""Lays out state and batches on a mesh of devices, of one machine or several.

Each device takes its share of every batch. The step is compiled for the whole batch and partitioned by the compiler, so
the numbers equal those of one device to rounding. The state is replicated, or sharded as well (`devices.fsdp`).
"""

from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxvae.annotations import Tree
from jaxvae.config import DevicesConfig
from jaxvae.errors import UserError
from jaxvae.experiment import Config
from jaxvae.networks.shares import BATCH
from jaxvae.system.local_devices import one_device_per_core, worthwhile

SMALLEST_SHARED = 2**10  # Numbers in an array that is worth sharding.


class Placement(NamedTuple):
    """Shardings: `whole` is replicated, `split` divides [s, b, ...] along the images b of each of s batches."""

    mesh: Mesh
    whole: NamedSharding
    split: NamedSharding
    fsdp: bool

    @property
    def here(self) -> list[jax.Device]:
        """The devices of this process."""
        return [device for device in self.mesh.devices.flat if device.process_index == jax.process_index()]

    def of(self, shapes: Any) -> Any:
        """Returns the shapes from `jax.eval_shape` with the sharding of each array of the state.

        With fully sharded state an array is divided along its longest axis that the device count divides (Rajbhandari
        et al. 2020, stage 3); small ones stay replicated.
        """
        return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=self._of(leaf)), shapes)

    def laid(self, state: Any) -> Any:
        """Constrains the state to those shardings, inside a compiled function."""
        return jax.tree.map(lambda leaf: jax.lax.with_sharding_constraint(leaf, self._of(leaf)), state)

    def replicated(self, metrics: Any) -> Any:
        """Constrains metrics to be whole on every device, inside a compiled function, so that each process has them."""
        return jax.tree.map(lambda leaf: jax.lax.with_sharding_constraint(leaf, self.whole), metrics)

    def _of(self, leaf: Any) -> NamedSharding:
        count = self.mesh.size
        axes = [axis for axis, size in enumerate(leaf.shape) if size % count == 0]
        if not self.fsdp or leaf.size < SMALLEST_SHARED or not axes:
            return self.whole
        longest = max(axes, key=lambda axis: leaf.shape[axis])
        return NamedSharding(self.mesh, PartitionSpec(*(None,) * longest, BATCH))


def share_cores(config: Config) -> None:
    """Makes one CPU device per core for a convolutional model; the train steps of dense ones are too small for that."""
    if config.model.convolutional:
        one_device_per_core()


def place(config: Config, devices: DevicesConfig = DevicesConfig()) -> Placement:
    """Places training on the devices that `devices` and the batch size allow, across all processes."""
    return over(_chosen(config.train.batch_size, devices), config, devices)


def over(chosen: list[jax.Device], config: Config, devices: DevicesConfig) -> Placement:
    """Returns the placement on these devices.

    Raises:
        UserError: the batch size is not a multiple of devices times accumulated parts, or the objective is of the
            whole batch.
    """
    if devices.accumulate > 1 and not config.objective.per_example:
        raise UserError(
            f"devices.accumulate is {devices.accumulate}, but must be 1 for objective {config.objective.kind!r} with "
            "these settings, whose value is of the whole batch."
        )
    size, parts = config.train.batch_size, len(chosen) * devices.accumulate
    if size % parts:
        why = f"{len(chosen)} devices, and devices.accumulate {devices.accumulate}"
        raise UserError(f"train.batch_size is {size}, but must be a multiple of {parts}: {why}.")
    mesh = Mesh(np.asarray(chosen), (BATCH,), axis_types=(AxisType.Auto,))
    split = NamedSharding(mesh, PartitionSpec(None, BATCH))
    return Placement(mesh, NamedSharding(mesh, PartitionSpec()), split, devices.fsdp)


def _chosen(batch_size: int, devices: DevicesConfig) -> list[jax.Device]:
    # Sorted by process, so that each holds a contiguous part of the batch.
    there = sorted(jax.devices(), key=lambda device: (device.process_index, device.id))
    if jax.process_count() > 1:
        if devices.count is not None:
            raise UserError(
                f"devices.count is {devices.count}, but with several processes all devices are used; omit it."
            )
        return there
    if devices.count is not None:
        return counted(there, devices.count)
    return there[: worthwhile(len(there), batch_size, devices.accumulate)]


def counted(there: list[Any], count: int | None) -> list[Any]:
    """Returns the first `count` devices, or all of them.

    Raises:
        UserError: there are fewer.
    """
    if count is not None and count > len(there):
        raise UserError(
            f"devices.count is {count}, but this machine has {len(there)}; JAX_NUM_CPU_DEVICES splits a CPU."
        )
    return there[:count]


def rows_here(place: Placement, batch_size: int) -> slice:
    """Returns which images of a batch the devices of this process hold."""
    held = place.split.addressable_devices_indices_map((1, batch_size)).values()
    bounds = [index[1].indices(batch_size) for index in held if index is not None]
    return slice(min(start for start, *_ in bounds), max(stop for _, stop, *_ in bounds))


def spread(sharding: NamedSharding, here: np.ndarray, shape: tuple[int, ...]) -> Array:
    """Returns the global array of `shape` of which this process holds the part `here`."""
    return jax.make_array_from_process_local_data(sharding, here, shape)


def everywhere(place: Placement, tree: Tree) -> Any:
    """Replicates arrays that every process has computed alike over all devices, as saving them together requires."""
    return jax.tree.map(lambda leaf: spread(place.whole, np.asarray(leaf), np.shape(leaf)), tree)


def one_copy(place: Placement, tree: Tree) -> Any:
    """Returns the whole tree on this process's first device, so that what follows runs on one device only."""
    if place.fsdp:
        tree = jax.jit(lambda tree: tree, out_shardings=place.whole)(tree)
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)
