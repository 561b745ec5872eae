"""Puts a foreign ONNX graph between our edges `image` and `landmarks`.

Preprocessing and units go into the first convolution and the last dense layer where these can take
them up exactly, else they become ops.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from export.foreign_model import ForeignModel
from export.foreign_spec import Preprocess
from export.onnx_graph import INPUT, OUTPUT

Node = Any  # onnx.NodeProto, which has no types, as onnx.GraphProto
RESHAPES = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity"})


def put(graph: Any, foreign: ForeignModel) -> None:
    """Changes a graph with one input, one output and a batch of 1 in place."""
    from onnx import TensorProto, helper

    _set_apart(graph)
    front, back = _front(graph, foreign), _back(graph, foreign)
    nodes = [*front.nodes, *graph.node, *back.nodes]
    nodes[-1].output[0] = OUTPUT
    read = {value for node in nodes for value in node.input}
    replace(graph.node, nodes)
    replace(
        graph.initializer, [constant for constant in graph.initializer if constant.name in read]
    )
    height, width, channels = foreign.spec.input_shape[1:]
    for edges, name, shape in (
        (graph.input, INPUT, (1, channels, height, width)),
        (graph.output, OUTPUT, (1, foreign.points, 2)),
    ):
        replace(edges, [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)])


def _set_apart(graph: Any) -> None:
    """Renames all values, so that none is called as one of ours."""
    for node in graph.node:
        for names in (node.input, node.output):
            replace(names, [name and f"foreign/{name}" for name in names])  # "": left out
    for value in (*graph.input, *graph.output, *graph.initializer):
        value.name = f"foreign/{value.name}"


def replace(field: Any, values: list[Any]) -> None:
    """Puts other values into a repeated field of a protobuf message."""
    del field[:]
    field.extend(values)


class _Chain:
    """Nodes one behind the other."""

    def __init__(self, graph: Any, start: str) -> None:
        self.value = start  # what the last of them writes
        self.nodes: list[Node] = []
        self._graph = graph

    def then(self, op: str, constant: NDArray[Any] | None = None, **how: Any) -> None:
        """Appends a node that reads the value so far, and a constant if one is given."""
        from onnx import helper

        more = [] if constant is None else [_add(self._graph, constant)]
        written = f"{self.value}/efld"
        self.nodes.append(helper.make_node(op, [self.value, *more], [written], **how))
        self.value = written


def _add(graph: Any, values: NDArray[Any]) -> str:
    """Adds a constant; returns its name."""
    from onnx import numpy_helper

    name = f"efld/constant_{len(graph.initializer)}"
    graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
    return name


def _constant(graph: Any, name: str) -> NDArray[np.float32] | None:
    """A constant's values; None for what is computed, or not float32."""
    from onnx import numpy_helper

    for constant in graph.initializer:
        if constant.name == name:
            values = np.asarray(numpy_helper.to_array(constant))
            return values if values.dtype == np.float32 else None
    return None


def _attributes(node: Node) -> dict[str, Any]:
    from onnx import helper

    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def _front(graph: Any, foreign: ForeignModel) -> _Chain:
    """From `image` to what the graph reads: mean, deviation, order and place of channels."""
    fed, old = foreign.told.fed, graph.input[0].name
    is_first = graph.input[0].type.tensor_type.shape.dim[1].dim_value == foreign.spec.input_shape[3]
    inner = None if is_first else _turned(graph, old)
    chain = _Chain(graph, INPUT)
    if any(fed.mean):
        chain.then("Sub", _per_channel(fed.mean))
    if not _fold_front(graph, inner or old, fed):
        if set(fed.std) != {1.0}:
            chain.then("Mul", 1 / _per_channel(fed.std))
        if fed.reverse:
            chain.then("Gather", np.array([2, 1, 0], np.int64), axis=1)
    if not is_first and inner is None:
        chain.then("Transpose", perm=(0, 2, 3, 1))
    for node in graph.node:
        replace(node.input, [chain.value if v == (inner or old) else v for v in node.input])
    return chain


