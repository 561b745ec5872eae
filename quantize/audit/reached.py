"""What the activations of a float file reach on pictures."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantize.graph import Graph
from quantize.layers import Values, activations

COMMON_SHARE = 0.999
COMMON_VALUES = 1000  # in a tensor, at least: of fewer, nobody stays outside that share


@dataclass
class Reached:
    """What activations reached on pictures, by tensor name."""

    low: dict[str, float] = field(default_factory=dict)
    high: dict[str, float] = field(default_factory=dict)
    common: dict[str, list[float]] = field(default_factory=dict)  # 99.9 % stay below, by picture
    columns: dict[str, Values] = field(default_factory=dict)  # largest absolute value of each

    def add(self, name: str, values: Values) -> None:
        """Notes one picture's values."""
        self.low[name] = min(float(values.min()), self.low.get(name, np.inf))
        self.high[name] = max(float(values.max()), self.high.get(name, -np.inf))
        if values.size >= COMMON_VALUES:
            share = float(np.quantile(np.abs(values), COMMON_SHARE))
            self.common.setdefault(name, []).append(share)

    def largest(self, name: str) -> float:
        return max(-self.low[name], self.high[name])

    def width(self, name: str) -> float:
        """Of the range with zero in it, as a scale must span it."""
        return max(self.high[name], 0.0) - min(self.low[name], 0.0)


def reached(file: Path, graph: Graph, crops: NDArray[Any]) -> Reached:
    """Runs a float file.

    Args:
        crops: `(pictures, input_px, input_px, channels)`, in the input range of the graph.
    """
    found = Reached()
    outputs = {graph.values[i].name for i in graph.outputs}
    for tensors in activations(file, crops):
        for name, values in tensors.items():
            found.add(name, values)
            if name in outputs:
                column = np.abs(values).ravel()
                found.columns[name] = np.maximum(column, found.columns.get(name, column))
    return found
