"""300W-LP: the official folders and a copy without them, right and damaged."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from efld.data.faces import TEST_PARTS
from efld.data.layouts import layout_of, strict
from efld.data.layouts import three_hundred_w_lp as lp
from efld.data.synthetic import NEUTRAL_FACE
from efld.errors import InputError
from efld.pose import head_pose

POINTS = np.random.default_rng(0).uniform(1, 450, (68, 2)).astype(np.float32)
POSE = np.array([[0.1, -0.2, 0.3, 200, 150, -100, 0.001]])


def write(root: Path, folder: str, name: str, **changed: Any) -> None:
    """A picture with the `.mat` beside it: `pt2d` differs from `pts_2d` in its last point."""
    (root / folder).mkdir(parents=True, exist_ok=True)
    (root / folder / f"{name}.jpg").touch()
    rough = POINTS.T.copy()
    rough[:, 67] = 7
    scipy.io.savemat(root / folder / f"{name}.mat", {"pt2d": rough, "Pose_Para": POSE} | changed)


def write_landmarks(root: Path, folder: str, name: str, points: np.ndarray = POINTS) -> Path:
    path = root / "landmarks" / folder / f"{name}_pts.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, {"pts_2d": points, "pts_3d": points})
    return path


def test_the_official_folders(tmp_path: Path) -> None:
    for folder in ("AFW", "AFW_Flip"):
        write(tmp_path, folder, "AFW_134212_1_0")
    write(tmp_path, "AFW", "AFW_134212_2_11")
    path = write_landmarks(tmp_path, "AFW", "AFW_134212_1_0")
    assert layout_of(tmp_path) is lp.LAYOUT
    faces = list(lp.read(tmp_path, strict))
    assert [face.id for face in faces] == [
        "AFW/AFW_134212_1_0",
        "AFW/AFW_134212_2_11",
        "AFW_Flip/AFW_134212_1_0",
    ]
    assert {face.group for face in faces} == {"AFW_134212"}
    np.testing.assert_array_equal(faces[0].points, POINTS - 1)
    assert faces[0].source == str(path)
    np.testing.assert_array_equal(faces[2].points[66:], [POINTS[66] - 1, [6, 6]])
    assert all(face.pose is not None for face in faces)


def test_a_copy_without_the_sets_folders(tmp_path: Path) -> None:
    write_landmarks(tmp_path, ".", "IBUG_image_003_1_0")
    (tmp_path / "IBUG_image_003_1_0.jpg").touch()
    assert layout_of(tmp_path) is lp.LAYOUT
    (face,) = lp.read(tmp_path, strict)
    assert (face.id, face.group) == ("IBUG_image_003_1_0", "IBUG_image_003")
    assert (face.part, face.pose) == ("challenging", None)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("AFW_134212_1", "train"),
        ("LFPW_image_train_0001", "train"),
        ("LFPW_image_test_0001", "common"),
        ("HELEN_296814969_2", "train"),
        ("HELEN_296814969_3", "common"),
        ("HELEN_3266693323_1", "common"),
        ("HELEN_100032540_1", "train"),
        ("IBUG_image_030", "challenging"),
    ],
)
def test_test_faces_of_300_w_stay_test_faces(name: str, part: str) -> None:
    assert lp.part_of(name) == part


def test_real_test_faces_of_300_w_are_recognised(real_data: Path) -> None:
    for folder, is_test in (("testset", True), ("trainset", False)):
        names = [path.stem for path in (real_data / "300w/helen" / folder).glob("*.pts")]
        assert {lp.part_of(f"HELEN_{name}") in TEST_PARTS for name in names} == {is_test}


@pytest.mark.parametrize(
    ("pitch_yaw_roll", "expected"),  # expected: yaw, pitch, roll
    [
        ((0, 0.5, 0), (-0.5, 0, 0)),
        ((0.3, 0, 0), (0, -0.3, 0)),
        ((0, 0, 0.2), (0, 0, 0.2)),
    ],
)
def test_one_angle_at_a_time_gets_our_sign(
    pitch_yaw_roll: tuple[float, float, float], expected: tuple[float, float, float]
) -> None:
    assert lp.pose_of(pitch_yaw_roll) == pytest.approx(expected)


def test_three_angles_are_those_that_the_points_show() -> None:
    pitch, yaw, roll = 0.2, -0.5, 0.3
    about = [  # 3DDFA's, copied from face3d's angle2matrix_3ddfa
        [[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]],
        [[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]],
        [[np.cos(roll), np.sin(roll), 0], [-np.sin(roll), np.cos(roll), 0], [0, 0, 1]],
    ]
    upright = NEUTRAL_FACE * (1, -1, -1)  # y up, z to the viewer
    turned = upright @ np.linalg.multi_dot(about).T
    seen = (turned[:, :2] * (1, -1)).astype(np.float32)
    # 0.06 rad: 3DDFA sees without perspective, `head_pose` from 20 eye distances.
    np.testing.assert_allclose(head_pose(seen[None])[0], lp.pose_of([pitch, yaw, roll]), atol=0.06)


def test_damage_is_reported_and_the_next_face_read(tmp_path: Path) -> None:
    write(tmp_path, "AFW", "AFW_1_1_0", pt2d=np.zeros((2, 21)))
    write(tmp_path, "AFW", "AFW_1_1_1", Pose_Para=np.full((1, 7), np.nan))
    for name in ("AFW_1_1_2", "AFW_1_1_3", "AFW_1_1_4", "AFW_1_1_5"):
        write(tmp_path, "AFW", name)
    cut = write_landmarks(tmp_path, "AFW", "AFW_1_1_2")
    cut.write_bytes(cut.read_bytes()[:150])
    (tmp_path / "AFW/AFW_1_1_3.jpg").unlink()
    write_landmarks(tmp_path, "AFW", "AFW_1_1_4", np.full((68, 2), np.inf))
    problems: list[InputError] = []
    assert [face.id for face in lp.read(tmp_path, problems.append)] == ["AFW/AFW_1_1_5"]
    expected = (
        "AFW_1_1_0.mat: pt2d has (21, 2), expected 68 points",
        "AFW_1_1_1.mat: pose in AFW_1_1_1.mat: Pose_Para is [nan",
        "AFW_1_1_2_pts.mat: ",
        "AFW_1_1_3.mat: no picture",
        "AFW_1_1_4_pts.mat: expected finite numbers, found inf",
    )
    for text, problem in zip(expected, problems, strict=True):
        assert text in str(problem)
        assert "\n" not in str(problem)


def test_without_scipy_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "AFW", "AFW_1_1_0")
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(InputError, match=r"needs scipy .* Run: pip install '\.\[data\]'"):
        list(lp.read(tmp_path, strict))


def test_real_files(real_data: Path) -> None:
    faces = list(lp.read(real_data / "original_files/ibug_300w_lp", strict))
    assert len(faces) == 20
    for face in faces:
        height, width = face.grey().shape
        assert (face.points > 0).all()
        assert (face.points < (width, height)).all()
