"""The instruction sets that rows are measured with: all that the processor has, and AVX2 alone if it has AVX-512.

Most laptops have no AVX-512. XLA's generated code, oneDNN, MKL and PyTorch's own kernels take a limit each. YNNPACK,
which multiplies matrices for XLA, takes none; under the limit XLA is told not to use it and multiplies by oneDNN, with
AVX2 about as fast. Whether the limits take effect is measured before anything else.
"""

import platform
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from contest import Contestant, Side, on_accelerator, take_turns

AVX2_ALONE = {
    "XLA_FLAGS": "--xla_cpu_max_isa=AVX2 --xla_cpu_experimental_ynn_fusion_type=",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
}
SIDE = 1536  # Of the matrices that are multiplied.
WITHOUT_EFFECT = 0.8  # AVX2 multiplies half as many numbers at a time.


def instruction_sets() -> dict[str, Mapping[str, str]]:
    """Returns the environment variables that limit a process to each instruction set, by name; none for accelerators.

    Raises:
        SystemExit: a limit has no effect on one of the sides.
    """
    if on_accelerator():
        return {"": {}}
    found = _flags()
    if "avx512f" not in found:
        return {"AVX2" if "avx2" in found else platform.machine(): {}}
    sides = {"JAX": _jax_products, "PyTorch": _pytorch_products}
    contestants = {
        f"{side}, {name}": Contestant(partial(make), environment)
        for side, make in sides.items()
        for name, environment in (("AVX-512", {}), ("AVX2", AVX2_ALONE))
    }
    seconds = {name: min(turns) for name, turns in take_turns(contestants, repeats=3).items()}
    speeds = {name: 2 * SIDE**3 / taken / 1e9 for name, taken in seconds.items()}
    print("matrix products, GFLOP/s:", {name: round(speed) for name, speed in speeds.items()}, flush=True)
    for side in sides:
        if speeds[f"{side}, AVX2"] > WITHOUT_EFFECT * speeds[f"{side}, AVX-512"]:
            raise SystemExit(f"{side} multiplies matrices as fast with AVX2 alone: the limit has no effect on it")
    return {"AVX-512": {}, "AVX2": AVX2_ALONE}


def limited(contestants: Mapping[str, Contestant], environment: Mapping[str, str]) -> dict[str, Contestant]:
    """Returns the contestants with these environment variables as well."""
    return {
        name: Contestant(contestant.make, {**contestant.environment, **environment})
        for name, contestant in contestants.items()
    }


def _flags() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return set(next((line for line in lines if line.startswith("flags")), "").split())


def _jax_products() -> Side:
    import jax
    import jax.numpy as jnp

    matrix = jnp.ones((SIDE, SIDE))
    product = jax.jit(jnp.matmul)

    def turn() -> float:
        begin = time.perf_counter()
        jax.block_until_ready(product(matrix, matrix))
        return time.perf_counter() - begin

    turn()
    return Side(turn)


def _pytorch_products() -> Side:
    import torch

    matrix = torch.ones(SIDE, SIDE)

    def turn() -> float:
        begin = time.perf_counter()
        torch.matmul(matrix, matrix)
        return time.perf_counter() - begin

    turn()
    return Side(turn)
