"""A latency as a power of the number of instructions, with a factor for the runtime and the phone.

    ms = runtime's ms at 10 M instructions * phone's factor * (instructions / 10 M) ** exponent

The phone of the first point has factor 1. A straight line in logarithms, fitted by least squares;
its errors are those of figures that the fit has not seen.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

UNIT = 1e7  # instructions


class Point(NamedTuple):
    """A net whose latency is known and whose instructions were counted."""

    net: str
    runtime: str
    phone: str
    ms: float
    instructions: int


@dataclass(frozen=True, kw_only=True)
class Fit:
    """The fitted law, and how far off it was."""

    exponent: float
    runtime_ms: dict[str, float]
    phone_factor: dict[str, float]
    cells: tuple[tuple[str, str], ...]  # runtime and phone of which figures are published
    instructions: tuple[int, int]  # fewest and most among the points
    points: int
    point_error: float  # largest |ln(predicted / published)| with that figure left out
    cell_error: float  # the same, with all of a runtime on a phone left out; 0: no such cell

    def ms(self, instructions: float, runtime: str, phone: str) -> tuple[float, float, float]:
        """The estimate, and the interval of the largest error seen in its like."""
        factor = self.runtime_ms[runtime] * self.phone_factor[phone]
        found = factor * (instructions / UNIT) ** self.exponent
        error = 1 + self.error_percent(runtime, phone) / 100
        return found, found / error, found * error

    def covers(self, instructions: int) -> bool:
        """Whether nets of fewer and of more instructions are among the points."""
        low, high = self.instructions
        return low <= instructions <= high

    def error_percent(self, runtime: str, phone: str) -> float:
        """Of a runtime never published on that phone, at least that of any other figure."""
        known = (runtime, phone) in self.cells
        error = self.point_error if known else max(self.point_error, self.cell_error)
        return 100 * (math.exp(error) - 1)


def fit(points: Sequence[Point]) -> Fit:
    """Fits all points: each runtime and phone has one or more of them."""
    runtimes, phones = _names(points)
    law = _law(points, runtimes, phones)
    counts = [point.instructions for point in points]
    factors = [1.0, *np.exp(law[len(runtimes) : -1]).tolist()]
    return Fit(
        exponent=float(law[-1]),
        runtime_ms=dict(zip(runtimes, np.exp(law[: len(runtimes)]).tolist(), strict=True)),
        phone_factor=dict(zip(phones, factors, strict=True)),
        cells=tuple(dict.fromkeys((point.runtime, point.phone) for point in points)),
        instructions=(min(counts), max(counts)),
        points=len(points),
        point_error=max(_unseen_error(points, [point]) for point in points),
        cell_error=max((_unseen_error(points, cell) for cell in _chained(points)), default=0.0),
    )


def _names(points: Sequence[Point]) -> tuple[list[str], list[str]]:
    runtimes = dict.fromkeys(point.runtime for point in points)
    return list(runtimes), list(dict.fromkeys(point.phone for point in points))


def _columns(
    points: Sequence[Point], runtimes: Sequence[str], phones: Sequence[str]
) -> NDArray[np.float64]:
    """`(points, runtimes + phones - 1 + 1)`: which runtime, which phone, logarithm of the count."""
    rows = [
        [
            *(point.runtime == name for name in runtimes),
            *(point.phone == name for name in phones[1:]),
            np.log(point.instructions / UNIT),
        ]
        for point in points
    ]
    return np.array(rows, np.float64)


def _law(
    points: Sequence[Point], runtimes: Sequence[str], phones: Sequence[str]
) -> NDArray[np.float64]:
    logs_ms = np.log(np.array([point.ms for point in points], np.float64))
    law, *_ = np.linalg.lstsq(_columns(points, runtimes, phones), logs_ms, rcond=None)
    return law.astype(np.float64)


def _unseen_error(points: Sequence[Point], left_out: Sequence[Point]) -> float:
    """Largest |ln(predicted / published)| of points that the law was not fitted to."""
    names = _names(points)
    law = _law([point for point in points if point not in left_out], *names)
    published = np.log([point.ms for point in left_out])
    return float(np.abs(_columns(left_out, *names) @ law - published).max())


def _chained(points: Sequence[Point]) -> list[list[Point]]:
    """The figures of one runtime on one phone, where both are known from others."""
    cells = [
        [other for other in points if (other.runtime, other.phone) == cell]
        for cell in dict.fromkeys((point.runtime, point.phone) for point in points)
    ]
    return [cell for cell in cells if _known_otherwise(points, cell)]


def _known_otherwise(points: Sequence[Point], cell: Sequence[Point]) -> bool:
    runtimes, phones = _names([point for point in points if point not in cell])
    return cell[0].runtime in runtimes and cell[0].phone in phones
