"""Rendered faces: the same seed is the same face, and its points are where the code says."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from efld.data import synthetic
from efld.data.synthetic import collection
from efld.data.synthetic.camera import Camera, rotation, splat
from efld.data.synthetic.landmarks import landmark_grid, outlined
from efld.data.synthetic.shape import Array, Shape
from efld.data.synthetic.surface import TEXTURE, Surface
from efld.errors import InputError
from efld.schemes import mirror, scheme

NOSE_TIP, CHIN, OUTER_EYES, JAW = 30, 8, [36, 45], slice(0, 17)
SIDE_PX = 320


@pytest.fixture(scope="module")
def drawn() -> list[synthetic.Rendered]:
    return [synthetic.render(seed) for seed in range(80)]


def test_another_look_is_another_version(drawn: list[synthetic.Rendered]) -> None:
    """Caches are named by the version: raise it, and renew this picture, when faces change."""
    assert synthetic.RENDERER_VERSION == 2
    coarse = cv2.resize(drawn[2].picture, (4, 4), interpolation=cv2.INTER_AREA)
    expected = [[97, 2, 56, 155], [59, 58, 38, 71], [57, 39, 40, 181], [43, 20, 21, 61]]
    # One grey level: processors may round a float sum differently.
    np.testing.assert_allclose(coarse.astype(int), expected, atol=1)


def test_a_seed_is_a_face(drawn: list[synthetic.Rendered]) -> None:
    again = synthetic.render(3)
    np.testing.assert_array_equal(again.picture, drawn[3].picture)
    np.testing.assert_array_equal(again.points, drawn[3].points)
    assert not np.array_equal(drawn[3].picture, drawn[4].picture)
    assert not np.array_equal(drawn[3].points, drawn[4].points)


def test_shapes_and_dtypes(drawn: list[synthetic.Rendered]) -> None:
    for face in drawn[:5]:
        assert (face.picture.shape, str(face.picture.dtype)) == ((160, 160), "uint8")
        assert (face.points.shape, str(face.points.dtype)) == ((68, 2), "float32")
        assert (face.visible.shape, str(face.visible.dtype)) == ((68,), "bool")


def test_a_size_changes_the_resolution_only() -> None:
    small, large = synthetic.render(11, 80), synthetic.render(11, 240)
    np.testing.assert_allclose((large.points + 0.5) / 3, small.points + 0.5, atol=0.01)
    assert large.picture.shape == (240, 240)


def test_points_leave_a_margin_for_augmentation(drawn: list[synthetic.Rendered]) -> None:
    for face in drawn:
        longer_side_px = float(np.ptp(face.points, axis=0).max())
        assert 0.449 * 160 <= longer_side_px <= 0.651 * 160
        assert face.points.min() > 0
        assert face.points.max() < 159


def test_poses_are_moderate_but_not_all_frontal(drawn: list[synthetic.Rendered]) -> None:
    yaw = np.array([face.yaw for face in drawn])
    assert np.abs(yaw).max() <= 1.05
    assert 0.2 < yaw.std() < 0.6


def test_neutral_face_is_exactly_symmetric() -> None:
    face = synthetic.NEUTRAL_FACE
    swapped = face[list(scheme("68").mirror)] * [-1, 1, 1]
    np.testing.assert_array_equal(swapped, face)
    assert not face.flags.writeable
    assert np.linalg.norm(face[45] - face[36]) == pytest.approx(1)


def test_neutral_points_fill_a_truth_square() -> None:
    points = synthetic.neutral_points()
    np.testing.assert_allclose(mirror(points, "68"), points, atol=1e-6)
    assert float(np.ptp(points, axis=0).max()) == pytest.approx(1 / 1.25, abs=1e-5)


@pytest.mark.parametrize(
    ("angles", "axis", "sign"),
    [((0.3, 0, 0), 0, 1), ((-0.3, 0, 0), 0, -1), ((0, 0.3, 0), 1, 1), ((0, -0.3, 0), 1, -1)],
)
def test_the_nose_goes_right_with_yaw_and_down_with_pitch(
    angles: tuple[float, float, float], axis: int, sign: int
) -> None:
    turned = synthetic.NEUTRAL_FACE @ rotation(*angles).T
    nose = turned[NOSE_TIP] - turned[[*OUTER_EYES, CHIN]].mean(axis=0)
    straight = synthetic.NEUTRAL_FACE
    before = straight[NOSE_TIP] - straight[[*OUTER_EYES, CHIN]].mean(axis=0)
    assert np.sign(nose[axis] - before[axis]) == sign


def test_positive_roll_is_clockwise_in_the_picture() -> None:
    left, right = (synthetic.NEUTRAL_FACE @ rotation(0, 0, 0.3).T)[OUTER_EYES]
    assert right[1] > left[1]


def test_rendered_points_follow_the_pose(drawn: list[synthetic.Rendered]) -> None:
    for face in drawn:
        left, right = face.points[OUTER_EYES]
        if abs(face.roll) > 0.15:
            assert np.sign(right[1] - left[1]) == np.sign(face.roll)
        if abs(face.yaw) > 0.3:
            nose = face.points[NOSE_TIP] - (left + right) / 2
            across_px = nose @ [np.cos(face.roll), np.sin(face.roll)]
            assert np.sign(across_px) == np.sign(face.yaw)


def depth_inside_px(camera: Camera, surface: Surface, points: Array) -> Array:
    """How far inside the drawn head's outline each point is; below 0 outside."""
    canvas = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    plain = np.zeros((TEXTURE, TEXTURE), np.uint8), np.ones((TEXTURE, TEXTURE), bool)
    head = (splat(canvas, surface, camera, plain) < 8).astype(np.uint8)
    inside, outside = (cv2.distanceTransform(part, cv2.DIST_L2, 5) for part in (head, 1 - head))
    column, row = np.round(points[:, :2]).astype(int).T
    return np.asarray((inside - outside)[row, column], np.float32)


