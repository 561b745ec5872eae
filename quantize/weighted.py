"""The convolutions and dense layers of an int8 file, each beside the float one it was made from."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from efld import tflite_file
from efld.tflite_file import Model
from quantize.recipe import WITH_WEIGHTS

FLOAT32, INT32, INT8 = 0, 2, 9  # in TensorType of the .tflite schema

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Layer:
    """An op with int8 weights in a file that was made from a float file."""

    made: Model
    op: Any  # of the int8 file
    kind: str
    name: str  # of its output
    source: str  # name of the float file's tensor that it reads
    stored: Any  # its int8 weights: a tensor of the int8 file
    axis: int  # of the output channels in the weights
    weights: Floats  # of the float file
    bias: Floats | None  # of the float file; None: it has none

    @property
    def computes_int8(self) -> bool:
        """Else its weights become floats before use."""
        return int(self._tensor(0).type) == INT8

    @property
    def rounded(self) -> Floats:
        """What the int8 weights stand for, in the shape of `weights`."""
        values = constant(self.made, self.stored).astype(np.float64)
        scales = np.asarray(self.stored.quantization.scale, np.float64)
        sides = [1] * values.ndim
        sides[self.axis] = -1
        return np.asarray(values * scales.reshape(sides if len(scales) > 1 else -1))

    def set_scale(self, scale: np.float32, whole: NDArray[np.int8]) -> None:
        """Stores weights with one scale for all channels; the bias follows."""
        store(self.made, self.stored, whole)
        _set_scales(self.stored, np.array([scale], np.float32))
        if self.bias is not None and self.computes_int8:
            source = np.float32(self._tensor(0).quantization.scale[0])
            _set_scales(self._tensor(2), np.array([source * scale], np.float32))
            self.set_bias(self.bias)

    def set_bias(self, bias: Floats) -> None:
        """Stores a bias, `(channels,)`, as the op wants it: floats, or int32 of its scales."""
        tensor = self._tensor(2)
        if tensor.type == INT32:
            whole = np.rint(bias / np.asarray(tensor.quantization.scale, np.float64))
            limits = np.iinfo(np.int32)
            store(self.made, tensor, np.clip(whole, limits.min, limits.max).astype(np.int32))
        else:
            store(self.made, tensor, bias.astype(np.float32))

    def _tensor(self, place: int) -> Any:
        return self.made.subgraphs[0].tensors[self.op.inputs[place]]


def _set_scales(tensor: Any, scales: NDArray[np.float32]) -> None:
    tensor.quantization.scale = scales
    tensor.quantization.zeroPoint = np.zeros(len(scales), np.int64)
    tensor.quantization.quantizedDimension = 0


def layers(made: Model, fp32: Model) -> Iterator[Layer]:
    """The layers with int8 weights of a file made from `fp32`, in the graph's order.

    Left out are those that share a constant with another op.
    """
    graph, exact = made.subgraphs[0], fp32.subgraphs[0]
    floats = {tflite_file.tensor_name(exact.tensors[op.outputs[0]]): op for op in exact.operators}
    readers = Counter(int(i) for op in graph.operators for i in op.inputs)
    origin = {
        int(op.outputs[0]): int(op.inputs[0])
        for op in graph.operators
        if tflite_file.op_name(made, op) == "DEQUANTIZE"
    }
    named = [(op, tflite_file.tensor_name(graph.tensors[op.outputs[0]])) for op in graph.operators]
    found = [
        (op, floats[name])
        for op, name in named
        if tflite_file.op_name(made, op) in WITH_WEIGHTS and name in floats
    ]
    # What is read as weights alone: as they are, and as the floats that they become.
    as_weights = Counter(int(op.inputs[1]) for op, _ in found)
    alone = [i for i, count in as_weights.items() if readers[i] == count]
    as_weights.update(origin[i] for i in alone if i in origin)
    for op, exact_op in found:
        used, *others = (int(i) for i in op.inputs[1:] if i >= 0)
        stored = origin.get(used, used)
        own = readers[stored] == as_weights[stored] and all(readers[i] == 1 for i in others)
        if own and graph.tensors[stored].type == INT8 and _has_data(made, stored):
            yield _layer(made, op, graph.tensors[stored], fp32, exact_op)


def _has_data(model: Model, tensor: int) -> bool:
    return model.buffers[model.subgraphs[0].tensors[tensor].buffer].data is not None


def _layer(made: Model, op: Any, stored: Any, fp32: Model, exact: Any) -> Layer:
    tensors, inputs = fp32.subgraphs[0].tensors, [int(i) for i in exact.inputs]
    has_bias = len(inputs) > 2 and inputs[2] >= 0
    kind = tflite_file.op_name(made, op)
    return Layer(
        made=made,
        op=op,
        kind=kind,
        name=tflite_file.tensor_name(tensors[exact.outputs[0]]),
        source=tflite_file.tensor_name(tensors[inputs[0]]),
        stored=stored,
        axis=3 if kind == "DEPTHWISE_CONV_2D" else 0,
        weights=constant(fp32, tensors[inputs[1]]).astype(np.float64),
        bias=constant(fp32, tensors[inputs[2]]).astype(np.float64) if has_bias else None,
    )


def store(model: Model, tensor: Any, values: NDArray[Any]) -> None:
    """Replaces a constant, in a buffer of its own: equal ones may share one."""
    tensor.buffer = len(model.buffers)
    model.buffers.append(schema.BufferT(data=values.ravel().view(np.uint8)))


def constant(model: Model, tensor: Any) -> NDArray[Any]:
    """The stored values of a float32 or int8 tensor."""
    data = np.asarray(model.buffers[tensor.buffer].data, np.uint8).tobytes()
    dtype = {FLOAT32: np.float32, INT8: np.int8}[int(tensor.type)]
    return np.frombuffer(data, dtype).reshape(tensor.shape)
