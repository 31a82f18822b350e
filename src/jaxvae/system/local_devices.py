"""Lays out batches over the devices of this process, for passes over images that train nothing."""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

SMALLEST_SHARE = 8  # Images of a batch that are worth a device of their own.


def worthwhile(available: int, batch_size: int, parts: int = 1) -> int:
    """Returns how many of the available devices to divide a batch among, in equal shares of as many parts each."""
    most = min(available, batch_size // SMALLEST_SHARE)
    return next((count for count in range(most, 1, -1) if batch_size % (count * parts) == 0), 1)


Devices: TypeAlias = Sequence[jax.Device] | None


class LocalLayout(NamedTuple):
    """Shardings over devices of this process: `whole` is replicated, `split` divides a batch [b, ...] along b."""

    whole: NamedSharding
    split: NamedSharding

    def replicated(self, tree: Any) -> Any:
        """Returns the arrays of the tree, whole on each device."""
        return jax.device_put(tree, self.whole)

    def divided(self, batch: np.ndarray) -> jax.Array:
        """Returns the batch [b, ...], a share of it on each device."""
        return jax.device_put(batch, self.split)


def local_layout(batch_size: int, devices: Devices = None) -> LocalLayout:
    """Returns how to lay out batches of this size, and what they are computed with, over these devices (None: all)."""
    there = jax.local_devices() if devices is None else devices
    chosen = np.asarray(there[: worthwhile(len(there), batch_size)])
    mesh = Mesh(chosen, ("images",), axis_types=(AxisType.Auto,))
    return LocalLayout(NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec("images")))