@pytest.mark.parametrize("yaw", [-0.75, -0.4, 0.4, 0.75])
@pytest.mark.parametrize("pitch", [-0.2, 0.0, 0.3])
def test_the_far_jaw_of_a_turned_head_is_on_its_outline(yaw: float, pitch: float) -> None:
    surface = Surface(Shape())
    camera = Camera(rotation(yaw, pitch, 0.1), 12, 0.35 * SIDE_PX, (SIDE_PX / 2, 0.4 * SIDE_PX))
    bones = landmark_grid(surface)
    slid = outlined(surface, camera, bones)
    far, near = (slice(12, 17), slice(0, 5)) if yaw > 0 else (slice(0, 5), slice(12, 17))
    inside = depth_inside_px(camera, surface, camera.project(surface.points_at(slid)))
    assert np.abs(inside[far]).max() <= 2
    before = depth_inside_px(camera, surface, camera.project(surface.points_at(bones)))
    assert before[far].max() > 3
    np.testing.assert_array_equal(slid[near], bones[near])
    np.testing.assert_array_equal(slid[17:], bones[17:])
    np.testing.assert_allclose(slid[far, 1], bones[far, 1], rtol=1e-6)


def test_the_chin_of_a_bowed_head_is_on_its_outline() -> None:
    surface = Surface(Shape())
    camera = Camera(rotation(0, 0.4, 0), 12, 0.35 * SIDE_PX, (SIDE_PX / 2, 0.4 * SIDE_PX))
    slid = outlined(surface, camera, landmark_grid(surface))
    inside = depth_inside_px(camera, surface, camera.project(surface.points_at(slid)))
    assert np.abs(inside[JAW]).max() <= 2


def test_the_jaw_of_a_frontal_face_stays_on_its_bones() -> None:
    surface = Surface(Shape())
    camera = Camera(rotation(0, 0, 0), 30, 1, (0, 0))
    bones = landmark_grid(surface)
    moved = surface.points_at(outlined(surface, camera, bones)) - surface.points_at(bones)
    assert np.abs(moved).max() < 0.02


