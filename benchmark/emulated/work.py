"""Multiply-adds of a .tflite graph, and how well instructions are used for them."""

import math
from collections.abc import Mapping
from typing import Any

from efld import tflite_file

# Multiply-adds that one instruction of a class does. SMULL and SMLAL: on bytes, as XNNPACK has
# them.
LANES = {"fmla_f32": 4, "fmla_f16": 8, "sdot": 16, "smmla": 32, "smull": 8}


def shape(graph: Any, tensor: int) -> tuple[int, ...]:
    """The sides of a tensor; () for a scalar, and for -1, an input that is left out."""
    sides = graph.tensors[tensor].shape if tensor >= 0 else None
    return () if sides is None else tuple(int(side) for side in sides)


def op_multiply_adds(model: Any, graph: Any, op: Any) -> int:
    """Multiply-adds of one op: convolutions and matrix products; 0 for all others."""
    inputs = [shape(graph, index) for index in op.inputs]
    output = math.prod(shape(graph, op.outputs[0]))
    match tflite_file.op_name(model, op):
        case "CONV_2D":  # weights (out, height, width, in of a group)
            return output * math.prod(inputs[1][1:])
        case "DEPTHWISE_CONV_2D":  # weights (1, height, width, out)
            return output * math.prod(inputs[1][1:3])
        case "TRANSPOSE_CONV":  # output's sides, weights (out, height, width, in), picture
            return math.prod(inputs[2]) * math.prod(inputs[1][:3])
        case "FULLY_CONNECTED":  # weights (out, in)
            return output * inputs[1][1]
        case "BATCH_MATMUL":
            return output * inputs[0][-2 if op.builtinOptions.adjX else -1]
    return 0


def multiply_adds(model: Any) -> int:
    """Multiply-adds of a file's main graph."""
    graph = model.subgraphs[0]
    return sum(op_multiply_adds(model, graph, op) for op in graph.operators)


def main_class(classes: Mapping[str, int]) -> str:
    """The class of instructions that does most of the multiply-adds."""
    return max(LANES, key=lambda name: LANES[name] * classes[name])


def efficiency(multiply_adds: int, classes: Mapping[str, int], main: str) -> float:
    """What part of the instructions a kernel would need that had nothing but class `main`.

    nan where there are no instructions.
    """
    instructions = sum(classes.values())
    return multiply_adds / LANES[main] / instructions if instructions else math.nan
