"""The hardware to plan for: TPUs you don't have, a GPU specified by its memory, or this machine's CPU."""

import os
import re
from typing import Any, NamedTuple

import psutil

from jaxvae.errors import UserError

GIB = 2**30
# Memory per device of each generation, in GiB, according to the Google Cloud documentation.
TPU_GIB = {"v2": 8, "v3": 16, "v4": 32, "v5e": 16, "v5p": 95, "v6e": 32}
EXAMPLES = "v5e:2x2, v4:2x2x1, v6e:4x4 (TPUs), gpu:80 (one GPU of 80 GiB) or cpu"


class Target(NamedTuple):
    """Target hardware: `kind` is tpu, gpu or cpu; `memory` is that of one device in bytes.

    Compiling for a GPU requires one: its plan is an estimate from the program for a CPU.
    """

    name: str
    kind: str
    devices: list[Any]
    memory: int


def require_target(name: str) -> None:
    """Raises UserError if there is no such target; needs no JAX."""
    tpu = name.partition(":")[0] in TPU_GIB and re.fullmatch(r"\w+:\d+(x\d+)+", name)
    if name != "cpu" and not tpu and not re.fullmatch(r"gpu:\d+", name):
        raise UserError(f"unknown --target {name!r}; examples are {EXAMPLES}.")


def find_target(name: str) -> Target:
    """Returns the target with a name such as v5e:2x2, gpu:80 or cpu.

    Raises:
        UserError: if the target is unknown, or libtpu is missing or in use.
    """
    require_target(name)

    import jax

    if name == "cpu":
        return Target(name, "cpu", jax.devices("cpu"), psutil.virtual_memory().total)
    if (gpu := re.fullmatch(r"gpu:(\d+)", name)) is not None:
        return Target(name, "gpu", jax.devices("cpu")[:1], int(gpu[1]) * GIB)
    generation = name.partition(":")[0]
    return Target(name, "tpu", _tpus(name), TPU_GIB[generation] * GIB)


def _tpus(name: str) -> list[Any]:
    from jax.experimental import topologies

    # Keep libtpu from looking for a local TPU or querying Google Cloud for its type.
    os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
    os.environ.setdefault("TPU_WORKER_HOSTNAMES", "localhost")
    os.environ.setdefault("TPU_ACCELERATOR_TYPE", name.partition(":")[0])
    os.environ.setdefault("TPU_MIN_LOG_LEVEL", "3")
    try:
        return list(topologies.get_topology_desc(platform="tpu", topology_name=name).devices)
    except Exception as error:  # JAX raises various exceptions here; only the message tells them apart.
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        if "libtpu" in reason and "lock" not in reason:
            raise UserError(f"planning for TPUs requires libtpu: pip install 'jaxvae[tpu-plan]' ({reason}).") from error
        raise UserError(f"libtpu rejects --target {name!r}: {reason}") from error
