"""Head pose from landmarks: one mean face, fitted in perspective to each face's points."""

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from efld import schemes
from efld.data.faces import Pose
from efld.data.synthetic import NEUTRAL_FACE
from efld.geometry import Points

Angles = NDArray[np.float64]  # (faces, 3): yaw, pitch, roll, radians

# Points that expression and identity move least: ear ends of the jaw, chin, brow ends, nose root,
# wings of the nose, eye corners. On a turned head the far end of the jaw lies on the outline of the
# cheek, not at the ear: beyond TURNED_RAD it is left out.
RIGID = (0, 8, 16, 17, 21, 22, 26, 27, 31, 35, 36, 39, 42, 45)
EAR_ENDS = (0, 16)
TURNED_RAD = math.radians(20)
# The camera is not known: one that stands this many eye distances away. A portrait's is near 20.
DISTANCE = 20.0
FACE_SIDE = 1.6  # longer side of the landmarks' box of the mean face, in eye distances


def head_pose(points: Points, scheme: str = "68") -> Angles:
    """Yaw, pitch and roll of faces, with the signs of `Pose`.

    The mean face is the neutral face of the renderer, exactly symmetric, so a mirrored face has the
    same pitch and the opposite yaw and roll. Every face is scaled to one size before the fit: a
    crop and its picture have one pose.

    Args:
        points: `(faces, points, 2)`, any unit.
        scheme: "68", or one that converts to it.

    Returns:
        `(faces, 3)` radians; NaN for a face that lacks one of the points.

    Raises:
        InputError: a scheme that does not convert to 68 points.
    """
    flat = _scaled(schemes.convert(points, scheme, "68"))
    return np.array([_fit(face) for face in flat]).reshape(-1, 3)


def _scaled(points: Points) -> NDArray[np.float64]:
    """Centred on the landmarks' box, its longer side that of the mean face."""
    low, high = points.min(axis=1).astype(np.float64), points.max(axis=1).astype(np.float64)
    side = (high - low).max(axis=1)[:, None, None]
    return (points - ((low + high) / 2)[:, None]) / side * FACE_SIDE


def _fit(points: NDArray[np.float64]) -> Pose:
    if not np.isfinite(points).all():
        return Pose(math.nan, math.nan, math.nan)
    first = _solved(points, [i for i in RIGID if i not in EAR_ENDS])
    if first.yaw > TURNED_RAD:
        return _solved(points, [i for i in RIGID if i != EAR_ENDS[1]])
    if first.yaw < -TURNED_RAD:
        return _solved(points, [i for i in RIGID if i != EAR_ENDS[0]])
    return _solved(points, list(RIGID))


def _solved(points: NDArray[np.float64], indices: list[int]) -> Pose:
    camera = np.diag([DISTANCE, DISTANCE, 1.0])
    _, turn, _ = cv2.solvePnP(
        NEUTRAL_FACE[indices], points[indices], camera, None, flags=cv2.SOLVEPNP_SQPNP
    )
    return angles(np.asarray(cv2.Rodrigues(turn)[0], np.float64))


def angles(rotation: NDArray[np.float64]) -> Pose:
    """The angles of a `(3, 3)` rotation, head to camera: roll after pitch after yaw."""
    return Pose(
        yaw=math.atan2(rotation[2, 0], rotation[2, 2]),
        pitch=math.asin(min(1.0, max(-1.0, rotation[2, 1]))),
        roll=math.atan2(-rotation[0, 1], rotation[1, 1]),
    )


def moved(poses: NDArray[Any], angle_rad: float = 0.0, mirrored: bool = False) -> NDArray[Any]:
    """Poses `(..., 3)` after a picture was turned clockwise by an angle, then perhaps mirrored."""
    turned = poses + np.array([0, 0, angle_rad], poses.dtype)
    return turned * np.array([-1, 1, -1], poses.dtype) if mirrored else turned
