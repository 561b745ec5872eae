"""Random input that fits any graph."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efld.errors import InputError
from efld.sessions import Edge, Session

Feeds = dict[str, NDArray[Any]]

INPUT_HIGH = {"uint8": 256, "int8": 128}  # random integers below; other integers may be indices


def random_feeds(session: Session, path: Path, seed: int = 0, high: float = 1.0) -> Feeds:
    """Floats from 0 to `high`, bytes over their range, other integers 0 or 1.

    Where a graph takes batches of any size, it gets one of 1.

    Raises:
        InputError: an input of no fixed size, or not of numbers.
    """
    generator = np.random.default_rng(seed)
    return {edge.name: _random(edge, path, high, generator) for edge in session.inputs}


def _random(edge: Edge, path: Path, high: float, generator: np.random.Generator) -> NDArray[Any]:
    shape = [1 if side is None and axis == 0 else side for axis, side in enumerate(edge.shape)]
    sides = [side for side in shape if side is not None]
    if len(sides) < len(shape):
        raise InputError(f"{path}: input {edge}, expected fixed sizes (the batch alone may vary).")
    try:
        dtype = np.dtype(edge.dtype)
    except TypeError:
        raise InputError(f"{path}: input {edge}, expected numbers.") from None
    if dtype.kind == "f":
        return (high * generator.random(sides)).astype(dtype)
    return generator.integers(0, INPUT_HIGH.get(dtype.name, 2), sides).astype(dtype)
