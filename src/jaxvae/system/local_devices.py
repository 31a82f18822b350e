"""Devices of this process, and how batches are laid out over them in passes over images that train nothing."""

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TypeAlias

import jax
import numpy as np
from jax import Array
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxvae.annotations import ArrayLike
from jaxvae.system.processes import cpu_count

SMALLEST_SHARE = 8  # Images of a batch that are worth a device of their own.
COLLECTIVE_TIMEOUT = 600  # Seconds.
UNCHOSEN = -1  # JAX's default.


def one_device_per_core() -> None:
    """Makes one CPU device per core, unless the user has set the number of devices.

    XLA keeps several cores busier with a share of the batch each than with every operation shared out. Must be called
    before JAX looks for its devices; later it changes nothing.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    by_flag = "xla_force_host_platform_device_count" in flags
    if by_flag or jax.config.values["jax_num_cpu_devices"] != UNCHOSEN:
        return
    # Devices wait for one another where gradients are added, and XLA aborts the process after 40 seconds, which is not
    # enough on a busy machine.
    if "xla_cpu_collective_call_terminate_timeout_seconds" not in flags:
        os.environ["XLA_FLAGS"] = (
            f"{flags} --xla_cpu_collective_call_terminate_timeout_seconds={COLLECTIVE_TIMEOUT}".strip()
        )
    with suppress(RuntimeError):  # JAX has initialised its devices already.
        jax.config.update("jax_num_cpu_devices", cpu_count())


def worthwhile(available: int, batch_size: int, parts: int = 1, samples: int = 1) -> int:
    """Returns how many of the available devices to divide a batch among, in equal shares of as many parts each.

    Args:
        available: number of devices.
        batch_size: images in the batch.
        parts: into how many each share is divided again.
        samples: codes that are decoded for each image. They make a smaller share worth a device.
    """
    most = min(available, batch_size, batch_size * samples // SMALLEST_SHARE)
    return next((count for count in range(most, 1, -1) if batch_size % (count * parts) == 0), 1)


Devices: TypeAlias = Sequence[jax.Device] | None


class LocalLayout(NamedTuple):
    """Shardings over devices of this process: `whole` is replicated, `split` divides a batch [b, ...] along b."""

    whole: NamedSharding
    split: NamedSharding

    def replicated(self, tree: Any) -> Any:
        """Returns the arrays of the tree, whole on each device."""
        return jax.device_put(tree, self.whole)

    def divided(self, batch: ArrayLike) -> Array:
        """Returns the batch [b, ...], a share of it on each device."""
        return jax.device_put(batch, self.split)


def local_layout(batch_size: int, devices: Devices = None, samples: int = 1) -> LocalLayout:
    """Returns how to lay out batches of this size, and what they are computed with, over these devices (None: all).

    `samples` is as for `worthwhile`.
    """
    there = jax.local_devices() if devices is None else devices
    chosen = np.asarray(there[: worthwhile(len(there), batch_size, samples=samples)])
    mesh = Mesh(chosen, ("images",), axis_types=(AxisType.Auto,))
    return LocalLayout(NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec("images")))
