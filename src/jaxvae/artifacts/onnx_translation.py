"""Translates a part of a model from what JAX traces of it to ONNX.

JAX writes a function down as a list of primitive operations (a jaxpr), and most of them have an ONNX form. Functions in
functions are written out, loops over a fixed number of steps unrolled, and of code that depends on the platform the
plain form is taken.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from jaxvae.artifacts.onnx_graph import Graph, UntranslatableError, Value, constant
from jaxvae.artifacts.onnx_operations import OPERATIONS
from jaxvae.artifacts.onnx_slicing import cut, split
from jaxvae.artifacts.parts import Part, trace
from jaxvae.called_programs import called_program
from jaxvae.errors import UserError


def to_onnx(part: Part, kind: str) -> Any:
    """Returns a part as an ONNX model, its parameters inside, for batches of any size.

    Args:
        part: the encoder or decoder.
        kind: of the model, for the message.

    Raises:
        UserError: the part has an operation that has no ONNX form.
    """
    traced, batch = trace(part, kind)
    closed = traced.jaxpr
    graph = Graph(part, batch)
    try:
        outputs = _run(graph, closed, graph.inputs)
        names = sorted(port.name for port in part.outputs)  # A dict of arrays has them in the order of their names.
        return graph.model(dict(zip(names, outputs, strict=True)))
    except UntranslatableError as error:
        raise UserError(
            f"the {part.name} of a model of kind {kind!r} has no ONNX form: it contains {error}; "
            "export it with --as stablehlo."
        ) from error


def _run(graph: Graph, called: ClosedJaxpr | Jaxpr, inputs: list[Value]) -> list[Value]:
    """Adds a function to the graph and returns its outputs."""
    jaxpr, known = (called.jaxpr, called.consts) if isinstance(called, ClosedJaxpr) else (called, [])
    values: dict[Any, Value] = dict(zip(jaxpr.constvars, map(constant, known), strict=True))
    values.update(zip(jaxpr.invars, inputs, strict=True))

    def read(variable: Any) -> Value:
        if isinstance(variable, Literal):
            aval: Any = variable.aval  # Its number may be one of Python's, of no type.
            return constant(np.asarray(variable.val, aval.dtype))
        return values[variable]

    equation: Any
    for equation in jaxpr.eqns:
        shapes = [variable.aval.shape for variable in equation.outvars]
        outputs = _translate(graph, equation, [read(variable) for variable in equation.invars], shapes)
        values.update(zip(equation.outvars, outputs, strict=True))
    return [read(variable) for variable in jaxpr.outvars]


def _translate(graph: Graph, equation: Any, inputs: list[Value], shapes: list[Any]) -> list[Value]:
    name, p = equation.primitive.name, equation.params
    if (called := called_program(equation)) is not None:
        return _run(graph, called, inputs)
    if name == "platform_index":
        return [constant(np.int32(next(i for i, names in enumerate(p["platforms"]) if names is None)))]
    if name == "cond" and inputs[0].constant is not None:
        branch = min(max(int(inputs[0].constant), 0), len(p["branches"]) - 1)
        return _run(graph, p["branches"][branch], inputs[1:])
    if name == "scan":
        return _unroll(graph, inputs, p)
    if name in ("convert_element_type", "reshape", "broadcast_in_dim") and _unchanged(equation):
        return inputs[:1]
    if name not in ("broadcast_in_dim", "dim_as_value") and _is_known(inputs, shapes):
        return _fold(equation, inputs)
    if name == "split":
        return split(graph, inputs[0], shapes, p["axis"])
    if name == "optimization_barrier":
        return inputs
    if name not in OPERATIONS:
        raise UntranslatableError(f"the operation {name!r}")
    return [OPERATIONS[name](graph, inputs, shapes[0], p)]


def _unchanged(equation: Any) -> bool:
    """Returns whether the output is the input; types that are weak or not are the same in ONNX."""
    (into,), (out,) = equation.invars[:1], equation.outvars
    return bool(into.aval.shape == out.aval.shape and into.aval.dtype == out.aval.dtype)


def _is_known(inputs: list[Value], shapes: list[Any]) -> bool:
    fixed = all(isinstance(size, int) for shape in (*shapes, *(each.shape for each in inputs)) for size in shape)
    return fixed and all(each.constant is not None for each in inputs)


def _fold(equation: Any, inputs: list[Value]) -> list[Value]:
    """Computes what depends on parameters alone."""
    arrays = [np.broadcast_to(each.constant, each.shape) for each in inputs if each.constant is not None]
    outputs = equation.primitive.bind(*map(jnp.asarray, arrays), **equation.params)
    return [constant(each) for each in (outputs if equation.primitive.multiple_results else [outputs])]


def _unroll(graph: Graph, inputs: list[Value], p: dict[str, Any]) -> list[Value]:
    """Writes a loop out, step by step."""
    fixed, carried = p["num_consts"], p["num_carry"]
    known, carry, stacked = inputs[:fixed], inputs[fixed : fixed + carried], inputs[fixed + carried :]
    if not isinstance(p["length"], int):
        raise UntranslatableError("a loop over the batch")
    steps: list[list[Value]] = []
    order = range(p["length"] - 1, -1, -1) if p["reverse"] else range(p["length"])
    for step in order:
        found = _run(graph, p["jaxpr"], [*known, *carry, *(_at(graph, each, step) for each in stacked)])
        carry = found[:carried]
        steps.append(found[carried:])
    results = zip(*(steps[::-1] if p["reverse"] else steps), strict=True)
    return [*carry, *(_stacked(graph, list(each)) for each in results)]


def _at(graph: Graph, values: Value, step: int) -> Value:
    """Returns the array of one step."""
    if values.constant is not None:
        return Value(values.shape[1:], values.stored[1:], "", values.constant[min(step, values.stored[0] - 1)])
    part = cut(graph, values, [step] * len(values.shape), (1, *values.shape[1:]))
    return graph.add("Squeeze", [part, graph.integers([0])], part.shape[1:], part.stored[1:])


def _stacked(graph: Graph, values: list[Value]) -> Value:
    shape = (len(values), *values[0].shape)
    return OPERATIONS["stack"](graph, values, shape, {"axis": 0})
