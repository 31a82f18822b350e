"""Loops over equal steps: scanned on accelerators, unrolled on a CPU.

A loop compiles once and keeps the temporaries of one step only. XLA's CPU backend runs convolutions many times slower
inside a loop, or inside a branch.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

_always_scanned = ContextVar("_always_scanned", default=False)


@contextmanager
def as_on_accelerators() -> Iterator[None]:
    """Within it, what is traced scans on a CPU as well: for the memory that a program needs on a GPU not at hand."""
    token = _always_scanned.set(True)
    try:
        yield
    finally:
        _always_scanned.reset(token)


def one_after_another(step: Callable[[Any, Any], tuple[Any, Any]], carry: Any, inputs: Any) -> tuple[Any, Any]:
    """Returns what `jax.lax.scan` does; the gradient recomputes each step where it is scanned.

    Args:
        step: (carry, one entry of the inputs) -> (carry, result).
        carry: what the first step is given.
        inputs: a pytree of arrays [n, ...].
    """

    def scanned(carry: Any, inputs: Any) -> tuple[Any, Any]:
        return lax.scan(jax.checkpoint(step), carry, inputs)

    def unrolled(carry: Any, inputs: Any) -> tuple[Any, Any]:
        results = []
        for index in range(len(jax.tree.leaves(inputs)[0])):
            carry, result = step(carry, jax.tree.map(lambda leaf, index=index: leaf[index], inputs))
            results.append(result)
        return carry, jax.tree.map(lambda *leaves: jnp.stack(leaves), *results)

    if _always_scanned.get():
        return scanned(carry, inputs)
    ended: tuple[Array, Any] = lax.platform_dependent(carry, inputs, cpu=unrolled, default=scanned)
    return ended
