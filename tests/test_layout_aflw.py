"""AFLW, both the revised .mat and the owners' database, right and damaged."""

import math
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from efld.data.layouts import aflw, aflw_sqlite, layout_of, strict
from efld.errors import InputError
from efld.geometry import Box

NAMES = ["0/image1.jpg", "0/image1.jpg", "2/image2.png", "3/image3.jpg"]
POINTS = np.random.default_rng(0).uniform(0, 100, (4, 19, 2)).astype(np.float32)


def pictures(folder: Path) -> None:
    for name in ("0/image1.jpg", "2/image2.jpg", "3/image3.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def write_mat(root: Path, **changed: Any) -> Path:
    mask = np.ones((4, 19))
    mask[1, 5] = 0
    names = np.empty((4, 1), object)
    names[:, 0] = [np.array([name]) for name in NAMES]
    content = {
        "bbox": np.tile([10, 60, 20, 80], (4, 1)),  # left, right, top, bottom
        "data": np.concatenate([POINTS[..., 0], POINTS[..., 1]], axis=1),
        "mask_new": mask,
        "nameList": names,
        "ra": np.array([[3, 1, 4, 2]]),
    }
    scipy.io.savemat(root / aflw.FILE, content | changed)
    return root


@pytest.mark.parametrize("folder", ["data/flickr", "flickr", "."])
def test_every_row_of_the_mat_is_a_face(
    tmp_path: Path, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aflw, "TRAIN", 2)
    pictures(tmp_path / folder)
    assert layout_of(write_mat(tmp_path)) is aflw.LAYOUT
    faces = list(aflw.read(tmp_path, strict))
    assert [face.part for face in faces] == ["train", "test", "train", "test"]  # ra: 3 and 1
    np.testing.assert_array_equal([face.points for face in faces], POINTS)
    assert (faces[0].scheme, faces[0].box) == ("19", Box(10, 20, 50, 60))
    frontal = frozenset({"frontal"})
    assert [face.attributes for face in faces] == [frontal, frozenset(), frontal, frontal]
    assert faces[1].visible is not None
    np.testing.assert_array_equal(np.flatnonzero(~faces[1].visible), [5])
    assert faces[0].group == faces[1].group != faces[2].group
    assert len({face.id for face in faces}) == 4
    assert faces[2].picture == tmp_path / folder / "2/image2.jpg"  # the file says .png
    assert faces[3].source.endswith("AFLWinfo_release.mat:4")


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"ra": np.array([[1, 1, 2, 3]])}, "release.mat: ra is no permutation of 1 to 4"),
        ({"data": np.zeros((4, 42))}, r"release.mat: data, bbox, mask_new have \(4, 42\)"),
        ({"data": np.full((4, 38), np.nan)}, "release.mat:1: expected finite numbers, found nan"),
        ({"bbox": np.zeros((4, 4))}, "release.mat:1: box 0,0,0,0: expected"),
    ],
)
def test_a_damaged_mat_is_reported(tmp_path: Path, changed: dict[str, Any], found: str) -> None:
    pictures(tmp_path)
    problems: list[InputError] = []
    assert not list(aflw.read(write_mat(tmp_path, **changed), problems.append))
    with pytest.raises(InputError, match=found):
        raise problems[0]


def test_missing_pictures_and_a_cut_mat_are_reported(tmp_path: Path) -> None:
    pictures(tmp_path)
    (tmp_path / "0/image1.jpg").unlink()
    problems: list[InputError] = []
    assert len(list(aflw.read(write_mat(tmp_path), problems.append))) == 2
    assert "release.mat:1: no picture" in str(problems[0])
    path = tmp_path / aflw.FILE
    path.write_bytes(path.read_bytes()[:700])
    assert not list(aflw.read(tmp_path, problems.append))
    assert "release.mat: " in str(problems[-1])


