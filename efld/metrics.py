"""Landmark metrics. Every error is in percent of a named normaliser; thresholds are in percent too.

Formulas: NME as in the 300-W challenge (Sagonas et al., 2016); CED, AUC and failure rate as in
Ranjan et al. and the WFLW protocol (Wu et al., 2018).
"""

from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from efld.errors import InputError
from efld.geometry import Points
from efld.schemes import outer_eyes, pupils

Values = NDArray[np.float64]  # (faces,)
Normaliser = Literal["inter-ocular", "inter-pupil", "box"]

THRESHOLD_PERCENT = 8.0  # the 300-W challenge's 0.08


def inter_ocular(points: Points, scheme_name: str) -> Values:
    """Distance of the outer eye corners.

    Args:
        points: `(faces, points, 2)`, any unit.

    Returns:
        `(faces,)` in that unit.
    """
    left, right = outer_eyes(scheme_name)
    return _distance(points[:, left], points[:, right])


def inter_pupil(points: Points, scheme_name: str) -> Values:
    """Distance of the eye centres, each the mean of its eye's points. Shapes as `inter_ocular`."""
    left, right = (
        points[:, list(eye)].mean(axis=1, dtype=np.float64) for eye in pupils(scheme_name)
    )
    return _distance(left, right)


def box_size(points: Points, scheme_name: str) -> Values:  # noqa: ARG001  (one type for all)
    """`sqrt(width * height)` of the landmarks' box. Shapes as `inter_ocular`."""
    width, height = np.ptp(points.astype(np.float64), axis=1).T
    return np.asarray(np.sqrt(width * height), np.float64)


def _distance(a: NDArray[Any], b: NDArray[Any]) -> Values:
    return np.asarray(np.linalg.norm(a.astype(np.float64) - b, axis=-1), np.float64)


NORMALISERS: MappingProxyType[Normaliser, Callable[[Points, str], Values]] = MappingProxyType(
    {"inter-ocular": inter_ocular, "inter-pupil": inter_pupil, "box": box_size}
)


def nme_percent(
    predicted: Points, truth: Points, scheme_name: str, normaliser: Normaliser = "inter-ocular"
) -> Values:
    """Normalised mean error of each face.

        nme = 100 * mean over points of |predicted - truth| / d(truth)

    Args:
        predicted, truth: `(faces, points, 2)`, one unit.

    Returns:
        `(faces,)` percent.

    Raises:
        ValueError: shapes differ.
        InputError: a face whose normaliser is zero.
    """
    if predicted.shape != truth.shape:
        raise ValueError(f"predicted {predicted.shape}, truth {truth.shape}: expected one shape")
    size = NORMALISERS[normaliser](truth, scheme_name)
    if not (size > 0).all():
        face = int(np.flatnonzero(~(size > 0))[0])
        raise InputError(f"face {face}: {normaliser} distance {size[face]}, expected above 0.")
    return np.asarray(100 * _distance(predicted, truth).mean(axis=1) / size, np.float64)


def ced(errors_percent: Values, at_percent: Values) -> Values:
    """Cumulative error distribution: the share of faces, 0..1, with an error of at most each value.

    Args:
        errors_percent: `(faces,)`.
        at_percent: `(values,)`.

    Returns:
        `(values,)`.
    """
    ordered = np.sort(_some(errors_percent))
    return np.searchsorted(ordered, at_percent, side="right") / len(ordered)


def auc(errors_percent: Values, threshold_percent: float = THRESHOLD_PERCENT) -> float:
    """Area under the CED up to a threshold, divided by the threshold: 0..1, higher is better.

        auc = (1 / t) * integral of ced from 0 to t = mean(max(0, 1 - error / t))

    The CED is a staircase, so this is exact; Simpson's rule with step 1e-4, as often used, agrees
    to that step.
    """
    return float(np.maximum(0, 1 - _some(errors_percent) / threshold_percent).mean())


def failure_rate(errors_percent: Values, threshold_percent: float = THRESHOLD_PERCENT) -> float:
    """Share of faces, 0..1, with an error above the threshold: `1 - ced(threshold)`."""
    return float((_some(errors_percent) > threshold_percent).mean())


def _some(errors_percent: Values) -> Values:
    """NaN would count as a success here and as a failure there: refuse it."""
    if not errors_percent.size or not np.isfinite(errors_percent).all():
        raise ValueError(f"expected finite errors of at least one face, found {errors_percent}")
    return errors_percent
