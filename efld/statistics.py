"""How far a mean over faces can be trusted: percentile bootstrap, for one model and for two.

Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapter 13. Faces are drawn one by one,
as if independent; several pictures of one person make the true interval wider.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
LEVEL = 0.95
LEAST_FACES = 10  # with fewer, the interval of a bootstrap is far too narrow


class Interval(NamedTuple):
    """A mean and the interval that covers it at `LEVEL`."""

    mean: float
    low: float
    high: float

    @property
    def half(self) -> float:
        """Half of the interval's width."""
        return (self.high - self.low) / 2

    def shown(self, faces: int, digits: int) -> str:
        """ "4.89 ±0.16"; the mean alone where faces are too few for an interval."""
        spread = f" ±{self.half:.{digits}f}" if faces >= LEAST_FACES else ""
        return f"{self.mean:.{digits}f}{spread}"


def interval(values: NDArray[np.float64], seed: int = 0) -> Interval:
    """The mean of `(faces,)` values and its interval. The same numbers in give the same out.

    Raises:
        ValueError: no values, or NaN among them.
    """
    if not values.size or not np.isfinite(values).all():
        raise ValueError(f"expected finite values of at least one face, found {values}")
    rng = np.random.default_rng(seed)
    count = len(values)
    # Row by row: all draws at once would take 16 bytes * RESAMPLES a face.
    means = [values[rng.integers(count, size=count)].mean() for _ in range(RESAMPLES)]
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
    return Interval(float(values.mean()), low, high)


def difference(first: NDArray[np.float64], second: NDArray[np.float64], seed: int = 0) -> Interval:
    """Mean of `first - second`, the errors of two models on the same faces, `(faces,)` each.

    Drawing faces, not models, cancels what makes a face hard for both: the interval is narrower
    than the two models' own.

    Raises:
        ValueError: another number of faces, or as `interval`.
    """
    if first.shape != second.shape:
        raise ValueError(f"{first.shape} and {second.shape}: expected errors of the same faces")
    return interval(first - second, seed)


def verdict(name: str, other: str, found: Interval, faces: int, unit: str = "") -> str:
    """What `found = difference(name's errors, other's)` says, as a sentence."""
    if faces < LEAST_FACES:
        return f"{name} and {other}: {faces} faces are too few to tell, {LEAST_FACES} needed"
    # Two digits of the uncertainty, so that a tiny difference is not "0.00 better".
    digits = min(6, max(2, 1 - math.floor(math.log10(found.half)))) if found.half else 2
    spread = f"± {found.half:.{digits}f}{unit} ({100 * LEVEL:.0f} %)"
    if found.low <= 0 <= found.high:
        mean = round(found.mean, digits) + 0.0  # no "-0.00"
        return f"{name} and {other}: no difference found, {mean:+.{digits}f} {spread}"
    word = "better" if found.mean < 0 else "worse"
    return f"{name} {word} than {other} by {abs(found.mean):.{digits}f} {spread}"
