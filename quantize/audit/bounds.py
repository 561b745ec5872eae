"""Which values an op can write at all, whatever the picture: interval arithmetic over the graph.

An activation whose range ends where its values must end (a ReLU's at zero) is not saturated there.
"""

import math
from itertools import product
from types import MappingProxyType

import numpy as np

from quantize.graph import Graph, Op, Value

Bounds = tuple[float, float]
UNKNOWN: Bounds = (-math.inf, math.inf)

# As ops of their own and, some of them, fused into others.
_OWN: MappingProxyType[str, Bounds] = MappingProxyType({
    "RELU": (0, math.inf),
    "RELU6": (0, 6),
    "RELU_N1_TO_1": (-1, 1),
    "HARD_SWISH": (-0.375, math.inf),  # x * relu6(x + 3) / 6 is smallest at x = -1.5
    "LOGISTIC": (0, 1),
    "SOFTMAX": (0, 1),
    "TANH": (-1, 1),
})  # fmt: skip
# What they write lies between the smallest and the largest of what they read.
_BETWEEN = frozenset({
    "AVERAGE_POOL_2D", "CONCATENATION", "DEQUANTIZE", "MAX_POOL_2D", "MEAN", "PAD", "QUANTIZE",
    "RESHAPE", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "SLICE", "STRIDED_SLICE", "TRANSPOSE",
})  # fmt: skip


def bounds(graph: Graph, tensor: int) -> Bounds:
    """The smallest and the largest value that a tensor can hold."""
    value = graph.values[tensor]
    op = graph.writer.get(tensor)
    if op is None:
        return UNKNOWN if value.constant is None else _of_constant(value)
    if op.kind in _OWN:
        return _OWN[op.kind]
    low, high = _computed(graph, op)
    least, most = _OWN.get(op.activation, UNKNOWN)
    return max(low, least), min(high, most)


def _computed(graph: Graph, op: Op) -> Bounds:
    """Before the activation that is fused into the op."""
    if op.kind in ("ADD", "MUL"):
        (a, b), (c, d) = (bounds(graph, i) for i in op.inputs)
        if op.kind == "ADD":
            return a + c, b + d
        products = [0.0 if 0 in pair else pair[0] * pair[1] for pair in product((a, b), (c, d))]
        return min(products), max(products)
    if op.kind not in _BETWEEN:
        return UNKNOWN
    read = [bounds(graph, i) for i in op.inputs if i >= 0 and _is_data(graph.values[i])]
    return min(low for low, _ in read), max(high for _, high in read)


def _is_data(value: Value) -> bool:
    """Neither a shape nor an axis."""
    return value.is_float or value.scales.size > 0


def _of_constant(value: Value) -> Bounds:
    content = np.asarray(value.constant, np.float64)
    if value.scales.size == 1:
        content = (content - value.zero_points[0]) * value.scales[0]
    return float(content.min(initial=math.inf)), float(content.max(initial=-math.inf))