def _per_channel(values: tuple[float, ...]) -> NDArray[np.float32]:
    return np.array(values, np.float32).reshape(1, -1, 1, 1)


def _turned(graph: Any, value: str) -> str | None:
    """Takes out the graph's own turn to channels first; returns what it wrote."""
    readers = [node for node in graph.node if value in node.input]
    if len(readers) != 1 or _attributes(readers[0]).get("perm") != [0, 3, 1, 2]:
        return None
    graph.node.remove(readers[0])
    return str(readers[0].output[0])


def _fold_front(graph: Any, value: str, fed: Preprocess) -> bool:
    """Deviation and order of channels go into all that reads the picture, if convolutions do.

    A mean cannot: a convolution pads with zeros, which would no longer be the mean.
    """
    kernels: list[tuple[Node, NDArray[np.float32]]] = []
    for node in graph.node:
        if value in node.input:
            kernel = _constant(graph, node.input[1]) if node.op_type == "Conv" else None
            if kernel is None or _attributes(node).get("group", 1) != 1:
                return False
            kernels.append((node, kernel))
    for node, kernel in kernels:
        own = kernel[:, ::-1] if fed.reverse else kernel
        node.input[1] = _add(graph, own / _per_channel(fed.std))
    return True


def _back(graph: Any, foreign: ForeignModel) -> _Chain:
    """From the graph's answer to `landmarks`: the first numbers of it, in our units."""
    from onnx import helper

    sides = foreign.session.outputs[foreign.output].shape[1:]
    numbers, count = math.prod(side or 0 for side in sides), 2 * foreign.points
    scale, shift = foreign.told.affine(foreign.spec.input_px)
    if (dense := _dense(graph, graph.output[0].name, numbers)) is not None:
        rows = dense.rows[:count] * np.float32(scale)
        bias = dense.bias[:count] * np.float32(scale) + np.float32(shift)
        replace(dense.node.input, [dense.node.input[0], _add(graph, rows), _add(graph, bias)])
        replace(dense.node.attribute, [helper.make_attribute("transB", 1)])
        chain = _Chain(graph, dense.node.output[0])
    else:
        chain = _Chain(graph, graph.output[0].name)
        if numbers > count:
            chain.then("Reshape", np.array([1, numbers], np.int64))
            chain.then("Gather", np.arange(count, dtype=np.int64), axis=1)
        if scale != 1:
            chain.then("Mul", np.array([scale], np.float32))
        if shift:
            chain.then("Add", np.array([shift], np.float32))
    chain.then("Reshape", np.array([1, foreign.points, 2], np.int64))
    return chain


class _Dense(NamedTuple):
    """A layer that writes `input @ rows.T + bias`."""

    node: Node
    rows: NDArray[np.float32]  # (outputs, inputs)
    bias: NDArray[np.float32]  # (outputs,)


def _dense(graph: Any, value: str, numbers: int) -> _Dense | None:
    """The dense layer that writes a value; nodes that only reshape what it wrote are taken out."""
    writers = {node.output[0]: node for node in graph.node}
    reshapes = []
    while (node := writers.get(value)) is not None and node.op_type in RESHAPES:
        reshapes.append(node)
        value = node.input[0]
    found = _plain_dense(graph, node) if node is not None and node.op_type == "Gemm" else None
    if found is None or len(found.rows) != numbers:
        return None
    for one in reshapes:
        graph.node.remove(one)
    return found


def _plain_dense(graph: Any, node: Node) -> _Dense | None:
    """A Gemm with constants and without factors; None for any other."""
    how = _attributes(node)
    weights = _constant(graph, node.input[1])
    bias = _constant(graph, node.input[2]) if len(node.input) > 2 else np.zeros(1, np.float32)
    if weights is None or bias is None or how.get("transA"):
        return None
    if how.get("alpha", 1) != 1 or how.get("beta", 1) != 1:
        return None
    rows = weights if how.get("transB") else weights.T
    return _Dense(node, rows, np.broadcast_to(bias.ravel(), len(rows)))
