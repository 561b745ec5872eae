"""Which ops compute in int8, which stay float, and why.

A rule by hand, checked by the gate on every run: `quantize.json` holds what it cost. Where it costs
too much, `quantize.search` finds another choice. Whatever stays float stores its weights in int8
all the same.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from efld.tflite_file import Model
from quantize.graph import Graph

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
    layer itself where only a reshape follows. Heat maps of a mirrored model are read in float in
    both looks.

    Args:
        no_kernel: kinds of ops without an int8 kernel.
    """
    graph = Graph.of(model)
    ops = graph.ops
    return [FloatOp(graph.name(ops[i]), ops[i].kind, why) for i, why in chosen(graph, no_kernel)]


def unquantizable(kinds: Sequence[str]) -> frozenset[str]:
    """The kinds among `kinds` that cannot be int8 here, whatever a graph looks like."""
    from ai_edge_quantizer.qtyping import TFLOperationName

    known = {op.value for op in TFLOperationName}
    return NO_INT8_KERNEL.union(kind for kind in kinds if _asked_for(kind) not in known)


def _asked_for(kind: str) -> str:
    """What ai-edge-quantizer calls an op."""
    return "CONV_2D_TRANSPOSE" if kind == "TRANSPOSE_CONV" else kind


def chosen(graph: Graph, no_kernel: frozenset[str] = NO_INT8_KERNEL) -> Iterator[tuple[int, Why]]:
    """Indices of the ops that stay float, in order."""
    head, gates, tail = _head(graph), _gates(graph, no_kernel), _tail(graph)
    for i, op in enumerate(graph.ops):
        if op.kind in no_kernel:
            yield i, "kernel"
        elif i in head:
            yield i, "head"
        elif i in gates:
            yield i, "gate"
        elif i in tail:
            yield i, "tail"


def _head(graph: Graph) -> set[int]:
    """All up to the first depthwise convolution; a mirrored model has two."""
    depthwise = graph.of_kind("DEPTHWISE_CONV_2D")
    behind = {i for one in depthwise for i in graph.after([one]) - {one}}
    return graph.before(i for i in depthwise if i not in behind)


def _gates(graph: Graph, no_kernel: frozenset[str]) -> set[int]:
    """Squeeze-excite behind a float activation, from the MEAN to the MUL; else the MEAN alone."""
    found: set[int] = set()
    for start in graph.of_kind("MEAN"):
        scaled = graph.ops[start].inputs[0]
        writer = graph.writer.get(scaled)
        if writer is not None and writer.kind in no_kernel:
            behind = graph.after([start])
            products = [i for i in graph.of_kind("MUL") if scaled in graph.ops[i].inputs]
            end = next((i for i in products if i in behind), start)
            found |= behind & graph.before([end])
    return found


def _tail(graph: Graph) -> set[int]:
    """What writes the landmarks; converters may fold the mean shape into the dense layer."""
    if starts := set(_read_maps(graph)):
        return graph.after(starts)
    dense = graph.of_kind("FULLY_CONNECTED")
    if not dense:
        return set()
    folded = {op.kind for op in graph.ops[dense[-1] + 1 :]} <= {"RESHAPE"}
    return set(range(dense[-1] if folded else dense[-1] + 1, len(graph.ops)))


def _read_maps(graph: Graph) -> Iterator[int]:
    """The reshapes of finished heat maps on their way to a softmax."""
    unfinished = graph.before(graph.of_kind("CONV_2D"))
    for softmax in graph.of_kind("SOFTMAX"):
        reshapes = graph.before([softmax]).intersection(graph.of_kind("RESHAPE")) - unfinished
        if reshapes:
            yield min(reshapes)


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
