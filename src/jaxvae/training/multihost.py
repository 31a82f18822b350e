"""Several processes that train together: finding one another, agreeing, and who of them writes.

Each runs the same program on its own devices. All of them compute what is measured, drawn and fitted; the first alone
writes logs and pictures, and checkpoints are written by all.
"""

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from jaxvae.config import DevicesConfig
from jaxvae.errors import UserError

T = TypeVar("T")


def join(devices: DevicesConfig) -> None:
    """Meets the other processes, where there are any; must be called before JAX looks for its devices.

    Raises `UserError` where they do not meet in time.
    """
    try:
        if devices.coordinator is not None:
            jax.distributed.initialize(devices.coordinator, devices.processes, devices.process)
        elif _is_multi_process():
            jax.distributed.initialize()
    except (RuntimeError, ValueError, OSError, ImportError) as error:
        said = next(iter(str(error).splitlines()), type(error).__name__)
        raise UserError(
            f"the processes that are to train together did not meet ({said}); --devices.coordinator, .processes and "
            ".process name them. On a TPU of one machine TPU_SKIP_MDS_QUERY=1 keeps from looking for others."
        ) from error


def _is_multi_process() -> bool:
    """Whether Slurm or Cloud TPU started this program several times; JAX then finds out the rest.

    A script of Slurm's that calls the program without `srun` runs it once, however many tasks were allotted.
    """
    by_slurm = int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1
    tpu_hosts = os.environ.get("TPU_WORKER_HOSTNAMES", "").split(",")
    return by_slurm or len(tpu_hosts) > 1 or _on_cloud_tpu()


def _on_cloud_tpu() -> bool:
    chips = any(Path(device).exists() for device in ("/dev/accel0", "/dev/vfio/0"))
    return chips and find_spec("libtpu") is not None and "TPU_SKIP_MDS_QUERY" not in os.environ


def is_first() -> bool:
    """Whether this process writes."""
    return jax.process_index() == 0


def wait_for_all(what: str) -> None:
    """Returns once every process has come here."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(what)


def first_then_others(make: Callable[[], T]) -> T:
    """What `make` returns; the first process makes it before the others, who then find it there if disks are shared."""
    if not is_first():
        wait_for_all("made")
    made = make()
    if is_first():
        wait_for_all("made")
    return made


def any_process(here: bool) -> bool:
    """Whether it is so in any process."""
    if jax.process_count() == 1:
        return here
    return bool(np.any(multihost_utils.process_allgather(np.asarray(here))))


def broadcast_from_first(value: float) -> float:
    """The number as the first process has it: decisions that rest on it must not differ by a rounding."""
    if jax.process_count() == 1:
        return value
    return float(multihost_utils.broadcast_one_to_all(np.asarray(value, np.float64)))
