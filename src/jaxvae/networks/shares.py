"""Sums over the batch, computed by each device over its share of the batch and added up once."""

from collections.abc import Callable
from typing import Any

import jax
from jax import Array, lax
from jax.sharding import AxisType, PartitionSpec

BATCH = "batch"  # The axis of the mesh along which training shards the batch.


def over_shares_of_the_batch(sums: Callable[..., Array]) -> Callable[..., Array]:
    """Returns the function of the same arrays [b, ...] that adds up the sums over the share of each device.

    Left to itself, the compiler adds up each product within `sums` across the devices, however many there are.
    """

    def over_shares(*arrays: Array) -> Array:
        mesh = jax.sharding.get_abstract_mesh()
        automatic = dict(zip(mesh.axis_names, mesh.axis_types, strict=True)).get(BATCH) == AxisType.Auto
        if not automatic or len(arrays[0]) % mesh.shape[BATCH]:
            return sums(*arrays)

        def over_devices(*shares: Array) -> Any:
            return lax.psum(sums(*shares), BATCH)

        split = (PartitionSpec(BATCH),) * len(arrays)
        # Checked, a transposition within `sums` would add up over the devices by itself, and `psum` a second time.
        shared = jax.shard_map(over_devices, mesh=mesh, in_specs=split, out_specs=PartitionSpec(), check_vma=False)
        total: Array = shared(*arrays)
        return total

    return over_shares
