"""Fewer bytes for an int8 file of a narrow net, whose scales and names weigh a fifth of it."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from efld import tflite_file
from efld.tflite_file import Model
from quantize.audit.scales import COARSE_SHARE, FEW_STEPS, LARGEST_STEP
from quantize.graph import CONVERSIONS
from quantize.rounding import best
from quantize.weighted import Layer

LEAST_STEPS = 8  # of 127, for any channel that has weights at all


def share_scales(layers: Iterable[Layer]) -> None:
    """Gives a layer one scale for all its output channels where none loses much by it.

    A scale for each channel costs 8 bytes of it: the weights' and the bias's. It is needed where
    channels differ in size: a layer keeps its scales when the common one would leave a tenth of the
    channels fewer than 16 of 127 steps, or any of them fewer than 8. Dense layers keep them, too:
    they write the landmarks, and their scales are few beside their weights.
    """
    readers: dict[int, list[Layer]] = {}  # of the same weights
    for layer in layers:
        readers.setdefault(id(layer.stored), []).append(layer)
    for first, *others in readers.values():
        several = len(first.stored.quantization.scale) > 1
        if several and first.kind != "FULLY_CONNECTED" and _alike(_largest(first)):
            whole, scales = best(first.weights.reshape(1, -1).astype(np.float32), 0)
            for layer in (first, *others):
                layer.set_scale(scales[0], whole)


def _largest(layer: Layer) -> NDArray[np.float64]:
    """The largest weight of each output channel."""
    others = tuple(i for i in range(layer.weights.ndim) if i != layer.axis)
    return np.asarray(np.abs(layer.weights).max(axis=others))


def _alike(largest: NDArray[np.float64]) -> bool:
    if not largest.any():
        return False
    steps = LARGEST_STEP * largest / largest.max()
    few = float((steps < FEW_STEPS).mean())
    return few <= COARSE_SHARE and bool((steps[steps > 0] >= LEAST_STEPS).all())


def shorten_names(model: Model) -> None:
    """Numbers the tensors whose names say nothing: constants, and what only changes its dtype.

    The names of what ops compute stay: they are those of the float file.
    """
    graph = model.subgraphs[0]
    named = {*map(int, graph.inputs), *map(int, graph.outputs)}
    for op in graph.operators:
        if tflite_file.op_name(model, op) not in CONVERSIONS:
            named.update(map(int, op.outputs))
    for i, tensor in enumerate(graph.tensors):
        if i not in named:
            tensor.name = str(i)
