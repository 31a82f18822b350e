"""The processor of this machine, as far as Linux tells."""

import functools
import itertools
import os
import platform
from contextlib import suppress


def described() -> str:
    """Returns the processor's architecture, name and instruction sets."""
    lines = [f"{platform.machine()} {platform.processor()}\n"]
    with suppress(OSError), open("/proc/cpuinfo") as file:
        first = itertools.takewhile(str.strip, file)
        lines += [line for line in first if line.startswith(("model name", "flags", "Features"))]
    return "".join(lines)


@functools.cache
def computes_with_avx512() -> bool:
    """Returns whether XLA computes with AVX-512: the processor has it, and XLA_FLAGS does not limit it to AVX2."""
    return "avx512f" in described().split() and "xla_cpu_max_isa=AVX2" not in os.environ.get("XLA_FLAGS", "")
