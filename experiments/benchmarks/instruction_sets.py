"""The instruction sets that rows are measured with: all that the processor has, and AVX2 alone if it has AVX-512.

Most laptops have no AVX-512. XLA's generated code, oneDNN, MKL and PyTorch's own kernels take a limit each. YNNPACK,
which multiplies matrices for XLA, takes none; under the limit XLA is told not to use it and multiplies by oneDNN, with
AVX2 about as fast. Whether the limits take effect is measured before anything else.
"""

import functools
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping

from contest import QUICK, Contestant, Side, on_accelerator, take_turns

from jaxvae.system.processor import described

AVX2_ALONE = {
    "XLA_FLAGS": "--xla_cpu_max_isa=AVX2 --xla_cpu_experimental_ynn_fusion_type=",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
}
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # Of PyTorch; JAX looks at the cores it may use.
SIDE, CHAIN = 512, 40  # Of the matrices, which fit in the cache, and how many are multiplied in a turn.
WITHOUT_EFFECT = 0.85  # AVX2 multiplies half as many numbers at a time.


def instruction_sets() -> dict[str, Mapping[str, str]]:
    """Returns the environment variables that limit a process to each instruction set, by name; none for accelerators.

    Prints how fast each side multiplies matrices with and without the limit, and warns where that is equally fast.
    """
    if on_accelerator():
        return {"": {}}
    found = described().split()
    if "avx512f" not in found:
        return {"AVX2" if "avx2" in found else platform.machine(): {}}
    sides: dict[str, tuple[Callable[[], Side], tuple[str, ...]]] = {
        "JAX": (_jax_products, ()),  # Imported by the contest.
        "PyTorch": (_pytorch_products, ("torch",)),
    }
    contestants = {
        f"{side}, {name}": Contestant(make, ONE_THREAD | environment, imports=imports)
        for side, (make, imports) in sides.items()
        for name, environment in (("AVX-512", {}), ("AVX2", AVX2_ALONE))
    }
    seconds = {name: min(turns) for name, turns in take_turns(contestants, repeats=2 if QUICK else 7).items()}
    speeds = {name: 2 * CHAIN * SIDE**3 / taken / 1e9 for name, taken in seconds.items()}
    print("matrix products on one core, GFLOP/s:", {name: round(speed) for name, speed in speeds.items()}, flush=True)
    for side in sides:
        if speeds[f"{side}, AVX2"] > WITHOUT_EFFECT * speeds[f"{side}, AVX-512"]:
            print(f"{side} multiplies matrices about as fast with AVX2 alone: the limit may have no effect on it")
    return {"AVX-512": {}, "AVX2": AVX2_ALONE}


def limited(contestants: Mapping[str, Contestant], environment: Mapping[str, str]) -> dict[str, Contestant]:
    """Returns the contestants with these environment variables as well."""
    return {
        name: contestant._replace(environment={**contestant.environment, **environment})
        for name, contestant in contestants.items()
    }


def _stay_on_one_core() -> None:
    # All cores together may be held back by the power that they share, most of all with AVX-512.
    if sys.platform == "linux":
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def _jax_products() -> Side:
    _stay_on_one_core()
    import jax
    import jax.numpy as jnp

    matrix = jnp.eye(SIDE)
    chain = jax.jit(lambda matrix: functools.reduce(jnp.matmul, [matrix] * CHAIN))

    def turn() -> float:
        begin = time.perf_counter()
        jax.block_until_ready(chain(matrix))
        return time.perf_counter() - begin

    turn()
    return Side(turn)


def _pytorch_products() -> Side:
    _stay_on_one_core()
    import torch

    matrix = torch.eye(SIDE)

    def turn() -> float:
        begin = time.perf_counter()
        functools.reduce(torch.matmul, [matrix] * CHAIN)
        return time.perf_counter() - begin

    turn()
    return Side(turn)
