"""The ONNX form of each operation of JAX that the models use, by the name of its primitive.

An operation takes the graph, its inputs, the shape of its output, and its parameters as JAX has them.
"""

import math
from collections.abc import Callable
from string import ascii_lowercase
from typing import Any

import numpy as np

from jaxvae.artifacts.onnx_convolution import convolve, permute, pool_max, pool_sum
from jaxvae.artifacts.onnx_graph import (
    Graph,
    Shape,
    UntranslatableError,
    Value,
    combine,
    number,
    onnx_type,
)
from jaxvae.artifacts.onnx_slicing import cut_at, cut_out, gather, pad, reverse, squeeze, update

Parameters = dict[str, Any]
Operation = Callable[[Graph, list[Value], Shape, Parameters], Value]


def _pointwise(*ops: str) -> Operation:
    """Returns operations one after the other; only the first takes several inputs."""

    def translate(graph: Graph, inputs: list[Value], shape: Shape, p: Parameters) -> Value:
        value = combine(graph, ops[0], inputs, shape)
        for op in ops[1:]:
            value = combine(graph, op, [value], shape)
        return value

    return translate


def _same(graph: Graph, inputs: list[Value], shape: Shape, p: Parameters) -> Value:
    return inputs[0]


def _square(graph: Graph, inputs: list[Value], shape: Shape, p: Parameters) -> Value:
    return combine(graph, "Mul", [inputs[0], inputs[0]], shape)


def _power(graph: Graph, inputs: list[Value], shape: Shape, p: Parameters) -> Value:
    if p["y"] == 2:
        return _square(graph, inputs, shape, p)
    return combine(graph, "Pow", [inputs[0], number(p["y"])], shape)


def _log1p(graph: Graph, inputs: list[Value], shape: Shape, p: Parameters) -> Value:
    return combine(graph, "Log", [combine(graph, "Add", [inputs[0], number(1.0)], shape)], shape)


def _expm1(graph: Graph, inputs: list[Value], shape: Shape, p: Parameters) -> Value:
    return combine(graph, "Sub", [combine(graph, "Exp", [inputs[0]], shape), number(1.0)], shape)


def _clamp(graph: Graph, inputs: list[Value], shape: Shape, p: Parameters) -> Value:
    low, x, high = inputs
    return combine(graph, "Min", [combine(graph, "Max", [x, low], shape), high], shape)


def _select(graph: Graph, inputs: list[Value], shape: Shape, p: Parameters) -> Value:
    which, *cases = inputs
    if which.constant is not None and which.constant.size == 1:
        return cases[int(which.constant.item())]
    if len(cases) != 2:
        raise UntranslatableError("a choice among more than two arrays")
    return combine(graph, "Where", [which, cases[1], cases[0]], shape)


def _convert(graph: Graph, inputs: list[Value], shape: Shape, p: Parameters) -> Value:
    return graph.add("Cast", inputs, shape, inputs[0].stored, to=onnx_type(p["new_dtype"]))


def broadcast(graph: Graph, inputs: list[Value], shape: Shape, p: Parameters) -> Value:
    """Places the axes of an array among those of a larger one; it is not expanded before it must be."""
    x, stored = inputs[0], [1] * len(shape)
    for axis, size in zip(p["broadcast_dimensions"], x.stored, strict=True):
        stored[axis] = size
    if x.constant is not None:
        return Value(shape, tuple(stored), "", x.constant.reshape(stored))
    new = [axis for axis in range(len(shape)) if axis not in p["broadcast_dimensions"]]
    if not new:
        return x._replace(shape=shape)
    return graph.add("Unsqueeze", [x, graph.integers(new)], shape, tuple(stored))


def _reshape(graph: Graph, inputs: list[Value], shape: Shape, p: Parameters) -> Value:
    sizes = [size if isinstance(size, int) else -1 for size in shape]
    if sizes.count(-1) > 1:
        raise UntranslatableError("an array with two axes that depend on the batch")
    return graph.add("Reshape", [graph.expand(inputs[0]), graph.integers(sizes)], shape)


def _transpose(graph: Graph, inputs: list[Value], shape: Shape, p: Parameters) -> Value:
    return permute(graph, inputs[0], p["permutation"])


def _concatenate(graph: Graph, inputs: list[Value], shape: Shape, p: Parameters) -> Value:
    return graph.add("Concat", [graph.expand(each) for each in inputs], shape, axis=p["dimension"])


def _stack(graph: Graph, inputs: list[Value], shape: Shape, p: Parameters) -> Value:
    axis = p["axis"]
    one = (*shape[:axis], 1, *shape[axis + 1 :])
    each = [graph.add("Unsqueeze", [graph.expand(x), graph.integers([axis])], one) for x in inputs]
    return graph.add("Concat", each, shape, axis=axis)


