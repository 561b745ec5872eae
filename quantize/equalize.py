"""Channels of like size, so that one scale for all of them fits each.

An int8 activation has one scale, however differently its channels spread. Where nothing but linear
ops and ReLU lie between layers, a channel may be scaled in what writes it and scaled back in what
reads it: the float file computes the same.

    x'_c = k_c x_c,   W'_c = W_c / k_c,   k_c = sqrt(w_c / a_c)

with a_c what the channel reaches and w_c the largest weight that reads it: both become
sqrt(a_c w_c), so that neither is small beside its neighbours. Tensors that an addition ties share
their k.

Source: Nagel et al. 2019, section 4.1, https://arxiv.org/abs/1906.04721. There a_c is the largest
weight that writes the channel; here weights have a scale for each channel that they write, and it
is the activation that is coarse.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efld import tflite_file
from efld.tflite_file import Model
from quantize.graph import OUTPUT_AXIS, Graph, Op
from quantize.layers import activations
from quantize.weighted import Floats, constant, store

INPUT_AXIS = {"CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 1}
# f(k x) = k f(x) for k above 0, channel by channel: ops, and what may be fused into one.
TIES = frozenset({
    "ADD", "AVERAGE_POOL_2D", "LEAKY_RELU", "MAX_POOL_2D", "PAD", "PRELU", "RELU",
    "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR",
})  # fmt: skip
HOMOGENEOUS = frozenset({"", "RELU"})
MOST = 16.0  # a channel that is hardly ever used must not overflow when it is


@dataclass(frozen=True, eq=False)
class Group:
    """Tensors that share the scale of their channels, what writes them and what reads them."""

    tensors: set[int] = field(default_factory=set)
    writers: list[Op] = field(default_factory=list)
    readers: list[Op] = field(default_factory=list)


def equalize(fp32: Path, crops: NDArray[Any], out: Path) -> int:
    """Writes a float file that computes the same with channels of like size.

    Args:
        crops: `(pictures, input_px, input_px, channels)`, in the input range of the graph.

    Returns:
        How many groups of tensors were scaled.
    """
    model = tflite_file.read(fp32)
    graph = Graph.of(model)
    found = list(groups(graph))
    largest = _largest(fp32, crops, [graph.values[i].name for one in found for i in one.tensors])
    for one in found:
        reached = np.max([largest[graph.values[i].name] for i in one.tensors], axis=0)
        _scale(model, one, _factors(graph, one, reached))
    tflite_file.write(model, out)
    return len(found)


def groups(graph: Graph) -> Iterator[Group]:
    """The groups of tensors whose channels can be scaled."""
    known: set[int] = set()
    for op in graph.ops:
        for tensor in op.outputs:
            if tensor not in known and len(graph.values[tensor].shape) > 1:
                found = _group(graph, tensor)
                known |= found.tensors
                if _can_be_scaled(graph, found):
                    yield found


def _group(graph: Graph, tensor: int) -> Group:
    """All that is tied to a tensor."""
    found, waiting = Group(), [tensor]
    while waiting:
        if (one := waiting.pop()) in found.tensors:
            continue
        found.tensors.add(one)
        for op in _around(graph, one):
            if op.kind in TIES:
                waiting += [i for i in (*op.inputs, *op.outputs) if not _is_constant(graph, i)]
            elif one in op.outputs:
                found.writers.append(op)
            else:
                found.readers.append(op)
    return found


def _is_constant(graph: Graph, tensor: int) -> bool:
    return tensor < 0 or graph.values[tensor].constant is not None


def _can_be_scaled(graph: Graph, found: Group) -> bool:
    tied = {id(op): op for i in found.tensors for op in _around(graph, i) if op.kind in TIES}
    return (
        not found.tensors & {*graph.inputs, *graph.outputs}
        and len({graph.values[i].shape[-1] for i in found.tensors}) == 1
        and all(graph.writer.get(i) for i in found.tensors)
        and all(op.activation in HOMOGENEOUS and _adds_tensors(graph, op) for op in tied.values())
        and all(op.activation in HOMOGENEOUS and _owns_weights(graph, op) for op in found.writers)
        and all(op.kind in INPUT_AXIS and _owns_weights(graph, op) for op in found.readers)
        and all(op.inputs[0] in found.tensors and _reads_all(graph, op) for op in found.readers)
        and bool(found.readers)
    )


def _around(graph: Graph, tensor: int) -> Iterator[Op]:
    """What writes a tensor, unless that is the graph's input, and what reads it."""
    if (writer := graph.writer.get(tensor)) is not None:
        yield writer
    yield from graph.readers.get(tensor, ())


