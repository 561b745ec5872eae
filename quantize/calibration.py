"""The ranges of activations, from training faces, and the ways to sum them up."""

import functools
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efld import evaluate
from efld.corrupt import UNCHANGED, Condition
from efld.data.datasets import hold_out, refuse_test
from efld.data.faces import Face
from efld.errors import InputError
from efld.evaluate import Crops, View
from efld.spec import ModelSpec
from quantize.layers import activations

HELD_OUT_SHARE = 0.2  # of the training faces: they choose the method, and calibrate nothing
HELD_OUT_FACES = 400  # at most

Extremes = NDArray[np.float32]  # (pictures, 2): smallest and largest value of a tensor
Range = tuple[float, float]
Method = Callable[[Extremes], Range]


@dataclass(frozen=True, eq=False)
class CalibrationFaces:
    """Training faces only, disjoint."""

    calibrate: list[Face]
    choose: list[Face]  # where the methods are compared

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(face.id for face in self.calibrate)


def pick(faces: Sequence[Face], test_ids: Iterable[str], count: int, seed: int) -> CalibrationFaces:
    """Draws up to `count` calibration faces from training faces.

    Args:
        test_ids: ids of the faces that measure the result.

    Raises:
        InputError: a test face among `faces`, or none wanted.
    """
    refuse_test(faces, "calibration")
    if shared := {face.id for face in faces} & set(test_ids):
        raise InputError(
            f"{min(shared)}: the result is measured on it ({len(shared)} such faces), refused for "
            "calibration. Measure on another split."
        )
    kept, held_out = hold_out(faces, HELD_OUT_SHARE)
    if count < 1:
        raise InputError(f"{count} calibration faces wanted, expected 1 or more.")
    draw = random.Random(seed)
    chosen = draw.sample(kept, min(count, len(kept)))
    return CalibrationFaces(chosen, draw.sample(held_out, min(HELD_OUT_FACES, len(held_out))))


# A detector's box is off; ranges from exact boxes alone do not hold there.
BOXES = (
    UNCHANGED,
    Condition("calibration: box shifted", shift=0.08),
    Condition("calibration: box smaller", scale=0.92),
    Condition("calibration: box larger", scale=1.08),
)


def cut(faces: Sequence[Face], spec: ModelSpec) -> Crops:
    """Crops of faces whose boxes are in turn exact and off as in `BOXES`.

    Raises:
        InputError: as `evaluate.cut`.
    """
    evaluate.check_fit(faces, spec)
    parts = []
    for i, condition in enumerate(BOXES[: len(faces)]):
        view = View.of(spec, condition)
        parts.append(evaluate.cut_views(faces[i :: len(BOXES)], [view])[view])
    return Crops(
        images=np.concatenate([part.images for part in parts]),
        truth=np.concatenate([part.truth for part in parts]),
        ids=tuple(name for part in parts for name in part.ids),
    )


def extremes(float_file: Path, crops: NDArray[Any]) -> dict[str, Extremes]:
    """Notes every activation's extremes on each of the crops.

    Args:
        crops: `(pictures, input_px, input_px, channels)`, in the input range of the graph.

    Returns:
        By tensor name, `(pictures, 2)`.
    """
    found: dict[str, list[Range]] = {}
    for tensors in activations(float_file, crops):
        for name, values in tensors.items():
            found.setdefault(name, []).append((float(values.min()), float(values.max())))
    return {name: np.array(ranges, np.float32) for name, ranges in found.items()}


def min_max(ranges: Extremes) -> Range:
    """What any picture reached: one odd picture coarsens the step for all."""
    return float(ranges[:, 0].min()), float(ranges[:, 1].max())


def moving_average(ranges: Extremes, smoothing: float = 0.95) -> Range:
    """ai-edge-quantizer's default, which depends on the order of the pictures."""
    low, high = functools.reduce(
        lambda old, new: smoothing * old + (1 - smoothing) * new, ranges.astype(np.float64)
    )
    return float(low), float(high)


def quantile(ranges: Extremes, share: float) -> Range:
    """What all but the oddest pictures reached; the order of the pictures does not matter."""
    low, high = np.quantile(ranges[:, 0], 1 - share), np.quantile(ranges[:, 1], share)
    return float(low), float(high)


METHODS: MappingProxyType[str, Method] = MappingProxyType({
    "moving-average": moving_average,
    "min-max": min_max,
    "quantile-0.995": functools.partial(quantile, share=0.995),
    "quantile-0.99": functools.partial(quantile, share=0.99),
    "quantile-0.98": functools.partial(quantile, share=0.98),
})  # fmt: skip


def ranges(found: dict[str, Extremes], method: Method) -> dict[str, Range]:
    """The range of every activation, by tensor name."""
    return {name: method(values) for name, values in found.items()}
