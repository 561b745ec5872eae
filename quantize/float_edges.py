"""A .tflite with int8 edges, run as if they were floats."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efld import tflite_file
from efld.sessions import Arrays, Delegation, Session, open_session


class FloatEdges(Session):
    """Rounds what goes in and turns what comes out to floats, by the file's own scales."""

    def __init__(self, path: Path) -> None:
        self._session = open_session(path)
        self.runtime = self._session.runtime
        graph = tflite_file.read(path).subgraphs[0]
        self._scales = {
            tflite_file.tensor_name(graph.tensors[i]): _scale(graph.tensors[i].quantization)
            for i in (*graph.inputs, *graph.outputs)
        }
        self.inputs, self.outputs = (
            tuple(replace(edge, dtype="float32") for edge in edges)
            for edges in (self._session.inputs, self._session.outputs)
        )

    def run(self, feeds: Arrays) -> list[NDArray[Any]]:
        found = self._session.run(self._rounded(feeds))
        return [
            self._exact(edge.name, values)
            for edge, values in zip(self.outputs, found, strict=True)
        ]  # fmt: skip

    def bind(self, feeds: Arrays) -> Callable[[], object]:
        return self._session.bind(self._rounded(feeds))

    def delegation(self) -> Delegation | None:
        return self._session.delegation()

    def _rounded(self, feeds: Arrays) -> dict[str, NDArray[Any]]:
        rounded = dict(feeds)
        for edge in self._session.inputs:
            if edge.dtype != "float32":
                scale, zero = self._scales[edge.name]
                limits = np.iinfo(edge.dtype)
                whole = np.rint(feeds[edge.name] / scale) + zero
                rounded[edge.name] = whole.clip(limits.min, limits.max).astype(edge.dtype)
        return rounded

    def _exact(self, name: str, values: NDArray[Any]) -> NDArray[Any]:
        scale, zero = self._scales[name]
        return values if values.dtype == np.float32 else (values.astype(np.float32) - zero) * scale


def _scale(quantization: Any) -> tuple[np.float32, int]:
    if quantization is None or quantization.scale is None:
        return np.float32(1), 0
    return np.float32(quantization.scale[0]), int(quantization.zeroPoint[0])
