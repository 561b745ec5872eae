"""What can be wrong with the faces of a dataset, a line each."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from efld.data.faces import PICTURE_SUFFIXES, TEST_PARTS, Face
from efld.data.survey.look import Look
from efld.geometry import landmark_box
from efld.schemes import scheme

OUTSIDE_PX = 0.5  # annotations are rounded
OUTSIDE_PERCENT = 20.0  # of the face's longer side: no annotator's slip
SPOT_PX = 1.0  # no face that anybody annotates is smaller
NAMES_SHOWN = 3


@dataclass(frozen=True)
class Outside:
    """Faces with points outside their picture."""

    faces: int
    worst_px: float
    worst_percent: float  # of the face's longer side, see `outside`
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


def collapsed(faces: Sequence[Face]) -> list[str]:
    """Points on one spot, or eye corners: errors are divided by what lies between them."""
    damage = []
    for face in faces:
        points, eyes = face.points, scheme(face.scheme).outer_eyes
        known = points[np.isfinite(points).all(axis=1)]
        if len(known) > 1 and np.ptp(known, axis=0).max() < SPOT_PX:
            damage.append(f"{face.source}: all points lie on one spot. Restore the annotation.")
        elif eyes and np.hypot(*(points[eyes[0]] - points[eyes[1]])) < SPOT_PX:
            damage.append(
                f"{face.source}: the outer eye corners (points {eyes[0]} and {eyes[1]}, from 0) "
                "lie on one spot. Check the annotation."
            )
    return damage


def unannotated(
    faces: Sequence[Face], root: Path, annotation: Callable[[Path], Path] | None
) -> list[str]:
    """One line for all pictures without points that lie beside pictures with points.

    Args:
        faces: those with points.
        root: the dataset's folder.
        annotation: where a picture's points lie; None: not in a file of its own, so nothing is
            known.
    """
    if annotation is None:
        return []
    folders = {face.picture.parent for face in faces if isinstance(face.picture, Path)}
    bare = [
        path
        for where in sorted(folders)
        for path in sorted(where.iterdir())
        if path.suffix.lower() in PICTURE_SUFFIXES and not annotation(path).exists()
    ]
    if not bare:
        return []
    names = [path.relative_to(root).as_posix() for path in bare[:NAMES_SHOWN]]
    more = ", ..." if len(bare) > NAMES_SHOWN else ""
    count = f"{len(bare)} picture{'s' if len(bare) > 1 else ''}"
    return [f"{root}: {count} without a {annotation(bare[0]).suffix}: {', '.join(names)}{more}"]


def repeated(faces: Sequence[Face]) -> list[str]:
    """A face's id must be unique in its dataset."""
    ids = Counter(face.id for face in faces)
    return [f"{name}: {count} faces have this id." for name, count in ids.items() if count > 1]


def outside(seen: Sequence[tuple[Face, Look]]) -> tuple[Outside | None, list[str]]:
    """(A summary, a line of damage for each face far outside).

    A face's size is that of its points inside the picture, so that one wild point does not make it
    large; of all its points where most lie outside.
    """
    found: list[tuple[float, float, Face]] = []
    for face, look in seen:
        points = face.points[np.isfinite(face.points).all(axis=1)]
        if look.size_px is None or not len(points):
            continue
        limit = np.array(look.size_px) - 0.5
        beyond = np.maximum(-0.5 - points, points - limit).max(axis=1)
        if (worst_px := float(beyond.max())) > OUTSIDE_PX:
            inside = points[beyond <= 0]
            box = landmark_box(inside if 2 * len(inside) > len(points) else points)
            percent = 100 * worst_px / max(box.width, box.height)
            found.append((round(percent, 1), round(worst_px, 1), face))
    if not found:
        return None, []
    percent, worst_px, worst = max(found, key=lambda one: one[0])
    far = [
        f"{face.source or face.id}: a point lies {px:g} px outside the picture, {of_face(share)}. "
        "Check the annotation."
        for share, px, face in found
        if share > OUTSIDE_PERCENT
    ]
    return Outside(len(found), worst_px, percent, worst.id), far


def of_face(percent: float) -> str:
    """A share of a face's size for people to read."""
    return f"{percent:g} % of the face" if percent < 200 else f"{percent / 100:.0f} times the face"


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
