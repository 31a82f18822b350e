"""The hardware that a plan is made for: TPUs that are not there, a GPU told by its memory, or this machine's CPU."""

import os
import re
from typing import Any, NamedTuple

import jax
import psutil

from jaxvae.errors import UserError

GIB = 2**30


# Memory of a device of each generation as Google Cloud's documentation states it, in GiB.
TPU_GIB = {"v2": 8, "v3": 16, "v4": 32, "v5e": 16, "v5p": 95, "v6e": 32}


EXAMPLES = "v5e:2x2, v4:2x2x1, v6e:4x4 (TPUs), gpu:80 (one GPU of 80 GiB) or cpu"


class Target(NamedTuple):
    """`kind` is tpu, gpu or cpu; `memory` that of one device in bytes.

    A GPU's program cannot be made without one: its plan is an estimate from the program for a CPU.
    """

    name: str
    kind: str
    devices: list[Any]
    memory: int


def find_target(name: str) -> Target:
    """The target that a user names; `UserError` for one that is unknown, or where libtpu is missing or busy."""
    if name == "cpu":
        return Target(name, "cpu", jax.devices("cpu"), psutil.virtual_memory().total)
    if (gpu := re.fullmatch(r"gpu:(\d+)", name)) is not None:
        return Target(name, "gpu", jax.devices("cpu")[:1], int(gpu[1]) * GIB)
    generation = name.partition(":")[0]
    if generation not in TPU_GIB or not re.fullmatch(r"\w+:\d+(x\d+)+", name):
        raise UserError(f"--target is {name!r}, but must be such as {EXAMPLES}.")
    return Target(name, "tpu", _tpus(name), TPU_GIB[generation] * GIB)


def _tpus(name: str) -> list[Any]:
    from jax.experimental import topologies

    # The program must look for no TPU of this machine's, nor ask Google Cloud which one it is.
    os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
    os.environ.setdefault("TPU_WORKER_HOSTNAMES", "localhost")
    os.environ.setdefault("TPU_ACCELERATOR_TYPE", name.partition(":")[0])
    os.environ.setdefault("TPU_MIN_LOG_LEVEL", "3")
    try:
        return list(topologies.get_topology_desc(platform="tpu", topology_name=name).devices)
    except Exception as error:  # JAX raises many kinds here, of which only the text says what is wrong.
        said = next(iter(str(error).splitlines()), type(error).__name__)
        if "libtpu" in said and "lock" not in said:
            raise UserError(f"a plan for TPUs needs libtpu: pip install 'jaxvae[tpu-plan]' ({said}).") from error
        raise UserError(f"--target is {name!r}, of which libtpu says: {said}") from error