TABLES = """
CREATE TABLE Faces (face_id INTEGER PRIMARY KEY, file_id TEXT, db_id TEXT);
CREATE TABLE FaceImages (image_id INTEGER PRIMARY KEY, db_id TEXT, file_id TEXT, filepath TEXT,
                         bw INTEGER, width INTEGER, height INTEGER);
CREATE TABLE FaceRect (face_id INTEGER, x INTEGER, y INTEGER, w INTEGER, h INTEGER,
                       annot_type_id INTEGER);
CREATE TABLE FacePose (face_id INTEGER, roll REAL, pitch REAL, yaw REAL, annot_type_id INTEGER);
CREATE TABLE FeatureCoords (face_id INTEGER, feature_id INTEGER, x REAL, y REAL);
INSERT INTO Faces VALUES (39341, 'image1.jpg', 'flickr'), (39342, 'image1.jpg', 'flickr'),
                         (39343, 'image3.jpg', 'flickr');
INSERT INTO FaceImages VALUES (1, 'flickr', 'image1.jpg', '0/image1.jpg', 0, 100, 100),
                              (2, 'flickr', 'image3.jpg', '3/image3.jpg', 0, 100, 100);
INSERT INTO FaceRect VALUES (39341, 10, 20, 50, 60, 0);
INSERT INTO FacePose VALUES (39341, 6.0, 0.25, -0.5, 0);
INSERT INTO FeatureCoords VALUES (39341, 1, 12.5, 30.0), (39341, 21, 40.0, 70.0),
                                 (39342, 15, 5.0, 6.0);
"""


def write_database(root: Path, script: str = TABLES, name: str = "data/aflw.sqlite") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as database:
        database.executescript(script)
    return path


@pytest.mark.parametrize("name", aflw_sqlite.FILES)
def test_every_face_with_points_in_the_database_is_a_face(tmp_path: Path, name: str) -> None:
    write_database(tmp_path, name=name)
    pictures(tmp_path / "data/flickr")
    assert layout_of(tmp_path) is aflw_sqlite.LAYOUT
    first, second = aflw_sqlite.read(tmp_path, strict)
    assert (first.id, second.id) == ("0/image1/39341", "0/image1/39342")
    assert first.visible is not None
    np.testing.assert_array_equal(np.flatnonzero(first.visible), [0, 20])
    np.testing.assert_array_equal(first.points[[0, 20]], [[12.5, 30], [40, 70]])
    assert np.isnan(first.points[1:20]).all()
    assert (first.scheme, first.part, first.box) == ("21", "none", Box(10, 20, 50, 60))
    assert (second.box, second.pose) == (None, None)
    assert first.source.endswith("aflw.sqlite:39341")


def test_angles_of_the_database_get_our_signs_within_half_a_turn(tmp_path: Path) -> None:
    write_database(tmp_path)
    pictures(tmp_path / "data/flickr")
    pose = next(aflw_sqlite.read(tmp_path, strict)).pose
    # A roll of 6 is 0.28 short of a whole turn counter-clockwise: 0.28 clockwise.
    assert pose == pytest.approx((-0.5, 0.25, math.tau - 6))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("DROP TABLE FacePose", r"sqlite: no table FacePose, found \[.*Is it another database"),
        ("ALTER TABLE FaceRect RENAME w TO width", "sqlite: cannot be read .*no such column: w"),
        ("UPDATE FeatureCoords SET feature_id = 22", "sqlite:39341: feature_id 22, expected 1 to"),
        ("UPDATE FeatureCoords SET x = NULL", "sqlite:39341: .* found nan"),
        ("DELETE FROM FaceImages", "sqlite:39341: its picture is not in FaceImages"),
        ("UPDATE FacePose SET yaw = NULL", "sqlite:39341: expected finite numbers, found nan"),
        ("UPDATE FaceRect SET w = 'wide'", "sqlite:39341: expected numbers, .*'wide'"),
        ("UPDATE FaceRect SET w = 0", "sqlite:39341: box 10,20,0,60"),
        ("UPDATE FaceImages SET filepath = '0/gone.jpg'", "sqlite:39341: no picture .*gone.jpg"),
    ],
)
def test_a_damaged_database_is_reported(tmp_path: Path, change: str, found: str) -> None:
    write_database(tmp_path, f"{TABLES};{change}")
    pictures(tmp_path / "data/flickr")
    problems: list[InputError] = []
    list(aflw_sqlite.read(tmp_path, problems.append))
    with pytest.raises(InputError, match=found):
        raise problems[0]


@pytest.mark.parametrize("size", [0, 50, 5000])
def test_a_cut_database_is_reported(tmp_path: Path, size: int) -> None:
    path = write_database(tmp_path)
    path.write_bytes(path.read_bytes()[:size])
    problems: list[InputError] = []
    assert not list(aflw_sqlite.read(tmp_path, problems.append))
    assert "aflw.sqlite: " in str(problems[0])
