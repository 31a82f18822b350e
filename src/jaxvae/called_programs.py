"""The programs that the steps of a JAX program call: compiled or rematerialised functions, those with own gradients."""

from typing import Any

from jax.extend.core import ClosedJaxpr

# The parameter that holds the program, by the name of the primitive.
CALLS = {"jit": "jaxpr", "pjit": "jaxpr", "closed_call": "call_jaxpr", "core_call": "call_jaxpr", "remat2": "jaxpr",
         "checkpoint": "jaxpr", "custom_jvp_call": "call_jaxpr", "custom_vjp_call": "call_jaxpr",
         "custom_vjp_call_jaxpr": "fun_jaxpr"}  # fmt: skip


def called_program(step: Any) -> ClosedJaxpr | None:
    """Returns the program that a step, of `jaxpr.eqns`, runs on its own inputs; None for any other step."""
    if step.primitive.name not in CALLS:
        return None
    program = step.params[CALLS[step.primitive.name]]
    return program if isinstance(program, ClosedJaxpr) else ClosedJaxpr(program, ())
