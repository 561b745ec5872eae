"""300W-LP: 300-W's faces turned to larger angles; points and pose in `.mat` files."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from efld.data.faces import Face, Part, Pose
from efld.data.layouts import reading
from efld.data.layouts.layout import Layout, Report
from efld.data.layouts.matlab import points_from_one, read_mat
from efld.errors import InputError
from efld.geometry import Points
from efld.pose import angles

SETS = tuple(name + flip for name in ("AFW", "HELEN", "IBUG", "LFPW") for flip in ("", "_Flip"))
LANDMARKS = "landmarks"
_END = "_pts.mat"
_TURN = re.compile(r"_\d+$")  # "AFW_134212_1_12": picture 134212, face 1, turned for the 12th time
_INDEX = re.compile(r"_\d{1,2}$")
LAST_OF_HELEN_TRAINING = "296814969_2"  # 300-W's split of HELEN is by name, as text


def recognise(root: Path) -> bool:
    """Whether `landmarks` holds files of points, or one of the sets holds `.mat` files."""
    separate = [f"{LANDMARKS}/{name}/*{_END}" for name in (".", *SETS)]
    patterns = [*separate, *(f"{name}/*.mat" for name in SETS)]
    return any(next(root.glob(pattern), None) is not None for pattern in patterns)


def read(root: Path, report: Report) -> Iterator[Face]:
    """Every annotated picture of the sets, and of the root for a copy without their folders.

    Points are `pts_2d` of `landmarks/<set>/<name>_pts.mat`, else `pt2d` of `<set>/<name>.mat`; they
    are taken to count from 1, as 3DDFA's Matlab code draws them. 300-W's test faces are test faces
    here too, turned or not: nobody should train on them by accident.
    """
    for name in (".", *SETS):
        folder, landmarks = root / name, root / LANDMARKS / name
        stems = {path.stem for path in folder.glob("*.mat")}
        stems |= {path.name.removesuffix(_END) for path in landmarks.glob(f"*{_END}")}
        items = ((str(_source(root, name, stem)), (root, name, stem)) for stem in sorted(stems))
        yield from reading.faces(items, _face, report)


def _source(root: Path, name: str, stem: str) -> Path:
    separate = root / LANDMARKS / name / f"{stem}{_END}"
    return separate if separate.exists() else root / name / f"{stem}.mat"


def _face(source: str, item: tuple[Path, str, str]) -> Face:
    root, name, stem = item
    beside = root / name / f"{stem}.mat"
    person = _TURN.sub("", stem)
    return Face(
        id=(Path(name) / stem).as_posix(),
        picture=reading.picture(root / name / f"{stem}.jpg"),
        points=_points(Path(source)),
        part=part_of(person),
        group=_INDEX.sub("", person),
        pose=_pose(beside) if beside.exists() else None,
        source=source,
    )


def _points(path: Path) -> Points:
    variable = "pts_2d" if path.name.endswith(_END) else "pt2d"
    points = read_mat(path, variable)[variable]
    if variable == "pt2d":
        points = points.T
    if points.shape != (68, 2):
        raise InputError(f"{variable} has {points.shape}, expected 68 points. Restore the file.")
    return points_from_one(points)


def _pose(path: Path) -> Pose:
    try:
        return pose_of(read_mat(path, "Pose_Para")["Pose_Para"])
    except InputError as error:
        raise InputError(f"pose in {path.name}: {error}") from None


def part_of(person: str) -> Part:
    """The part of 300-W that a face comes from: "LFPW_image_test_0001_0", "HELEN_296814969_3"."""
    if person.startswith("IBUG_"):
        return "challenging"
    helen = person.removeprefix("HELEN_")
    is_test = helen > LAST_OF_HELEN_TRAINING if helen != person else "_test_" in person
    return "common" if is_test else "train"


def pose_of(parameters: ArrayLike) -> Pose:
    """`Pose_Para`, which begins with pitch, yaw, roll in radians, as `Pose`.

    3DDFA turns a head, x right, y up, z to the viewer, by R = Rx Ry Rz (`RotationMatrix.m`;
    `angle2matrix_3ddfa` of face3d; https://arxiv.org/abs/2403.18104). So its positive yaw turns the
    nose to the picture's left, its positive pitch up, its positive roll the head clockwise. Its
    order is not ours either, hence the rotation is taken apart anew.
    """
    values = np.asarray(parameters, np.float64).ravel()
    if values.size < 3 or not np.isfinite(values[:3]).all():
        raise InputError(f"Pose_Para is {values.tolist()}, expected pitch, yaw, roll first.")
    (cx, cy, cz), (sx, sy, sz) = np.cos(values[:3]), np.sin(values[:3])
    about_x = np.array([[1, 0, 0], [0, cx, sx], [0, -sx, cx]])
    about_y = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    about_z = np.array([[cz, sz, 0], [-sz, cz, 0], [0, 0, 1]])
    to_camera = np.diag([1.0, -1.0, -1.0])  # y down, z away from the viewer
    return angles(to_camera @ about_x @ about_y @ about_z @ to_camera)


# Zhu et al., CVPR 2016: 61,225 pictures, 1,786 of them from IBUG, and each once more mirrored.
LAYOUT = Layout(
    name="300W-LP",
    recognise=recognise,
    read=read,
    holds=f"the folders of 300W-LP ({', '.join(SETS)}, {LANDMARKS})",
    terms="300W-LP: research only, non-commercial",
    official=MappingProxyType({"challenging": 2 * 1786}),
    folders=(*SETS, LANDMARKS),
)
