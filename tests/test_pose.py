"""Head pose from landmarks, against rendered heads whose pose is known."""

import math

import numpy as np
import pytest

from efld import schemes
from efld.data.synthetic import NEUTRAL_FACE, render
from efld.data.synthetic.camera import rotation
from efld.geometry import Points
from efld.pose import angles, head_pose, moved

POSE = (0.5, -0.2, 0.1)


def seen(yaw: float, pitch: float, roll: float) -> Points:
    """The mean face turned and seen from where the fit's camera stands, `(1, 68, 2)`."""
    turned = NEUTRAL_FACE @ rotation(yaw, pitch, roll).T
    return (turned[:, :2] / (20 + turned[:, 2:]) * 300 + 100)[None].astype(np.float32)


def test_angles_are_those_of_the_rotation() -> None:
    assert angles(rotation(*POSE)) == pytest.approx(POSE, abs=1e-12)


@pytest.mark.parametrize("pose", [(0, 0, 0), POSE, (-0.9, 0.3, -0.4)])
def test_the_mean_face_itself_is_recovered(pose: tuple[float, float, float]) -> None:
    # The fit guesses the distance from the size of the box: a quarter of a degree.
    assert head_pose(seen(*pose))[0] == pytest.approx(pose, abs=math.radians(2))


@pytest.mark.parametrize(
    ("pose", "moves"),
    [
        ((0.5, 0, 0), (1, 0)),
        ((-0.5, 0, 0), (-1, 0)),
        ((0, 0.4, 0), (0, 1)),
        ((0, -0.4, 0), (0, -1)),
    ],
)
def test_signs_are_those_of_the_picture(
    pose: tuple[float, float, float], moves: tuple[int, int]
) -> None:
    """Positive yaw takes the tip of the nose to the right of the eyes, positive pitch down."""
    tip = [p[0, 30] - (p[0, 36] + p[0, 45]) / 2 for p in (seen(*pose), seen(0, 0, 0))]
    assert np.dot(tip[0] - tip[1], moves) > 1
    assert np.dot(head_pose(seen(*pose))[0, :2], moves) > 0.3


def test_pose_of_rendered_faces_is_within_two_degrees_in_the_median() -> None:
    rendered = [render(seed, 48) for seed in range(2_000_000_000, 2_000_000_080)]
    found = head_pose(np.stack([face.points for face in rendered]))
    known = np.array([(face.yaw, face.pitch, face.roll) for face in rendered])
    error_deg = np.degrees(np.abs(found - known))
    assert (np.median(error_deg, axis=0) < 2).all(), np.median(error_deg, axis=0)
    assert (error_deg.mean(axis=0) < 3).all()


def test_the_reference_face_is_symmetric() -> None:
    """Known bug of open PFLD code: both wings of the nose have one and the same 3-D point."""
    mirrored = NEUTRAL_FACE[list(schemes.scheme("68").mirror)] * [-1, 1, 1]
    np.testing.assert_array_equal(mirrored, NEUTRAL_FACE)
    off_axis = np.setdiff1d(np.arange(68), [8, 27, 28, 29, 30, 33, 51, 57, 62, 66])
    assert (np.abs(NEUTRAL_FACE[off_axis, 0]) > 0.02).all()


def test_a_mirrored_face_has_the_mirrored_pose() -> None:
    face = (render(5, 96).points[None] / 96).astype(np.float32)
    mirrored = head_pose(schemes.mirror(face, "68"))
    np.testing.assert_allclose(mirrored, moved(head_pose(face), mirrored=True), atol=1e-6)


def test_turning_the_picture_adds_to_roll() -> None:
    face = render(7, 96).points[None]
    cos, sin = math.cos(0.3), math.sin(0.3)
    turn = np.array([[cos, sin], [-sin, cos]], np.float32)
    found = head_pose((face - 48) @ turn + 48)
    # Exact but for the scale, which is measured on an upright box.
    np.testing.assert_allclose(found, moved(head_pose(face), 0.3), atol=math.radians(1))


def test_scale_and_place_do_not_matter() -> None:
    face = seen(*POSE)
    np.testing.assert_allclose(head_pose(face * 3 + 40), head_pose(face), atol=1e-4)


def test_a_face_without_all_its_points_has_no_pose() -> None:
    face = seen(*POSE)
    face[0, 36] = np.nan
    assert np.isnan(head_pose(face)).all()
