"""Compilation of programs that run once."""

from collections.abc import Callable
from typing import Any

import jax


def jit_for_one_call(function: Callable[..., Any], **settings: Any) -> Callable[..., Any]:
    """Returns `jax.jit(function, **settings)`, without XLA's optimizations on a CPU.

    Drawing the initial parameters of the default model takes half a second; compiling that takes 7 s, without
    optimizations 3 s. Values may differ in the last bit.
    """
    quick = {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else None
    return jax.jit(function, compiler_options=quick, **settings)
