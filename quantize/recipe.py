"""Which ops compute in int8, which stay float, and why.

A rule by hand, checked by the gate on every run: `quantize.json` holds what it cost. Whatever stays
float stores its weights in int8 all the same.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from efld import tflite_file
from efld.tflite_file import Model

if TYPE_CHECKING:
    from ai_edge_quantizer.quantizer import Quantizer

Why = Literal["kernel", "head", "gate", "tail"]
REASONS: MappingProxyType[Why, str] = MappingProxyType({
    "kernel": "XNNPACK has no int8 kernel for it: in int8 it would cut the graph into partitions",
    "head": "first layers: their rounding is seen by all others; float costs them no time",
    "gate": "squeeze-excite behind a float activation: its ranges differ most from face to face",
    "tail": "writes the landmarks: one int8 step of their range is half a pixel",
})  # fmt: skip

NO_INT8_KERNEL = frozenset({"HARD_SWISH"})
WITH_WEIGHTS = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"})


@dataclass(frozen=True)
class FloatOp:
    """An op that computes in float; its weights, if it has any, are stored in int8 nevertheless."""

    name: str  # of its output tensor
    kind: str
    why: Why


def float_ops(model: Model) -> list[FloatOp]:
    """The ops of a float graph that the recipe leaves in float, in the graph's order.

    They are those without an int8 kernel, squeeze-excite behind one of them (which saves two
    conversions as well), all up to the first depthwise convolution, and all that write the
    landmarks: what reads them from heat maps, else what follows the last dense layer, and that
    layer itself where only a reshape follows.
    """
    graph = model.subgraphs[0]
    kinds = [tflite_file.op_name(model, op) for op in graph.operators]
    names = [tflite_file.tensor_name(graph.tensors[op.outputs[0]]) for op in graph.operators]
    gates = _gates(kinds, graph.operators)
    return [FloatOp(names[i], kinds[i], why) for i, why in _chosen(kinds, gates)]


def _gates(kinds: list[str], ops: Sequence[Any]) -> set[int]:
    """Indices of squeeze-excite ops, from the MEAN to the MUL, where what they scale is float."""
    writer = {int(op.outputs[0]): i for i, op in enumerate(ops)}
    found: set[int] = set()
    for start, op in enumerate(ops):
        scaled = int(op.inputs[0])
        if kinds[start] == "MEAN" and kinds[writer.get(scaled, start)] in NO_INT8_KERNEL:
            stop = next(i for i in range(start, len(ops)) if _scales(kinds[i], ops[i], scaled))
            found.update(range(start, stop + 1))
    return found


def _scales(kind: str, op: Any, tensor: int) -> bool:
    return kind == "MUL" and tensor in [int(i) for i in op.inputs]


def _chosen(kinds: list[str], gates: set[int]) -> Iterator[tuple[int, Why]]:
    head = kinds.index("DEPTHWISE_CONV_2D") if "DEPTHWISE_CONV_2D" in kinds else -1
    tail = _tail_start(kinds)
    for i, kind in enumerate(kinds):
        if kind in NO_INT8_KERNEL:
            yield i, "kernel"
        elif i <= head:
            yield i, "head"
        elif i in gates:
            yield i, "gate"
        elif i >= tail:
            yield i, "tail"


def _tail_start(kinds: list[str]) -> int:
    """Index of the tail's first op; converters may fold the mean shape into the dense layer."""
    if "SOFTMAX" in kinds:
        return kinds.index("RESHAPE", max(i for i, kind in enumerate(kinds) if kind == "CONV_2D"))
    dense = [i for i, kind in enumerate(kinds) if kind == "FULLY_CONNECTED"]
    if not dense:
        return len(kinds)
    folded = set(kinds[dense[-1] + 1 :]) <= {"RESHAPE"}
    return dense[-1] if folded else dense[-1] + 1


def apply(quantizer: "Quantizer", chosen: Sequence[FloatOp]) -> None:
    """Tells ai-edge-quantizer: int8 everywhere, but for `chosen` and the edges of the graph."""
    from ai_edge_quantizer.qtyping import TFLOperationName as Op

    quantizer.add_static_config(".*", Op.ALL_SUPPORTED, activation_num_bits=8, weight_num_bits=8)
    for edge in (Op.INPUT, Op.OUTPUT):
        quantizer.update_quantization_recipe(".*", edge, algorithm_key="no_quantize")
    for op in chosen:
        scope = f"^{re.escape(op.name)};$"
        if op.kind in WITH_WEIGHTS:
            quantizer.add_weight_only_config(scope, Op(op.kind), num_bits=8)
        else:
            quantizer.update_quantization_recipe(scope, Op(op.kind), algorithm_key="no_quantize")
