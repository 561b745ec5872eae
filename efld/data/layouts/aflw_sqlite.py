"""AFLW as its owners give it: `aflw.sqlite` with up to 21 points a face, only visible ones."""

import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from efld.data.faces import Face, Pose
from efld.data.layouts import aflw, reading
from efld.data.layouts.layout import Layout, Report
from efld.errors import InputError, one_line
from efld.geometry import Box

FILES = ("data/aflw.sqlite", "aflw.sqlite")
POINTS = 21
COLUMNS = {
    "Faces": "face_id, file_id",
    "FaceImages": "file_id, filepath",
    "FaceRect": "face_id, x, y, w, h",
    "FacePose": "face_id, roll, pitch, yaw",
    "FeatureCoords": "face_id, feature_id, x, y",
}
Rows = list[tuple[Any, ...]]


def recognise(root: Path) -> bool:
    """Whether the database lies there."""
    return any((root / file).exists() for file in FILES)


class Row(NamedTuple):
    """What the tables say of one face."""

    face_id: int
    name: str | None  # of its picture
    features: Rows  # feature_id, x, y
    box: tuple[float, ...] | None  # x, y, width, height
    pose: tuple[float, ...] | None  # roll, pitch, yaw


def read(root: Path, report: Report) -> Iterator[Face]:
    """Every face with at least one point; a point that is not annotated is NaN and not visible.

    The points count from 0: the database comes from a Qt program. `FacePose` is radians, fitted to
    the points by POSIT. Its signs are those of axes x right, y up, z to the viewer (a positive yaw
    turns the nose to the picture's right, a positive pitch down, a positive roll the head
    counter-clockwise): an evaluation of a 300W-LP model on 23,407 of these faces (PhysioTrack,
    validation/head_pose; medians of 5 to 8 degrees) negates all three. In which order they are
    applied is not documented, so large angles together are approximate.
    """
    path = next(root / file for file in FILES if (root / file).exists())
    rows = reading.table(path, _rows, report) or ()
    folder = aflw.pictures(root)
    items = ((f"{path}:{row.face_id}", (folder, row)) for row in rows if row.features)
    yield from reading.faces(items, _face, report)


def _rows(path: Path) -> list[Row]:
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            known = {name.lower() for (name,) in database.execute("SELECT name FROM sqlite_master")}
            if missing := [table for table in COLUMNS if table.lower() not in known]:
                raise InputError(
                    f"no table {', '.join(missing)}, found {sorted(known)}. Is it another database?"
                )
            tables = {
                table: database.execute(f"SELECT {columns} FROM {table} ORDER BY 1").fetchall()
                for table, columns in COLUMNS.items()
            }
    except sqlite3.Error as error:
        raise InputError(
            f"cannot be read ({one_line(error, 100)}), expected AFLW's SQLite database. Restore it."
        ) from None
    return _joined(tables)


def _joined(tables: dict[str, Rows]) -> list[Row]:
    features: dict[int, Rows] = {}
    for face_id, *feature in tables["FeatureCoords"]:
        features.setdefault(face_id, []).append(tuple(feature))
    boxes = {face_id: tuple(box) for face_id, *box in tables["FaceRect"]}
    poses = {face_id: tuple(pose) for face_id, *pose in tables["FacePose"]}
    names: dict[str, str] = dict(tables["FaceImages"])
    return [
        Row(face, names.get(file), features.get(face, []), boxes.get(face), poses.get(face))
        for face, file in tables["Faces"]
    ]


def _face(source: str, item: tuple[Path, Row]) -> Face:
    folder, row = item
    if row.name is None:
        raise InputError("its picture is not in FaceImages. Restore the database.")
    points = np.full((POINTS, 2), np.nan, np.float32)
    for feature, x, y in row.features:
        if feature not in range(1, POINTS + 1):
            raise InputError(f"feature_id {feature}, expected 1 to {POINTS}. Restore the database.")
        points[int(feature) - 1] = reading.finite([x, y])
    return Face(
        id=f"{Path(row.name).with_suffix('').as_posix()}/{row.face_id}",
        picture=reading.picture(folder / row.name),
        points=points,
        part="none",
        group=Path(row.name).with_suffix("").as_posix(),
        scheme="21",
        visible=np.isfinite(points[:, 0]),
        box=Box(*reading.finite(row.box).tolist()) if row.box else None,
        pose=_pose(*reading.finite(row.pose).tolist()) if row.pose else None,
        source=source,
    )


def _pose(roll: float, pitch: float, yaw: float) -> Pose:
    """Our signs, within half a turn: AFLW has angles up to a whole one."""
    return Pose(*(math.remainder(angle, math.tau) for angle in (yaw, pitch, -roll)))


LAYOUT = Layout(
    name="AFLW (21 points)",
    recognise=recognise,
    read=read,
    holds=f"{FILES[0]} and data/flickr of AFLW",
    terms="AFLW: research only, non-commercial",
    has_split=False,
    folders=("data", "flickr", "0", "2", "3"),
)
