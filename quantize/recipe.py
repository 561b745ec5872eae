"""Which ops compute in int8, which stay float, and why.

A rule by hand, checked by the gate on every run: `quantize.json` holds what it cost. Where it costs
too much, `quantize.search` finds another choice. Whatever stays float stores its weights in int8
all the same.
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

Why = Literal["kernel", "head", "gate", "tail", "budget"]
REASONS: MappingProxyType[Why, str] = MappingProxyType({
    "kernel": "XNNPACK has no int8 kernel for it: in int8 it would cut the graph into partitions",
    "head": "first layers: their rounding is seen by all others; float costs them no time",
    "gate": "squeeze-excite behind a float activation: its ranges differ most from face to face",
    "tail": "writes the landmarks: one int8 step of their range is half a pixel",
    "budget": "found by search, whose quantize.json says in float_units what int8 costs here",
})  # fmt: skip

NO_INT8_KERNEL = frozenset({"HARD_SWISH"})
WITH_WEIGHTS = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"})


@dataclass(frozen=True)
class FloatOp:
    """An op that computes in float; its weights, if it has any, are stored in int8 nevertheless."""

    name: str  # of its output tensor
    kind: str
    why: Why


def float_ops(model: Model, no_kernel: frozenset[str] = NO_INT8_KERNEL) -> list[FloatOp]:
    """The ops of a float graph that the recipe leaves in float, in the graph's order.

    They are those without an int8 kernel, squeeze-excite behind one of them (which saves two
    conversions as well), all up to the first depthwise convolution, and all that write the
    landmarks: what reads them from heat maps, else what follows the last dense layer, and that
    layer itself where only a reshape follows.

    Args:
        no_kernel: kinds of ops without an int8 kernel.
    """
    graph = model.subgraphs[0]
    kinds = [tflite_file.op_name(model, op) for op in graph.operators]
    names = [tflite_file.tensor_name(graph.tensors[op.outputs[0]]) for op in graph.operators]
    gates = _gates(kinds, graph.operators, no_kernel)
    return [FloatOp(names[i], kinds[i], why) for i, why in _chosen(kinds, gates, no_kernel)]


def unquantizable(kinds: Sequence[str]) -> frozenset[str]:
    """The kinds among `kinds` that cannot be int8 here, whatever a graph looks like."""
    from ai_edge_quantizer.qtyping import TFLOperationName

    known = {op.value for op in TFLOperationName}
    return NO_INT8_KERNEL.union(kind for kind in kinds if _asked_for(kind) not in known)


def _asked_for(kind: str) -> str:
    """What ai-edge-quantizer calls an op."""
    return "CONV_2D_TRANSPOSE" if kind == "TRANSPOSE_CONV" else kind


def _gates(kinds: list[str], ops: Sequence[Any], no_kernel: frozenset[str]) -> set[int]:
    """Indices of squeeze-excite ops, from the MEAN to the MUL, where what they scale is float."""
    writer = {int(op.outputs[0]): i for i, op in enumerate(ops)}
    found: set[int] = set()
    for start, op in enumerate(ops):
        scaled = int(op.inputs[0])
        if kinds[start] == "MEAN" and kinds[writer.get(scaled, start)] in no_kernel:
            product = (i for i in range(start, len(ops)) if _scales(kinds[i], ops[i], scaled))
            stop = next(product, start)
            found.update(_behind(start, stop, ops))
    return found


def _behind(start: int, stop: int, ops: Sequence[Any]) -> set[int]:
    """Indices up to `stop` of the ops that read what op `start` computes, and of it."""
    found, written = {start}, {int(ops[start].outputs[0])}
    for i in range(start + 1, stop + 1):
        if written & {int(tensor) for tensor in ops[i].inputs}:
            found.add(i)
            written.add(int(ops[i].outputs[0]))
    return found


def _scales(kind: str, op: Any, tensor: int) -> bool:
    return kind == "MUL" and tensor in [int(i) for i in op.inputs]


def _chosen(
    kinds: list[str], gates: set[int], no_kernel: frozenset[str] = NO_INT8_KERNEL
) -> Iterator[tuple[int, Why]]:
    head = kinds.index("DEPTHWISE_CONV_2D") if "DEPTHWISE_CONV_2D" in kinds else -1
    tail = _tail_start(kinds)
    for i, kind in enumerate(kinds):
        if kind in no_kernel:
            yield i, "kernel"
        elif i <= head:
            yield i, "head"
        elif i in gates:
            yield i, "gate"
        elif i >= tail:
            yield i, "tail"


def _tail_start(kinds: list[str]) -> int:
    """Index of the tail's first op; converters may fold the mean shape into the dense layer."""
    maps = max((i for i, kind in enumerate(kinds) if kind == "CONV_2D"), default=0)
    if {"SOFTMAX", "RESHAPE"} <= set(kinds[maps:]):
        return kinds.index("RESHAPE", maps)
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
    known = {op.value for op in Op}
    for op in chosen:
        kind = _asked_for(op.kind)
        if kind not in known:  # never touched
            continue
        scope = f"^{re.escape(op.name)};$"
        if op.kind in WITH_WEIGHTS:
            quantizer.add_weight_only_config(scope, Op(kind), num_bits=8)
        else:
            quantizer.update_quantization_recipe(scope, Op(kind), algorithm_key="no_quantize")
