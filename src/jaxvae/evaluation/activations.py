"""The largest activations of a network, against the range of half precision.

A network that was trained in float32 or bfloat16 may be used in float16 by others, whose numbers end at 65 504: beyond
them activations become infinite, and images NaN, as with the autoencoder of Stable Diffusion XL.
"""

from collections.abc import Callable
from operator import itemgetter
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.extend.core import ClosedJaxpr, Literal

from jaxvae.called_programs import called_program

FLOAT16_MAX = 65_504.0
AT_ONCE = 8  # Images.

# What a network stores between its layers. The squares inside a normalization are left out: PyTorch and Flax compute
# these in float32. Of branches and loops the results count.
STORED = ("conv_general_dilated", "dot_general", "add", "cond", "scan", "while")


def largest_activation(function: Callable[[Any], Any], inputs: Any) -> float:
    """Returns the largest absolute value among the convolutions, matrix products and sums of arrays in a function.

    Args:
        function: of a batch.
        inputs: arrays [n, ...], in any pytree, that the function sees in batches of 8.
    """

    def largest(batch: Any) -> Array:
        found: list[Array] = []
        _run(jax.make_jaxpr(function)(batch), jax.tree.leaves(batch), found)
        return jnp.max(jnp.stack([jnp.max(jnp.abs(each)).astype(jnp.float32) for each in found]))

    compiled, n = jax.jit(largest), len(jax.tree.leaves(inputs)[0])
    rows = [itemgetter(slice(start, start + AT_ONCE)) for start in range(0, n, AT_ONCE)]
    return max(float(compiled(jax.tree.map(batch, inputs))) for batch in rows)


def _run(program: ClosedJaxpr, inputs: Any, found: list[Array]) -> list[Any]:
    """Computes a program step by step, and adds what it stores to `found`."""
    known: dict[Any, Any] = dict(zip(program.jaxpr.constvars, program.consts, strict=True))
    known |= dict(zip(program.jaxpr.invars, inputs, strict=True))

    def value(variable: Any) -> Any:
        return variable.val if isinstance(variable, Literal) else known[variable]

    for step in program.jaxpr.eqns:
        entering, inner = [value(variable) for variable in step.invars], called_program(step)
        if inner is not None:
            outputs = _run(inner, entering, found)
        else:
            bound = step.primitive.bind(*entering, **step.params)
            outputs = list(bound) if step.primitive.multiple_results else [bound]
            found += [each for each in outputs if _stores(step) and jnp.issubdtype(each.dtype, jnp.floating)]
        known |= dict(zip(step.outvars, outputs, strict=True))
    return [value(variable) for variable in program.jaxpr.outvars]


def _stores(step: Any) -> bool:
    """Returns whether the results of a step are activations; the sum of an array and a number is none."""
    name = step.primitive.name
    return name in STORED and (name != "add" or not any(isinstance(each, Literal) for each in step.invars))