def test_the_outline_of_turned_heads_is_mostly_visible(drawn: list[synthetic.Rendered]) -> None:
    turned = [face for face in drawn if abs(face.yaw) > 0.5]
    assert len(turned) >= 5
    far = [face.visible[slice(11, 17) if face.yaw > 0 else slice(0, 6)] for face in turned]
    assert np.mean(far) > 0.7


def test_most_points_of_frontal_faces_are_visible(drawn: list[synthetic.Rendered]) -> None:
    frontal = [face.visible[17:].mean() for face in drawn if abs(face.yaw) < 0.2]
    assert np.mean(frontal) > 0.8


def test_an_open_mouth_and_a_closed_eye_move_their_points_only() -> None:
    def flat(shape: Shape) -> Array:
        surface = Surface(shape)
        return surface.points_at(landmark_grid(surface))[:, :2]

    moved = np.linalg.norm(flat(Shape(eye_open=(0.0, Shape().eye_open[1]))) - flat(Shape()), axis=1)
    assert set(np.flatnonzero(moved > 1e-3)) == {37, 38, 40, 41}
    opened = flat(Shape(mouth_open=0.3)) - flat(Shape())
    assert opened[66, 1] > 0.2
    assert opened[62, 1] < 0
    assert opened[CHIN, 1] > 0.1
    np.testing.assert_allclose(opened[17:48], 0, atol=0.02)


def test_parts_share_no_seed_and_name_their_faces() -> None:
    train = synthetic.faces("train", 2, first_seed=17, size_px=48)
    test = synthetic.faces("test", 2, first_seed=17, size_px=48)
    assert [face.id for face in train] == ["synthetic/train/00000017", "synthetic/train/00000018"]
    assert [face.id for face in test] == ["synthetic/test/00000017", "synthetic/test/00000018"]
    assert {face.part for face in train + test} == {"train", "test"}
    assert len({face.group for face in train + test}) == 4
    assert not np.array_equal(train[0].grey(), test[0].grey())
    np.testing.assert_array_equal(train[0].grey(), synthetic.render(17, 48).picture)


def test_processes_draw_the_same_faces() -> None:
    count = collection.FEW_FACES
    last = synthetic.faces("train", count, size_px=32)[-1]
    np.testing.assert_array_equal(last.grey(), synthetic.render(count - 1, 32).picture)


def test_faces_come_back_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = synthetic.faces("train", 3, size_px=48, cache=tmp_path)
    (file,) = tmp_path.iterdir()
    assert f"v{synthetic.RENDERER_VERSION}_train" in file.name
    monkeypatch.setattr(collection, "_render_all", None)  # calling it would fail
    read = synthetic.faces("train", 3, size_px=48, cache=tmp_path)
    for one, other in zip(made, read, strict=True):
        np.testing.assert_array_equal(one.grey(), other.grey())
        np.testing.assert_array_equal(one.points, other.points)
        assert one.id == other.id


@pytest.mark.parametrize("kept_bytes", [0, 10, 2000])
def test_a_damaged_cache_is_named(tmp_path: Path, kept_bytes: int) -> None:
    synthetic.faces("train", 1, size_px=48, cache=tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:kept_bytes])
    with pytest.raises(InputError, match=file.name):
        synthetic.faces("train", 1, size_px=48, cache=tmp_path)


@pytest.mark.parametrize(("seed", "size_px"), [(-1, 160), (0, 31), (0, 257)])
def test_render_refuses(seed: int, size_px: int) -> None:
    with pytest.raises(InputError, match=f"seed {seed}, size {size_px} px"):
        synthetic.render(seed, size_px)


@pytest.mark.parametrize(("count", "first_seed"), [(0, 0), (1, -1), (2, 999_999_999)])
def test_faces_refuses(count: int, first_seed: int) -> None:
    with pytest.raises(InputError, match=f"count {count}, first seed {first_seed}"):
        synthetic.faces("train", count, first_seed=first_seed)
