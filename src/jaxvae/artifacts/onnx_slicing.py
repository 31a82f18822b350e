"""Parts of arrays in ONNX: cut out, put in, turned around and padded."""

from typing import Any

import numpy as np

from jaxvae.artifacts.onnx_graph import Graph, Shape, UntranslatableError, Value, combine, constant, number

Parameters = dict[str, Any]


def cut(graph: Graph, x: Value, starts: Any, shape: Shape, steps: Any = None) -> Value:
    """Returns the part of an array that begins at `starts` and has this shape; whole axes stay as they are."""
    x = graph.expand(x, symbolic=False)
    steps = [1] * len(shape) if steps is None else steps
    cuts = [axis for axis, size in enumerate(shape) if size != x.shape[axis]]
    if any(not isinstance(x.shape[axis], int) for axis in cuts):
        raise UntranslatableError("a part of a batch")
    if not cuts:
        return x
    from_, by = ([int(each[axis]) for axis in cuts] for each in (starts, steps))
    to = [start + (shape[axis] - 1) * step + 1 for axis, start, step in zip(cuts, from_, by, strict=True)]
    stored = tuple(shape[axis] if axis in cuts else size for axis, size in enumerate(x.stored))
    return graph.add("Slice", [x, *map(graph.integers, (from_, to, cuts, by))], shape, stored)


def squeeze(graph: Graph, inputs: list[Value], shape: Shape, p: Parameters) -> Value:
    """Translates `squeeze`."""
    axes, x = p["dimensions"], inputs[0]
    if not axes:  # ONNX would remove every axis of 1.
        return x
    stored = tuple(size for axis, size in enumerate(x.stored) if axis not in axes)
    return graph.add("Squeeze", [x, graph.integers(axes)], shape, stored)


def cut_out(graph: Graph, inputs: list[Value], shape: Shape, p: Parameters) -> Value:
    """Translates `slice`."""
    return cut(graph, inputs[0], p["start_indices"], shape, p["strides"])


def reverse(graph: Graph, inputs: list[Value], shape: Shape, p: Parameters) -> Value:
    """Translates `rev`."""
    axes, x = list(p["dimensions"]), graph.expand(inputs[0], symbolic=False)
    if any(not isinstance(x.shape[axis], int) for axis in axes):
        raise UntranslatableError("a batch in reverse order")
    ranges = ([x.shape[axis] - 1 for axis in axes], [-x.shape[axis] - 1 for axis in axes], axes, [-1 for _ in axes])
    return graph.add("Slice", [x, *map(graph.integers, ranges)], shape, x.stored)


def _known_starts(starts: list[Value], x: Value, sizes: Any) -> list[int]:
    """Returns where a part of an array begins; as in JAX it is moved back where it would reach beyond the end."""
    if any(start.constant is None for start in starts):
        raise UntranslatableError("a part of an array at a place that is computed")
    places = [int(start.constant) for start in starts if start.constant is not None]
    pairs = zip(places, x.shape, sizes, strict=True)
    return [min(max(place, 0), whole - size) if isinstance(whole, int) else 0 for place, whole, size in pairs]


def cut_at(graph: Graph, inputs: list[Value], shape: Shape, p: Parameters) -> Value:
    """Translates `dynamic_slice` at a known place."""
    x, *starts = inputs
    return cut(graph, x, _known_starts(starts, x, p["slice_sizes"]), shape)


def gather(graph: Graph, inputs: list[Value], shape: Shape, p: Parameters) -> Value:
    """Translates what `x[:, a:b]` and `x[:, a:b:c]` become if the batch has no known size: parts at known places."""
    (x, places), numbers, sizes = inputs, p["dimension_numbers"], p["slice_sizes"]
    if places.constant is None or numbers.operand_batching_dims:
        raise UntranslatableError("a part of an array at a place that is computed")
    axes, collapsed = numbers.start_index_map, numbers.collapsed_slice_dims
    if places.constant.ndim == 1:
        starts = [constant(0)] * len(x.shape)
        for axis, place in zip(axes, places.constant, strict=True):
            starts[axis] = constant(place)
        part = cut(graph, x, _known_starts(starts, x, sizes), tuple(sizes))
        return squeeze(graph, [part], shape, {"dimensions": collapsed})
    (axis,) = axes if len(axes) == 1 else (-1,)
    others = tuple(each for each in range(len(shape)) if each != axis)
    if places.constant.ndim != 2 or collapsed != (axis,) or numbers.offset_dims != others:
        raise UntranslatableError("a choice of elements along several axes")
    x = graph.expand(x, symbolic=False)
    stored = (*x.stored[:axis], shape[axis], *x.stored[axis + 1 :])
    return graph.add("Gather", [x, graph.integers(places.constant[:, 0])], shape, stored, axis=axis)


def update(graph: Graph, inputs: list[Value], shape: Shape, p: Parameters) -> Value:
    """Translates `dynamic_update_slice` at a known place: what is new, padded, wherever a mask says so."""
    x, new, *starts = inputs
    places = _known_starts(starts, x, new.shape)
    ends = [0 if not isinstance(whole, int) else whole - place - size
            for place, whole, size in zip(places, x.shape, new.shape, strict=True)]  # fmt: skip
    inside = [slice(place, place + size) if isinstance(size, int) else slice(None)
              for place, size in zip(places, new.shape, strict=True)]  # fmt: skip
    mask = np.zeros([size if isinstance(size, int) else 1 for size in shape], bool)
    mask[tuple(inside)] = True
    padding = {"padding_config": [(place, end, 0) for place, end in zip(places, ends, strict=True)]}
    padded = pad(graph, [new, number(0.0)], shape, padding)
    return combine(graph, "Where", [constant(mask), padded, x], shape)


def pad(graph: Graph, inputs: list[Value], shape: Shape, p: Parameters) -> Value:
    """Translates `pad`, also with a negative number of elements."""
    x, filler = graph.expand(inputs[0], symbolic=False), inputs[1]
    low, high, between = zip(*p["padding_config"], strict=True)
    if any(between) or any(a or b for a, b, size in zip(low, high, x.shape, strict=True) if not isinstance(size, int)):
        raise UntranslatableError("a padding between the elements of an array, or of the batch")
    stored = tuple(size if isinstance(size, int) else have for size, have in zip(shape, x.stored, strict=True))
    return graph.add("Pad", [x, graph.integers([*low, *high]), filler], shape, stored)


def split(graph: Graph, x: Value, shapes: list[Shape], axis: int) -> list[Value]:
    """Returns the parts of an array along an axis."""
    starts = np.cumsum([0, *(shape[axis] for shape in shapes)])
    return [cut(graph, x, [start] * len(shape), shape) for start, shape in zip(starts, shapes, strict=False)]
