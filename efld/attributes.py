"""What makes a face rare: the six classes of the EFLD loss, and the weight they give a face."""

import math
from collections import Counter
from collections.abc import Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from efld import schemes
from efld.data.faces import Face, Pose
from efld.geometry import Points
from efld.pose import head_pose

# Guo et al. 2019 (PFLD), section 3, and Hong 2025 name the classes; neither prints a threshold.
CLASSES = ("profile", "frontal", "head-up", "head-down", "expression", "occlusion")
PLAIN = "plain"  # the class of a face that is in none of them
PROFILE_RAD = math.radians(25)
FRONTAL_RAD = math.radians(10)
NOD_RAD = math.radians(12)
OPEN_MOUTH = 0.25  # gap between the inner lips over the distance of the mouth's corners
UPPER_LIP, LOWER_LIP, MOUTH_CORNERS = (61, 62, 63), (67, 66, 65), (48, 54)  # 68 points


MEANING = MappingProxyType({
    "profile": f"yaw beyond {math.degrees(PROFILE_RAD):.0f}°",
    "frontal": f"yaw and pitch within {math.degrees(FRONTAL_RAD):.0f}°",
    "head-up": f"pitch beyond -{math.degrees(NOD_RAD):.0f}°",
    "head-down": f"pitch beyond {math.degrees(NOD_RAD):.0f}°",
    "expression": f"mouth open by {OPEN_MOUTH:g} of its width",
    "occlusion": "a point is hidden",
})  # fmt: skip


def of(face: Face) -> frozenset[str]:
    """The flags that a dataset gives a face; classes from its points where it gives none."""
    return face.attributes if face.attributes is not None else classes([face])[0]


def classes(faces: Sequence[Face]) -> list[frozenset[str]]:
    """Which of `CLASSES` each face is in, from pose and shape, and from the dataset's own flags.

    Points do not show occlusion: only a dataset that says which points are visible, or has a flag
    of that name, gives the class.

    Raises:
        InputError: a point scheme that does not convert to 68 points.
    """
    return [_classes(face) for face in faces]


def _classes(face: Face) -> frozenset[str]:
    flat = schemes.convert(face.points[None], face.scheme, "68")
    found = _of_pose(Pose(*head_pose(flat)[0]))
    if mouth_open(flat)[0] > OPEN_MOUTH:
        found.add("expression")
    if face.visible is not None and not face.visible.all():
        found.add("occlusion")
    return frozenset(found | ((face.attributes or frozenset()) & set(CLASSES)))


def _of_pose(pose: Pose) -> set[str]:
    held = {
        "profile": abs(pose.yaw) > PROFILE_RAD,
        "frontal": max(abs(pose.yaw), abs(pose.pitch)) < FRONTAL_RAD,
        "head-up": pose.pitch < -NOD_RAD,
        "head-down": pose.pitch > NOD_RAD,
    }
    return {name for name, holds in held.items() if holds}


def mouth_open(points: Points) -> NDArray[np.float64]:
    """Gap between the inner lips over the mouth's width, `(faces, 68, 2)` -> `(faces,)`."""
    gap = points[:, LOWER_LIP] - points[:, UPPER_LIP]
    width = points[:, MOUTH_CORNERS[1]] - points[:, MOUTH_CORNERS[0]]
    return np.linalg.norm(gap.mean(axis=1), axis=-1) / np.linalg.norm(width, axis=-1)


def weights(found: Sequence[frozenset[str]]) -> NDArray[np.float32]:
    """How much each face counts in the EFLD loss, `(faces,)`, mean 1, always above 0.

    The sum over a face's classes of one over the class's share of the faces (PFLD, eq. 2). The
    paper leaves faces in no class with weight 0, so they would teach nothing: here they are a class
    of their own, `PLAIN`. The mean of 1 keeps the learning rate comparable.
    """
    held = [names or frozenset({PLAIN}) for names in found]
    counts = Counter(name for names in held for name in names)
    rarity = np.array([sum(len(held) / counts[name] for name in names) for names in held])
    return (rarity / rarity.mean()).astype(np.float32)
