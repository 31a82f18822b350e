"""Which devices train: each holds a copy of the state and takes its share of every batch.

The step is compiled for the whole batch, and the compiler splits it: the numbers are those of one device to rounding.
"""

import os
from contextlib import suppress
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxvae.config import Config
from jaxvae.cores import cores

UNCHOSEN = -1  # JAX's default.
SMALLEST_SHARE = 8  # Pictures of a batch that are worth a device of their own.


class Placement(NamedTuple):
    """Where things lie: `whole` on every device, or `split` [s, b, ...] by the pictures b of each of s batches."""

    whole: NamedSharding
    split: NamedSharding


def share_cores(config: Config) -> None:
    """On a CPU, makes a device of each core for a convolutional model, unless the user has chosen how many there are.

    XLA keeps several cores busier with a share of the batch each than with each operation shared out. Dense networks
    are too small for that. Must be called before JAX looks for its devices; later it changes nothing.
    """
    by_flag = "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", "")
    if config.model.network != "conv" or by_flag or jax.config.values["jax_num_cpu_devices"] != UNCHOSEN:
        return
    with suppress(RuntimeError):  # The devices are known already.
        jax.config.update("jax_num_cpu_devices", cores())


def place(config: Config) -> Placement:
    """All local devices, or as many as divide the batch."""
    devices, batch_size = jax.local_devices(), config.train.batch_size
    most = max(1, min(len(devices), batch_size // SMALLEST_SHARE))
    count = next(each for each in range(most, 0, -1) if batch_size % each == 0)
    mesh = Mesh(np.asarray(devices[:count]), ("batch",), axis_types=(AxisType.Auto,))
    return Placement(NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec(None, "batch")))


def one_copy(tree: Any) -> Any:
    """What lies whole on every device, as arrays of the first: commands on one device would otherwise run on all."""
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)
