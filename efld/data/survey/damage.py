"""What can be wrong with the faces of a dataset, a line each."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from efld.data.faces import TEST_PARTS, Face
from efld.data.survey.look import Look
from efld.geometry import landmark_box

OUTSIDE_PX = 0.5  # annotations are rounded
OUTSIDE_PERCENT = 20.0  # of the face's longer side: no annotator's slip


@dataclass(frozen=True)
class Outside:
    """Faces with points outside their picture."""

    faces: int
    worst_px: float
    worst_percent: float  # of the longer side of the box around the face's points
    worst: str  # the face's id


def points_damaged(faces: Sequence[Face]) -> list[str]:
    """A point may be missing, if the dataset says that it is not visible."""
    damage = []
    for face in faces:
        said = np.ones(len(face.points), bool) if face.visible is None else face.visible
        bad = int((np.isnan(face.points).any(axis=1) & said).sum())
        if bad:
            damage.append(f"{face.source}: {bad} of {len(said)} points are no numbers.")
    return damage


def repeated(faces: Sequence[Face]) -> list[str]:
    """A face's id must be unique in its dataset."""
    ids = Counter(face.id for face in faces)
    return [f"{name}: {count} faces have this id." for name, count in ids.items() if count > 1]


def outside(seen: Sequence[tuple[Face, Look]]) -> tuple[Outside | None, list[str]]:
    """(A summary, a line of damage for each face far outside)."""
    found: list[tuple[float, float, Face]] = []
    for face, look in seen:
        points = face.points[np.isfinite(face.points).all(axis=1)]
        if look.size_px is None or not len(points):
            continue
        beyond = np.maximum(-0.5 - points, points - (np.array(look.size_px) - 0.5)).max()
        if beyond > OUTSIDE_PX:
            box = landmark_box(points)
            percent = 100 * float(beyond) / max(box.width, box.height)
            found.append((round(percent, 1), round(float(beyond), 1), face))
    if not found:
        return None, []
    percent, worst_px, worst = max(found, key=lambda one: one[0])
    far = [
        f"{face.source or face.id}: a point lies {px:g} px outside the picture, {share:g} % of the "
        "face. Check the annotation."
        for share, px, face in found
        if share > OUTSIDE_PERCENT
    ]
    return Outside(len(found), worst_px, percent, worst.id), far


def in_train_and_test(seen: Sequence[tuple[Face, Look]]) -> list[str]:
    """The same pixels on both sides, by their hash."""
    by_digest: dict[bytes, list[Face]] = defaultdict(list)
    for face, look in seen:
        if look.digest:
            by_digest[look.digest].append(face)
    damage = []
    for same in by_digest.values():
        test = [face.id for face in same if face.part in TEST_PARTS]
        train = [face.id for face in same if face.part in ("train", "validation")]
        if test and train:
            damage.append(f"{train[0]} and {test[0]}: the same picture in train and test.")
    return damage
