"""The ranges of activations, from training faces, and the ways to sum them up."""

import functools
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efld import evaluate
from efld.corrupt import UNCHANGED, Condition
from efld.data.datasets import fitting, hold_out, refuse_test, training_faces
from efld.data.faces import Face
from efld.errors import InputError
from efld.evaluate import Crops, View
from efld.spec import ModelSpec
from quantize.layers import activations

HELD_OUT_SHARE = 0.2  # of the training faces: they choose the method, and calibrate nothing
HELD_OUT_FACES = 400  # at most
RENDERED_SHARE = 2  # rendered training faces for each that calibrates
RENDERED_LEAST = 512  # so that enough of them choose, however few calibrate
BINS = 2048  # of a histogram: eight for each int8 step
INT8_STEPS = 255

Extremes = NDArray[np.float32]  # (pictures, 2): smallest and largest value of a tensor
Range = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Histogram:
    """How often a tensor took which value."""

    low: float
    high: float
    counts: NDArray[np.int64]  # (BINS,) from low to high; what lies outside is in the end ones

    @property
    def centres(self) -> NDArray[np.float64]:
        """Values in the middle of the bins."""
        return self.low + (np.arange(BINS) + 0.5) * (self.high - self.low) / BINS


@dataclass(frozen=True, eq=False)
class Seen:
    """What a tensor was on the calibration crops."""

    extremes: Extremes
    histogram: Histogram  # between bounds that all but the oddest pictures keep
    mean: NDArray[np.float64]  # over the crops, without the batch: (height, width, channels)


OfExtremes = Callable[[Extremes], Range]


@dataclass(frozen=True)
class OfValues:
    """A way to choose a range that looks at all values, and not at each picture's extremes."""

    range: Callable[[Histogram], Range]


Method = OfExtremes | OfValues


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
    check_count(count)
    kept, held_out = hold_out(faces, HELD_OUT_SHARE)
    draw = random.Random(seed)
    chosen = draw.sample(kept, min(count, len(kept)))
    return CalibrationFaces(chosen, draw.sample(held_out, min(HELD_OUT_FACES, len(held_out))))


def check_count(faces: int) -> None:
    """
    Raises:
        InputError: none wanted.
    """
    if faces < 1:
        raise InputError(f"{faces} calibration faces wanted, expected 1 or more.")


def faces_for(
    root: Path | None, scheme: str, split: str, test_ids: Iterable[str], count: int, seed: int
) -> CalibrationFaces:
    """A dataset's training faces, kept apart from those that measure the result.

    Args:
        scheme: the model's points; faces without them are left out.
        split: that measures; "train" and "all" hold the training faces by their nature.
        test_ids, count, seed: as in `pick`.
    """
    # Rendering takes time, and one rendered face is as good as another.
    limit = max(RENDERED_SHARE * count, RENDERED_LEAST) if root is None else None
    apart = () if split in ("train", "all") else test_ids
    faces, _ = fitting(training_faces(root, limit), scheme)
    return pick(faces, apart, count, seed)


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


def observe(float_file: Path, crops: NDArray[Any]) -> dict[str, Seen]:
    """Notes every activation's extremes on each of the crops, then all of its values.

    Two passes, since a histogram needs bounds: one odd picture must not widen them for all. Memory
    is a histogram and two crops' activations, however many crops.

    Args:
        crops: `(pictures, input_px, input_px, channels)`, in the input range of the graph.

    Returns:
        By tensor name.
    """
    found: dict[str, list[Range]] = {}
    sums: dict[str, NDArray[np.float64]] = {}
    for tensors in activations(float_file, crops):
        for name, values in tensors.items():
            found.setdefault(name, []).append((float(values.min()), float(values.max())))
            rows = np.atleast_1d(values).astype(np.float64)
            sums[name] = sums.get(name, np.float64(0)) + rows.mean(axis=0)
    ends = {name: np.array(ranges, np.float32) for name, ranges in found.items()}
    counts = _counts(float_file, crops, {name: WITHIN(own) for name, own in ends.items()})
    return {name: Seen(own, counts[name], sums[name] / len(crops)) for name, own in ends.items()}


def _counts(
    float_file: Path, crops: NDArray[Any], bounds: dict[str, Range]
) -> dict[str, Histogram]:
    counts = {name: np.zeros(BINS, np.int64) for name in bounds}
    for tensors in activations(float_file, crops):
        for name, values in tensors.items():
            low, high = bounds[name]
            place = (values.ravel() - low) * (BINS / (high - low) if high > low else 0)
            bins = place.clip(0, BINS - 1).astype(np.int32)
            counts[name] += np.bincount(bins, minlength=BINS)
    return {name: Histogram(*bounds[name], own) for name, own in counts.items()}


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


WITHIN = functools.partial(quantile, share=0.98)  # bounds of histograms


def value_quantile(seen: Histogram, share: float) -> Range:
    """What all but the largest and smallest values keep; `1 - share` of them go on each side."""
    whole = np.cumsum(seen.counts) / seen.counts.sum()
    edges = np.linspace(seen.low, seen.high, BINS + 1)
    low = np.searchsorted(whole, 1 - share, side="right")
    return float(edges[low]), float(edges[np.searchsorted(whole, share) + 1])


def least_error(seen: Histogram) -> Range:
    """The range whose int8 values are nearest to all values, by the mean squared error.

    A narrow range clips many values, a wide one rounds all of them coarsely. Each end is tried at
    61 places while the other stays, twice over.
    """
    low, high = min(seen.low, 0.0), max(seen.high, 0.0)
    shares = np.linspace(0.4, 1, 61)
    best_low, best_high = low, high
    for _ in range(2 if high > low else 0):
        best_high = high * shares[np.argmin([_error(seen, best_low, high * s) for s in shares])]
        best_low = low * shares[np.argmin([_error(seen, low * s, best_high) for s in shares])]
    return float(best_low), float(best_high)


def _error(seen: Histogram, low: float, high: float) -> float:
    """Summed squared error of int8 values between `low` and `high`."""
    if high <= low:
        return np.inf
    step = (high - low) / INT8_STEPS
    zero = np.rint(-low / step)
    whole = (np.rint(seen.centres / step) + zero).clip(0, INT8_STEPS) - zero
    return float(seen.counts @ np.square(whole * step - seen.centres))


METHODS: MappingProxyType[str, Method] = MappingProxyType({
    "moving-average": moving_average,
    "min-max": min_max,
    "quantile-0.995": functools.partial(quantile, share=0.995),
    "quantile-0.99": functools.partial(quantile, share=0.99),
    "quantile-0.98": functools.partial(quantile, share=0.98),
    "values-0.9999": OfValues(functools.partial(value_quantile, share=0.9999)),
    "values-0.99999": OfValues(functools.partial(value_quantile, share=0.99999)),
    "least-error": OfValues(least_error),
})  # fmt: skip


def ranges(found: Mapping[str, Seen], method: Method) -> dict[str, Range]:
    """The range of every activation, by tensor name."""
    if isinstance(method, OfValues):
        return {name: method.range(seen.histogram) for name, seen in found.items()}
    return {name: method(seen.extremes) for name, seen in found.items()}


def means(found: Mapping[str, Seen]) -> dict[str, NDArray[np.float64]]:
    """The mean of every activation, by tensor name: for `bias.correct`."""
    return {name: seen.mean for name, seen in found.items()}
