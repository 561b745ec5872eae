"""Landmark metrics. Every error is in percent of a named normaliser; thresholds are in percent too.

Formulas: NME as in the 300-W challenge (Sagonas et al., 2016); CED, AUC and failure rate as in
Ranjan et al. and the WFLW protocol (Wu et al., 2018). A point that is NaN in the truth is not
annotated: no mean counts it, and a mean over no points at all is NaN.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from efld.errors import InputError
from efld.geometry import Points
from efld.schemes import outer_eyes, pupils, scheme

Values = NDArray[np.float64]  # (faces,)
Normaliser = Literal["inter-ocular", "inter-pupil", "box", "diagonal"]

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
    width, height = _sides(points)
    return np.asarray(np.sqrt(width * height), np.float64)


def diagonal(points: Points, scheme_name: str) -> Values:  # noqa: ARG001
    """`sqrt(width² + height²)` of the landmarks' box. Shapes as `inter_ocular`."""
    return np.asarray(np.hypot(*_sides(points)), np.float64)


def _sides(points: Points) -> NDArray[np.float64]:
    """Width and height of the box of the annotated points, `(2, faces)`."""
    exact = points.astype(np.float64)
    return (np.fmax.reduce(exact, axis=1) - np.fmin.reduce(exact, axis=1)).T


def _distance(a: NDArray[Any], b: NDArray[Any]) -> Values:
    return np.asarray(np.linalg.norm(a.astype(np.float64) - b, axis=-1), np.float64)


NORMALISERS: MappingProxyType[Normaliser, Callable[[Points, str], Values]] = MappingProxyType({
    "inter-ocular": inter_ocular,
    "inter-pupil": inter_pupil,
    "box": box_size,
    "diagonal": diagonal,
})  # fmt: skip


MEANING: MappingProxyType[Normaliser, str] = MappingProxyType({
    "inter-ocular": "distance of the outer eye corners",
    "inter-pupil": "distance of the eye centres",
    "box": "size of the landmarks' box, sqrt(width * height)",
    "diagonal": "diagonal of the landmarks' box",
})  # fmt: skip


def point_errors_percent(
    predicted: Points, truth: Points, scheme_name: str, normaliser: Normaliser = "inter-ocular"
) -> NDArray[np.float64]:
    """Distance of each point from the truth, in percent of the face's normaliser.

    Args:
        predicted, truth: `(faces, points, 2)`, one unit; truth is NaN where not annotated.

    Returns:
        `(faces, points)` percent, NaN where not annotated.

    Raises:
        ValueError: shapes differ, or a prediction is NaN or infinite.
        InputError: a face whose normaliser is zero or rests on a point that is not annotated.
    """
    if predicted.shape != truth.shape:
        raise ValueError(f"predicted {predicted.shape}, truth {truth.shape}: expected one shape")
    if not np.isfinite(predicted).all():
        raise ValueError("predicted NaN or infinity, expected finite points")
    size = NORMALISERS[normaliser](truth, scheme_name)
    if not (size > 0).all():
        face = int(np.flatnonzero(~(size > 0))[0])
        raise InputError(
            f"face {face}: {normaliser} distance {size[face]}, expected above 0. "
            "Choose another normaliser or leave the face out."
        )
    return 100 * _distance(predicted, truth) / size[:, None]


def nme_percent(
    predicted: Points, truth: Points, scheme_name: str, normaliser: Normaliser = "inter-ocular"
) -> Values:
    """Normalised mean error of each face, `(faces,)` percent.

        nme = 100 * mean over annotated points of |predicted - truth| / d(truth)

    Arguments and errors as `point_errors_percent`.
    """
    return mean_known(point_errors_percent(predicted, truth, scheme_name, normaliser), axis=1)


def nrmse_percent(
    predicted: Points, truth: Points, scheme_name: str, normaliser: Normaliser = "inter-ocular"
) -> Values:
    """Normalised root mean squared error of each face, `(faces,)` percent, never below the NME.

        nrmse = 100 * sqrt(mean over annotated points of |predicted - truth|²) / d(truth)

    ODN (Zhu et al., CVPR 2019) and AODN (Sadiq & Shi, 2022) name their metric so. This is what the
    name says; we found no formula of theirs that settles it, nor which distance divides. Their
    tables take over the NME of other papers unchanged, so their own figures may be NME as well:
    compare a figure of theirs with both.
    """
    errors = point_errors_percent(predicted, truth, scheme_name, normaliser)
    return np.asarray(np.sqrt(mean_known(errors**2, axis=1)), np.float64)


def mean_known(values: NDArray[np.float64], axis: int) -> Values:
    """The mean of what is not NaN; NaN where nothing is."""
    known = ~np.isnan(values)
    count = known.sum(axis=axis)
    total = np.where(known, values, 0).sum(axis=axis)
    return np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)


def by_region(point_errors: NDArray[np.float64], scheme_name: str) -> dict[str, Values]:
    """NME of each face over the points of each region of a scheme.

    Args:
        point_errors: `(faces, points)` of `point_errors_percent`.

    Returns:
        Region -> `(faces,)` percent, NaN for a face without an annotated point there.
    """
    regions = scheme(scheme_name).regions
    return {name: mean_known(point_errors[:, list(own)], 1) for name, own in regions.items()}


def by_attribute(errors_percent: Values, flags: Sequence[frozenset[str]]) -> dict[str, Values]:
    """Errors of the faces that have each flag, by the flag's name. A face counts for each it has.

    Args:
        errors_percent: `(faces,)`.
        flags: of each face.
    """
    names = sorted(frozenset().union(*flags))
    return {name: errors_percent[[name in own for own in flags]] for name in names}


@dataclass(frozen=True, eq=False)
class PoseGrid:
    """Errors by bins of head pose; a bin holds its lower edge."""

    edges_deg: tuple[float, ...]  # of both angles; the first and last bin reach to infinity
    errors_percent: Mapping[tuple[int, int], Values]  # (pitch bin, yaw bin) -> of its faces


POSE_EDGES_DEG = (-60.0, -45.0, -30.0, -15.0, 15.0, 30.0, 45.0, 60.0)


def by_pose(errors_percent: Values, yaw_rad: Values, pitch_rad: Values) -> PoseGrid:
    """Errors over a grid of yaw and pitch; a bin without a face is not in it.

    Args:
        errors_percent: `(faces,)`.
        yaw_rad, pitch_rad: `(faces,)`, signs as `efld.data.faces.Pose`; a face with NaN is left
            out.
    """
    known = np.isfinite(yaw_rad) & np.isfinite(pitch_rad)
    rows, columns = (
        np.digitize(np.degrees(angle), POSE_EDGES_DEG) for angle in (pitch_rad, yaw_rad)
    )
    cells = sorted(set(zip(rows[known].tolist(), columns[known].tolist(), strict=True)))
    return PoseGrid(
        POSE_EDGES_DEG,
        {(r, c): errors_percent[known & (rows == r) & (columns == c)] for r, c in cells},
    )


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
