"""Weights of float ops, rounded to int8 with the best scale instead of the usual one.

ai-edge-quantizer takes `largest / 127` as a channel's scale. Any `largest / k`, k up to 127, holds
the channel as well, and some hold it better: weights that lie on a grid, such as the places that a
heat map is read with, without any error at all.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efld import tflite_file
from efld.tflite_file import Model
from quantize.weighted import FLOAT32, constant

LEVELS = 127  # int8 without -128, so that a channel's sign costs nothing

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Rounding:
    """Int8 weights of one float file."""

    fp32: Path

    @functools.cached_property
    def _weights(self) -> dict[str, Floats]:
        model = tflite_file.read(self.fp32)
        return {
            tflite_file.tensor_name(tensor): constant(model, tensor)
            for tensor in model.subgraphs[0].tensors
            if tensor.type == FLOAT32 and model.buffers[tensor.buffer].data is not None
        }

    @functools.cached_property
    def _known(self) -> dict[tuple[str, int], tuple[NDArray[np.int8], Floats]]:
        return {}

    def improve(self, made: Model) -> None:
        """Gives the weights that `made` turns to floats before use the scales that suit them best.

        Others are left: their scale is part of their bias, too.
        """
        for tensor in _dequantized(made):
            name, axis = tflite_file.tensor_name(tensor), tensor.quantization.quantizedDimension
            if name not in self._weights:
                continue
            if (name, axis) not in self._known:
                self._known[name, axis] = best(self._weights[name], axis)
            whole, scales = self._known[name, axis]
            made.buffers[tensor.buffer].data = whole.view(np.uint8).ravel()
            tensor.quantization.scale = scales


def _dequantized(made: Model) -> Iterator[Any]:
    graph = made.subgraphs[0]
    kinds = [tflite_file.op_name(made, op) for op in graph.operators]
    ops = list(zip(kinds, graph.operators, strict=True))
    as_they_are = {int(i) for kind, op in ops if kind != "DEQUANTIZE" for i in op.inputs}
    for kind, op in ops:
        if kind == "DEQUANTIZE" and int(op.inputs[0]) not in as_they_are:
            tensor = graph.tensors[op.inputs[0]]
            scales = tensor.quantization.scale
            per_channel = len(scales) == tensor.shape[tensor.quantization.quantizedDimension]
            if made.buffers[tensor.buffer].data is not None and per_channel:
                yield tensor


def best(weights: Floats, axis: int) -> tuple[NDArray[np.int8], Floats]:
    """Int8 weights and the scale of each channel whose squared error is least.

    Args:
        axis: of the channels.
    """
    channels = np.moveaxis(weights, axis, 0)
    rows = channels.reshape(len(channels), -1)
    largest = np.abs(rows).max(axis=1)
    largest[largest == 0] = 1
    scales, least = largest / LEVELS, np.full(len(rows), np.inf)
    for level in range(LEVELS, 0, -1):  # from fine to coarse: an equal error keeps the finer
        scale = (largest / level).astype(np.float32)
        rounded = np.rint(rows / scale[:, None]) * scale[:, None]
        error = np.square(rounded - rows, dtype=np.float64).sum(axis=1)
        better = error < least
        scales[better], least[better] = scale[better], error[better]
    whole = np.rint(rows / scales[:, None]).astype(np.int8).reshape(channels.shape)
    return np.ascontiguousarray(np.moveaxis(whole, 0, axis)), scales.astype(np.float32)