def _reduce(op: str) -> Operation:
    def translate(graph: Graph, inputs: list[Value], shape: Shape, p: Parameters) -> Value:
        x, axes = graph.expand(inputs[0], symbolic=False), p["axes"]
        if any(not isinstance(x.shape[axis], int) for axis in axes):
            raise UntranslatableError("a reduction over the batch")
        stored = tuple(size for axis, size in enumerate(x.stored) if axis not in axes)
        return graph.add(op, [x, graph.integers(axes)], shape, stored, keepdims=0)

    return translate


def _dot(graph: Graph, inputs: list[Value], shape: Shape, p: Parameters) -> Value:
    (left_sum, right_sum), (left_batch, right_batch) = p["dimension_numbers"]
    left, right = (graph.expand(each) for each in inputs)
    last = len(left.shape) - 1
    if len(right.shape) == 2 and not left_batch and tuple(left_sum) == (last,):
        matrix = right if tuple(right_sum) == (0,) else permute(graph, right, (1, 0))
        return graph.add("MatMul", [left, matrix], shape)
    letters = iter(ascii_lowercase)
    of_left = [next(letters) for _ in left.shape]
    of_right = [next(letters) for _ in right.shape]
    for mine, its in zip((*left_batch, *left_sum), (*right_batch, *right_sum), strict=True):
        of_right[its] = of_left[mine]
    batch = [of_left[axis] for axis in left_batch]
    free = [each for axis, each in enumerate(of_left) if axis not in (*left_batch, *left_sum)]
    free += [each for axis, each in enumerate(of_right) if axis not in (*right_batch, *right_sum)]
    equation = f"{''.join(of_left)},{''.join(of_right)}->{''.join([*batch, *free])}"
    return graph.add("Einsum", [left, right], shape, equation=equation)


def _batch_size(graph: Graph, inputs: list[Value], shape: Shape, p: Parameters) -> Value:
    size = graph.add("Cast", [graph.dimension(p["dim"])], (1,), to=onnx_type(np.int32))
    return graph.add("Squeeze", [size, graph.integers([0])], ())


def _erfc(graph: Graph, inputs: list[Value], shape: Shape, p: Parameters) -> Value:
    return combine(graph, "Sub", [number(1.0), combine(graph, "Erf", inputs, shape)], shape)


def _is_finite(graph: Graph, inputs: list[Value], shape: Shape, p: Parameters) -> Value:
    return combine(graph, "Less", [combine(graph, "Abs", inputs, shape), number(math.inf)], shape)


def _exp2(graph: Graph, inputs: list[Value], shape: Shape, p: Parameters) -> Value:
    return combine(graph, "Exp", [combine(graph, "Mul", [inputs[0], number(math.log(2.0))], shape)], shape)


OPERATIONS: dict[str, Operation] = {
    "abs": _pointwise("Abs"), "add": _pointwise("Add"), "add_any": _pointwise("Add"), "and": _pointwise("And"),
    "broadcast_in_dim": broadcast, "ceil": _pointwise("Ceil"), "clamp": _clamp, "concatenate": _concatenate,
    "conv_general_dilated": convolve, "convert_element_type": _convert, "copy": _same, "copy_p": _same,
    "cos": _pointwise("Cos"), "dim_as_value": _batch_size, "div": _pointwise("Div"), "dot_general": _dot,
    "dynamic_slice": cut_at, "dynamic_update_slice": update, "eq": _pointwise("Equal"),
    "erf": _pointwise("Erf"), "erfc": _erfc, "exp": _pointwise("Exp"), "exp2": _exp2, "expm1": _expm1,
    "floor": _pointwise("Floor"), "gather": gather, "ge": _pointwise("GreaterOrEqual"), "gt": _pointwise("Greater"),
    "integer_pow": _power, "is_finite": _is_finite, "le": _pointwise("LessOrEqual"), "log": _pointwise("Log"),
    "log1p": _log1p, "logistic": _pointwise("Sigmoid"), "lt": _pointwise("Less"), "max": _pointwise("Max"),
    "min": _pointwise("Min"), "mul": _pointwise("Mul"), "name": _same, "ne": _pointwise("Equal", "Not"),
    "neg": _pointwise("Neg"), "not": _pointwise("Not"), "or": _pointwise("Or"), "pad": pad, "pow": _pointwise("Pow"),
    "reduce_max": _reduce("ReduceMax"), "reduce_min": _reduce("ReduceMin"), "reduce_prod": _reduce("ReduceProd"),
    "reduce_sum": _reduce("ReduceSum"), "reduce_window_max": pool_max, "reduce_window_sum": pool_sum,
    "reshape": _reshape, "rev": reverse, "rsqrt": _pointwise("Sqrt", "Reciprocal"), "select_n": _select,
    "sign": _pointwise("Sign"), "sin": _pointwise("Sin"), "slice": cut_out, "sqrt": _pointwise("Sqrt"),
    "square": _square, "squeeze": squeeze, "stack": _stack, "stop_gradient": _same, "sub": _pointwise("Sub"),
    "tanh": _pointwise("Tanh"), "transpose": _transpose,
}  # fmt: skip
