"""An ONNX graph under construction: named arrays, nodes, and shapes with a batch axis of unknown size."""

from typing import Any, NamedTuple

import jax
import numpy as np

from jaxvae.artifacts.parts import BATCH, Part, Port

OPSET, IR_VERSION = 18, 9  # Of ONNX 1.14 and later.

Shape = tuple[Any, ...]  # Numbers, or symbolic dimensions that depend on the batch.


class UntranslatableError(Exception):
    """An operation that has no ONNX form here; the message names it."""


class Value(NamedTuple):
    """An array in the graph.

    JAX expands arrays before it combines them; ONNX does so by itself. A value is therefore kept as small as it can be:
    an axis of `stored` may be 1 where that of `shape` is larger, and all along it the array is the same.

    Attributes:
        shape: what JAX takes it for.
        stored: what it is in the graph.
        name: in the graph; empty for a constant that no node has needed yet.
        constant: its content if that is known.
    """

    shape: Shape
    stored: Shape
    name: str = ""
    constant: np.ndarray | None = None


def constant(array: Any, shape: Shape | None = None) -> Value:
    """Returns a known array as a value, of the shape that JAX takes it for if that is another."""
    array = np.asarray(array)
    return Value(array.shape if shape is None else shape, array.shape, "", array)


def number(value: float) -> Value:
    """Returns a number as a value."""
    return constant(np.float32(value))


class Graph:
    """Nodes and constants of a part, in the order in which they are computed."""

    def __init__(self, part: Part, batch: Any) -> None:
        """Begins with the inputs of a part; `batch` is the symbol for the size of the batch."""
        self.part, self.batch = part, batch
        self.nodes: list[Any] = []
        self.arrays: dict[str, np.ndarray] = {}
        self.known: dict[tuple[Any, ...], tuple[str, np.ndarray]] = {}
        self.inputs = [Value((batch, *port.shape), (batch, *port.shape), port.name) for port in part.inputs]

    def add(self, op: str, inputs: list[Value], shape: Shape, stored: Shape | None = None, **attributes: Any) -> Value:
        """Adds a node with one output, of this shape; `stored` is what it is in the graph if that is another."""
        import onnx.helper

        name = f"{op}_{len(self.nodes)}"
        node = onnx.helper.make_node(op, [self.name(each) for each in inputs], [name], **attributes)
        self.nodes.append(node)
        return Value(shape, shape if stored is None else stored, name)

    def name(self, value: Value) -> str:
        """Returns the name of a value in the graph, to which a constant is added when it is first used."""
        if value.constant is None:
            return value.name
        array = np.asarray(value.constant, order="C")
        # The array is kept with its identity, which another one could have later otherwise.
        key = (array.dtype.str, array.shape, array.tobytes() if array.size < 1024 else id(value.constant))
        if key not in self.known:
            self.known[key] = (f"constant_{len(self.arrays)}", value.constant)
            self.arrays[self.known[key][0]] = array
        return self.known[key][0]

    def integers(self, values: Any) -> Value:
        """Returns whole numbers, as nodes take sizes and axes."""
        return constant(np.asarray(values, np.int64))

    def dimension(self, size: Any) -> Value:
        """Returns one size of a shape as an array [1]."""
        if isinstance(size, int):
            return self.integers([size])
        shape = self.add("Shape", [self.inputs[0]], (1,), start=0, end=1)
        times = size // self.batch
        if not isinstance(times, int) or times * self.batch != size:
            raise UntranslatableError(f"an axis of {size} for a batch of {self.batch}")
        return shape if times == 1 else self.add("Mul", [shape, self.integers([times])], (1,))

    def sizes(self, shape: Shape) -> Value:
        """Returns a shape as an array."""
        if all(isinstance(size, int) for size in shape):
            return self.integers(shape)
        return self.add("Concat", [self.dimension(size) for size in shape], (len(shape),), axis=0)

    def expand(self, value: Value, symbolic: bool = True) -> Value:
        """Returns a value stored as JAX takes it; without `symbolic` its batch may stay 1 where all of it is equal."""
        pairs = list(zip(value.shape, value.stored, strict=True))
        wanted = [size if symbolic or isinstance(size, int) else stored for size, stored in pairs]
        if tuple(wanted) == value.stored:
            return value
        if value.constant is not None and all(isinstance(size, int) for size in wanted):
            return constant(np.broadcast_to(value.constant, wanted), value.shape)
        # An axis of 1 asks for no more than there is.
        lacking = [size if size != stored else 1 for size, stored in zip(wanted, value.stored, strict=True)]
        return self.add("Expand", [value, self.sizes(tuple(lacking))], value.shape, tuple(wanted))

    def model(self, outputs: dict[str, Value]) -> Any:
        """Returns the ONNX model, without what its outputs do not need."""
        import onnx
        from onnx import helper, numpy_helper

        last = [
            helper.make_node("Identity", [self.name(self.expand(value))], [name]) for name, value in outputs.items()
        ]
        needed, kept = {name for node in last for name in node.input}, []
        for node in reversed(self.nodes):
            if node.output[0] in needed:
                needed.update(node.input)
                kept.append(node)
        arrays = [numpy_helper.from_array(array, name) for name, array in self.arrays.items() if name in needed]
        graph = helper.make_graph(
            [*reversed(kept), *last],
            self.part.name,
            [_described(port) for port in self.part.inputs],
            [_described(port) for port in self.part.outputs],
            arrays,
        )
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="jaxvae")
        made.ir_version = IR_VERSION
        onnx.checker.check_model(made)
        return made


def combine(graph: Graph, op: str, inputs: list[Value], shape: Shape) -> Value:
    """Adds an operation that combines arrays element by element, expanding those that are smaller."""
    aligned = [(1,) * (len(shape) - len(each.stored)) + each.stored for each in inputs]
    stored = tuple(next((size for size in sizes if size != 1), 1) for sizes in zip(*aligned, strict=True))
    return graph.add(op, inputs, shape, stored)


def _described(port: Port) -> Any:
    import onnx

    shape: list[Any] = [BATCH, *port.shape]
    return onnx.helper.make_tensor_value_info(port.name, onnx.TensorProto.FLOAT, shape, doc_string=port.meaning)


def onnx_type(dtype: Any) -> int:
    """Returns ONNX's number of a type of arrays."""
    import onnx

    return int(onnx.helper.np_dtype_to_tensor_dtype(np.dtype(jax.dtypes.canonicalize_dtype(dtype))))
