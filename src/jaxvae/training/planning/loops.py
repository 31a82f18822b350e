"""FLOPs of loops: XLA's cost analysis counts the body of each once, however often it runs."""

from collections.abc import Iterator
from typing import Any

import jax
from jax.extend.core import jaxpr_as_fun


def repeated_flops(jaxpr: Any, platform: str) -> float:
    """Returns the FLOPs of all runs of the scans' bodies but the first, which the cost analysis of the program lacks.

    Args:
        jaxpr: The traced program.
        platform: What it is lowered for, "cpu", "cuda" or "tpu"; only that branch of a choice by platform is counted.
    """
    total = 0.0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "scan":
            body, length = equation.params["jaxpr"], equation.params["length"]
            total += (length - 1) * _flops(body, platform) + length * repeated_flops(body.jaxpr, platform)
        else:
            total += sum(repeated_flops(inner, platform) for inner in _inner(equation, platform))
    return total


def _flops(body: Any, platform: str) -> float:
    program = jax.jit(jaxpr_as_fun(body)).trace(*body.in_avals)
    return float((program.lower(lowering_platforms=(platform,)).cost_analysis() or {}).get("flops", 0.0))


def _inner(equation: Any, platform: str) -> Iterator[Any]:
    """Yields the programs within an equation, those that run on this platform."""
    values = list(equation.params.values())
    if platforms := equation.params.get("branches_platforms"):
        branches = dict(zip(platforms, equation.params["branches"], strict=True))
        named = [branch for names, branch in branches.items() if names and platform in names]
        values = named or [branches[None]]
    for value in values:
        for each in value if isinstance(value, tuple | list) else (value,):
            inner = getattr(each, "jaxpr", each)
            if hasattr(inner, "eqns"):
                yield inner
