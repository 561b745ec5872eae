"""A face in the shape of another: a few thousand faces become many more.

The picture follows the landmarks by thin-plate splines (Bookstein 1989, *Principal Warps*), which
are smooth: what lies between landmarks stays a face.
"""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from efld.geometry import Picture, Points

NODES = 15  # a side: the spline is computed there, and linear between
SMOOTHING = 0.02  # lips that touch would be torn by a spline that meets every point
EXACT = 1e-4  # of the way back, which has no such neighbours
# Around the crop, where nothing moves.
_SIDE = np.linspace(-0.1, 1.1, 5)
_FRAME = np.array([(x, y) for x in _SIDE for y in _SIDE if {x, y} & {_SIDE[0], _SIDE[-1]}])
_GRID = np.stack(np.meshgrid(*[np.linspace(0, 1, NODES)] * 2), axis=-1).reshape(-1, 2)


def reshape(
    picture: Picture, points: Points, other: Points, share: float
) -> tuple[Picture, Points]:
    """Warps a face `share` of the way to another's shape, or away from it where it is negative.

    Args:
        picture: square.
        points: `(points, 2)`, 0..1 over the picture's edges.
        other: the same of another face; size, turn and place do not matter.

    Returns:
        The picture, and where the points lie in it.
    """
    wanted = share * (aligned(other, points) - points)
    fixed = np.vstack([points, _FRAME])
    shift = np.vstack([wanted, np.zeros_like(_FRAME)])
    moved = fixed + _spline(fixed, shift, fixed, SMOOTHING)
    source = _GRID + _spline(moved, fixed - moved, _GRID, EXACT)
    return _resampled(picture, source), moved[: len(points)].astype(np.float32)


def aligned(shape: Points, to: Points) -> NDArray[np.float64]:
    """A shape under the similarity transform that brings it nearest to another."""
    here, there = (_as_complex(points - points.mean(axis=0)) for points in (shape, to))
    turned = here * (np.vdot(here, there) / np.vdot(here, here))
    return np.stack([turned.real, turned.imag], axis=-1) + to.mean(axis=0)


def _as_complex(points: Points) -> NDArray[np.complex128]:
    return np.asarray(points[:, 0] + 1j * points[:, 1], np.complex128)


def _spline(
    at: NDArray[np.float64],
    values: NDArray[np.float64],
    where: NDArray[np.float64],
    smoothing: float,
) -> NDArray[np.float64]:
    from scipy.interpolate import RBFInterpolator

    fitted = RBFInterpolator(at, values, kernel="thin_plate_spline", smoothing=smoothing)
    return np.asarray(fitted(where), np.float64)


def _resampled(picture: Picture, source: NDArray[np.float64]) -> Picture:
    """The picture with every node of the grid read at `source`, 0..1 over its edges."""
    side = picture.shape[0]
    between = _interpolation(side)
    nodes = source.reshape(NODES, NODES, 2)
    x, y = (between @ nodes[..., axis] @ between.T * side - 0.5 for axis in (0, 1))
    warped = cv2.remap(
        picture, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )  # fmt: skip
    return warped.astype(np.uint8, copy=False)


@lru_cache(maxsize=4)
def _interpolation(side: int) -> NDArray[np.float64]:
    """Weights of the nodes of a row at each of its pixels' centres, `(side, NODES)`.

    OpenCV's own interpolation knows 32 places between two nodes: a quarter of a pixel.
    """
    at = (np.arange(side) + 0.5) / side * (NODES - 1)
    return np.asarray(np.maximum(0, 1 - np.abs(at[:, None] - np.arange(NODES))))