def _adds_tensors(graph: Graph, op: Op) -> bool:
    """Whether an addition adds no constant, which would have to be scaled, too."""
    return op.kind != "ADD" or not any(_is_constant(graph, i) for i in op.inputs)


def _owns_weights(graph: Graph, op: Op) -> bool:
    """Whether float weights are there, and no other op reads them or the bias."""
    if op.kind not in INPUT_AXIS or (weights := graph.weights(op)) is None or not weights.is_float:
        return False
    return all(len(graph.readers[i]) == 1 for i in op.inputs[1:] if i >= 0)


def _reads_all(graph: Graph, op: Op) -> bool:
    """Whether each channel has its place in the weights: no groups, no flattening before."""
    weights, given = graph.weights(op), graph.values[op.inputs[0]]
    return weights is not None and weights.shape[INPUT_AXIS[op.kind]] == given.shape[-1]


def _largest(fp32: Path, crops: NDArray[Any], names: list[str]) -> dict[str, Floats]:
    """What each channel of a tensor reaches on a picture, on average."""
    sums: dict[str, Floats] = {}
    for tensors in activations(fp32, crops) if names else ():
        for name in names:
            values = np.abs(tensors[name])
            reached = values.reshape(-1, values.shape[-1]).max(axis=0).astype(np.float64)
            sums[name] = sums.get(name, np.float64(0)) + reached
    return {name: total / len(crops) for name, total in sums.items()}


def _factors(graph: Graph, one: Group, reached: Floats) -> Floats:
    """By channel, what its values are multiplied by; 1 for one that is never used."""
    read = np.max([_read(graph, op) for op in one.readers], axis=0)
    used = (reached > 0) & (read > 0)
    factors = np.ones(len(reached))
    factors[used] = np.sqrt(read[used] / reached[used])
    if all(op.kind == "DEPTHWISE_CONV_2D" for op in one.readers):
        factors[used] = 1 / reached[used]  # each channel's weights have a scale of their own
    factors[used] /= np.exp(np.log(factors[used]).mean())
    return np.asarray(np.clip(factors, 1 / MOST, MOST))


def _read(graph: Graph, op: Op) -> Floats:
    """The largest weight that reads each channel, as a share of what its scale is for."""
    weights = np.abs(np.asarray(graph.values[op.inputs[1]].constant, np.float64))
    sides = tuple(range(weights.ndim))
    out, given = OUTPUT_AXIS[op.kind], INPUT_AXIS[op.kind]
    scales = weights.max(axis=tuple(i for i in sides if i != out), keepdims=True)
    shares = weights / np.where(scales > 0, scales, 1)
    return np.asarray(shares.max(axis=tuple(i for i in sides if i != given)))


def _scale(model: Model, one: Group, factors: Floats) -> None:
    for op in one.writers:
        _multiply(model, op.inputs[1], factors, OUTPUT_AXIS[op.kind])
        if len(op.inputs) > 2 and op.inputs[2] >= 0:
            _multiply(model, op.inputs[2], factors, 0)
    for op in one.readers:
        _multiply(model, op.inputs[1], 1 / factors, INPUT_AXIS[op.kind])


def _multiply(model: Model, index: int, factors: Floats, axis: int) -> None:
    tensor = model.subgraphs[0].tensors[index]
    values = constant(model, tensor)
    sides = [1] * values.ndim
    sides[axis] = -1
    store(model, tensor, (values * factors.reshape(sides)).astype(np.float32))
