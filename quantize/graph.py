"""A .tflite graph with what its tensors hold, for those who look for trouble in it."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from efld import tflite_file
from efld.tflite_file import Model

CONVERSIONS = frozenset({"QUANTIZE", "DEQUANTIZE"})
# Ops with weights -> the axis of the weights that counts output channels, by TFLite's kernels.
OUTPUT_AXIS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0, "TRANSPOSE_CONV": 0}
_WEIGHTS_INPUT = 1  # of all four; what TRANSPOSE_CONV counts as 0 is a shape

_ACTIVATIONS = {
    code: name
    for name, code in vars(schema.ActivationFunctionType).items()
    if name[0] != "_" and name != "NONE"
}


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor. `scales` is empty where the tensor is not quantised."""

    index: int
    name: str
    dtype: str  # TFLite's name: "float32", "int8", "int4", ...
    shape: tuple[int, ...]
    constant: NDArray[Any] | None  # what the file stores; None: computed
    scales: NDArray[np.float64]
    zero_points: NDArray[np.int64]
    buffer: int

    @property
    def is_float(self) -> bool:
        return self.dtype.startswith("float")


@dataclass(frozen=True)
class Op:
    """An op; indices are those of `Graph.values`."""

    index: int
    kind: str
    inputs: tuple[int, ...]  # -1: one that is left out
    outputs: tuple[int, ...]
    activation: str  # fused into it: "RELU", "RELU6", ...; "" for none


@dataclass(frozen=True, eq=False)
class Graph:
    """The file's first graph: the one that an application runs."""

    values: tuple[Value, ...]
    ops: tuple[Op, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    @classmethod
    def of(cls, model: Model) -> Self:
        raw = model.subgraphs[0]
        return cls(
            tuple(_value(model, i, tensor) for i, tensor in enumerate(raw.tensors)),
            tuple(_op(model, i, op) for i, op in enumerate(raw.operators)),
            tuple(map(int, raw.inputs)),
            tuple(map(int, raw.outputs)),
        )

    @cached_property
    def writer(self) -> dict[int, Op]:
        """By tensor, the op that computes it."""
        return {tensor: op for op in self.ops for tensor in op.outputs}

    @cached_property
    def readers(self) -> dict[int, list[Op]]:
        """By tensor, the ops that read it."""
        found: dict[int, list[Op]] = {}
        for op in self.ops:
            for tensor in op.inputs:
                found.setdefault(tensor, []).append(op)
        return found

    def after(self, starts: Iterable[int]) -> set[int]:
        """These ops, and those that read what they compute, at first or second hand."""
        found = set(starts)
        for op in self.ops:
            if any((w := self.writer.get(i)) is not None and w.index in found for i in op.inputs):
                found.add(op.index)
        return found

    def before(self, ends: Iterable[int]) -> set[int]:
        """These ops, and those that compute what they read, at first or second hand."""
        open_ends = list(ends)
        found = set(open_ends)
        while open_ends:
            for i in self.ops[open_ends.pop()].inputs:
                op = self.writer.get(i)
                if op is not None and op.index not in found:
                    found.add(op.index)
                    open_ends.append(op.index)
        return found

    def of_kind(self, kind: str) -> list[int]:
        """The ops of a kind, in order."""
        return [op.index for op in self.ops if op.kind == kind]

    def name(self, op: Op) -> str:
        """An op is called as the tensor that it writes; one that writes none, as its kind."""
        return self.values[op.outputs[0]].name if op.outputs else op.kind

    def given(self, op: Op) -> list[Value]:
        """What an op reads."""
        return [self.values[i] for i in op.inputs if i >= 0]

    def source(self, tensor: int) -> Value:
        """A tensor before conversions: int8 weights, for those that are unpacked to float."""
        while (op := self.writer.get(tensor)) is not None and op.kind in CONVERSIONS:
            tensor = op.inputs[0]
        return self.values[tensor]

    def weights(self, op: Op) -> Value | None:
        """The weights that the file stores for an op, if it has any."""
        if op.kind not in OUTPUT_AXIS:
            return None
        stored = self.source(op.inputs[_WEIGHTS_INPUT])
        return stored if stored.constant is not None else None

    def multiply_adds(self, op: Op) -> int:
        """Of one inference; 0 for ops without weights."""
        weights = self.weights(op)
        if weights is None:
            return 0
        axis = OUTPUT_AXIS[op.kind]
        at = op.inputs[2] if op.kind == "TRANSPOSE_CONV" else op.outputs[0]
        channels = weights.shape[3 if op.kind == "TRANSPOSE_CONV" else axis]
        places = int(np.prod(self.values[at].shape)) // max(channels, 1)
        return places * int(np.prod(weights.shape))


def _value(model: Model, index: int, raw: Any) -> Value:
    quantized = raw.quantization
    scales = None if quantized is None else quantized.scale
    zeros = None if quantized is None else quantized.zeroPoint
    dtype = tflite_file.DTYPES[raw.type]
    shape = tuple(int(side) for side in (raw.shape if raw.shape is not None else ()))
    return Value(
        index=index,
        name=tflite_file.tensor_name(raw),
        dtype=dtype,
        shape=shape,
        constant=_constant(model.buffers[raw.buffer].data, dtype, shape),
        scales=np.asarray([] if scales is None else scales, np.float64),
        zero_points=np.asarray([] if zeros is None else zeros, np.int64),
        buffer=int(raw.buffer),
    )


def _constant(data: Any, dtype: str, shape: tuple[int, ...]) -> NDArray[Any] | None:
    """Stored values; as bytes where numpy has no such type (int4, strings)."""
    if data is None or len(data) == 0:
        return None
    content = np.asarray(data, np.uint8)
    known = {"float32", "float16", "float64", "int8", "uint8", "int16", "int32", "int64", "bool"}
    fits = dtype in known and np.dtype(dtype).itemsize * int(np.prod(shape)) == content.size
    return content.view(np.dtype(dtype)).reshape(shape) if fits else content


def _op(model: Model, index: int, raw: Any) -> Op:
    fused = getattr(raw.builtinOptions, "fusedActivationFunction", 0)
    return Op(
        index=index,
        kind=tflite_file.op_name(model, raw),
        inputs=tuple(map(int, raw.inputs)),
        outputs=tuple(map(int, raw.outputs)),
        activation=_ACTIVATIONS.get(fused, ""),
    )
