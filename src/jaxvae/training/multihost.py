"""Multi-process training: initialise JAX, agree on decisions, write from process 0 only.

Each process runs the same program on its own devices. All of them compute metrics, samples and fitted priors; only
process 0 writes logs and images. Checkpoints are written by all processes.
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
    """Connects to the other processes, if there are any; must be called before JAX initialises its devices.

    Raises:
        UserError: if the processes do not connect in time.
    """
    try:
        if devices.coordinator is not None:
            jax.distributed.initialize(devices.coordinator, devices.processes, devices.process)
        elif _is_multi_process():
            jax.distributed.initialize()
    except (RuntimeError, ValueError, OSError, ImportError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise UserError(
            f"the training processes failed to connect ({reason}); check --devices.coordinator, --devices.processes "
            "and --devices.process. On a single-machine TPU, set TPU_SKIP_MDS_QUERY=1 to skip the search for others."
        ) from error


def _is_multi_process() -> bool:
    """Whether Slurm or Cloud TPU started several processes; JAX then detects the details.

    A Slurm script that calls the program without `srun` runs it once, however many tasks were allocated.
    """
    by_slurm = int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1
    tpu_hosts = os.environ.get("TPU_WORKER_HOSTNAMES", "").split(",")
    return by_slurm or len(tpu_hosts) > 1 or _on_cloud_tpu()


def _on_cloud_tpu() -> bool:
    chips = any(Path(device).exists() for device in ("/dev/accel0", "/dev/vfio/0"))
    return chips and find_spec("libtpu") is not None and "TPU_SKIP_MDS_QUERY" not in os.environ


def is_first() -> bool:
    """Whether this is process 0, the one that writes."""
    return jax.process_index() == 0


def wait_for_all(what: str) -> None:
    """Blocks until every process has reached this point; `what` names the barrier."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(what)


def first_then_others(make: Callable[[], T]) -> T:
    """Calls `make` in process 0 first, then in the others, which find its files if the disk is shared."""
    if not is_first():
        wait_for_all("made")
    result = make()
    if is_first():
        wait_for_all("made")
    return result


def any_process(flag: bool) -> bool:
    """Whether the flag is True in any process."""
    if jax.process_count() == 1:
        return flag
    return bool(np.any(multihost_utils.process_allgather(np.asarray(flag))))


def broadcast_from_first(value: float) -> float:
    """Returns the value of process 0 in every process: decisions based on it must not differ by rounding errors."""
    if jax.process_count() == 1:
        return value
    return float(multihost_utils.broadcast_one_to_all(np.asarray(value, np.float64)))
