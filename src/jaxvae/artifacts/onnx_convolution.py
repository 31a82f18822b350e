"""Convolutions and pooling in ONNX, which wants channels first."""

from typing import Any

import numpy as np

from jaxvae.artifacts.onnx_graph import Graph, Shape, UntranslatableError, Value, constant


def convolve(graph: Graph, inputs: list[Value], shape: Shape, p: dict[str, Any]) -> Value:
    """Translates `conv_general_dilated`; one that dilates its input is a transposed convolution."""
    x, kernel = graph.expand(inputs[0], symbolic=False), graph.expand(inputs[1])
    numbers, groups = p["dimension_numbers"], p["feature_group_count"]
    if p["batch_group_count"] != 1 or kernel.constant is None:
        raise UntranslatableError("a convolution whose kernel is not a parameter")
    x, weight = permute(graph, x, numbers.lhs_spec), kernel.constant.transpose(numbers.rhs_spec)
    to_last = np.argsort(numbers.out_spec).tolist()
    first = tuple(shape[axis] for axis in numbers.out_spec)
    stored, (low, high) = (x.stored[0], *first[1:]), zip(*p["padding"], strict=True)
    if all(step == 1 for step in p["lhs_dilation"]):
        if min(*low, *high) < 0:
            raise UntranslatableError("a convolution that crops its input")
        y = graph.add(
            "Conv", [x, constant(weight)], first, stored, strides=list(p["window_strides"]), pads=[*low, *high],
            dilations=list(p["rhs_dilation"]), group=groups,
        )  # fmt: skip
        return permute(graph, y, to_last)
    # The adjoint of a convolution: its kernel is turned by half a turn, and takes output for input.
    reach = [(side - 1) * step for side, step in zip(weight.shape[2:], p["rhs_dilation"], strict=True)]
    pads = [
        *(r - each for r, each in zip(reach, low, strict=True)),
        *(r - each for r, each in zip(reach, high, strict=True)),
    ]
    if groups != 1 or min(pads) < 0 or any(step != 1 for step in p["window_strides"]):
        raise UntranslatableError("a transposed convolution with groups, strides or wide padding")
    turned = np.flip(weight, tuple(range(2, weight.ndim))).swapaxes(0, 1)
    y = graph.add(
        "ConvTranspose", [x, constant(turned)], first, stored, strides=list(p["lhs_dilation"]), pads=pads,
        dilations=list(p["rhs_dilation"]),
    )  # fmt: skip
    return permute(graph, y, to_last)


def pool_max(graph: Graph, inputs: list[Value], shape: Shape, p: dict[str, Any]) -> Value:
    """Translates `reduce_window_max`."""
    return _pool(graph, "MaxPool", inputs[0], shape, p)


def pool_sum(graph: Graph, inputs: list[Value], shape: Shape, p: dict[str, Any]) -> Value:
    """Translates `reduce_window_sum`: the mean over each window, zeros around the map included, times its size."""
    mean = _pool(graph, "AveragePool", inputs[0], shape, p, count_include_pad=1)
    size = np.full((1,) * len(shape), np.prod(p["window_dimensions"]), np.float32)
    return graph.add("Mul", [mean, constant(size)], shape, mean.stored)


def _pool(graph: Graph, op: str, x: Value, shape: Shape, p: dict[str, Any], **attributes: Any) -> Value:
    window, strides, padding = p["window_dimensions"], p["window_strides"], p["padding"]
    dilated = any(step != 1 for step in (*p["base_dilation"], *p["window_dilation"]))
    if window[0] != 1 or window[-1] != 1 or strides[0] != 1 or strides[-1] != 1 or dilated or len(shape) < 3:
        raise UntranslatableError("a pooling over other axes than height and width")
    axes = (0, len(shape) - 1, *range(1, len(shape) - 1))
    x = permute(graph, graph.expand(x, symbolic=False), axes)
    low, high = zip(*padding[1:-1], strict=True)
    first = tuple(shape[axis] for axis in axes)
    y = graph.add(
        op, [x], first, (x.stored[0], *first[1:]), kernel_shape=list(window[1:-1]), strides=list(strides[1:-1]),
        pads=[*low, *high], **attributes,
    )  # fmt: skip
    return permute(graph, y, np.argsort(axes).tolist())


def permute(graph: Graph, x: Value, axes: Any) -> Value:
    """Returns a value with its axes in another order."""
    axes = [int(axis) for axis in axes]
    if axes == sorted(axes):
        return x
    shape, stored = (tuple(each[axis] for axis in axes) for each in (x.shape, x.stored))
    if x.constant is not None:
        return Value(shape, stored, "", x.constant.transpose(axes))
    return graph.add("Transpose", [x], shape, stored, perm=axes)
