"""Augmentation moves picture and points together; batches depend on seed and step alone."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from efld.data import augment
from efld.data.augment import Augmentation, Placement
from efld.data.batches import Batch, Batches, Regions, Source, cut_regions, mean_shape, plain
from efld.data.faces import Face
from efld.data.reshape import aligned, reshape
from efld.geometry import Picture, Points

SIDE = 176
STILL = Augmentation(0, 0, 0, 0, 0, 0, 0, 0, 0)


def dots(points: Points) -> Picture:
    """A region with a soft dot at each point (0..1)."""
    picture = np.zeros((SIDE, SIDE), np.float32)
    yy, xx = np.mgrid[:SIDE, :SIDE]
    for x, y in points * SIDE - 0.5:
        picture += 200 * np.exp(-((xx - x) ** 2 + (yy - y) ** 2) / 8)
    return np.clip(picture, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    "placement",
    [Placement(0, 1, 0, 0), Placement(0.5, 1.1, 0.05, -0.1), Placement(-1.2, 0.85, -0.1, 0.02)],
)
def test_placed_points_lie_on_placed_pixels(placement: Placement) -> None:
    points = np.array([[0.45, 0.4], [0.6, 0.62]], np.float32)
    picture, moved = augment.place(dots(points), points, 1.6, placement, 112)
    found = np.argwhere(picture > 120).astype(np.float32)
    for x, y in moved * 112 - 0.5:
        near = found[np.hypot(found[:, 1] - x, found[:, 0] - y) < 8]
        assert near[:, ::-1].mean(axis=0) == pytest.approx((x, y), abs=0.35)


def test_a_similarity_keeps_angles_and_ratios() -> None:
    points = np.array([[0.5, 0.5], [0.7, 0.5], [0.5, 0.6]], np.float32)
    _, moved = augment.place(dots(points), points, 1.6, Placement(0.3, 1.2, 0.1, 0), 112)
    right, down = moved[1] - moved[0], moved[2] - moved[0]
    assert right @ down == pytest.approx(0, abs=1e-6)
    assert np.linalg.norm(right) == pytest.approx(0.2 * 1.6 * 1.2, rel=1e-5)
    assert math.atan2(right[1], right[0]) == pytest.approx(0.3, abs=1e-5)


CORNERS = np.array([[0.3, 0.3], [0.7, 0.35], [0.65, 0.7], [0.35, 0.65]], np.float32)


def test_a_reshaped_face_keeps_its_landmarks() -> None:
    other = np.array([[0.2, 0.2], [0.6, 0.2], [0.6, 0.6], [0.3, 0.6]], np.float32)
    picture, moved = reshape(dots(CORNERS), CORNERS, other, 1.0)
    assert 1 < np.abs(moved - CORNERS).max() * SIDE < 20
    for x, y in moved * SIDE - 0.5:
        yy, xx = np.mgrid[:SIDE, :SIDE]
        near = picture * (np.hypot(xx - x, yy - y) < 10.0)
        found = (near * xx).sum() / near.sum(), (near * yy).sum() / near.sum()
        assert found == pytest.approx((x, y), abs=0.35)  # the dot itself is warped


def test_a_face_of_the_same_shape_changes_nothing() -> None:
    turned = (CORNERS @ np.array([[0.0, 2.0], [-2.0, 0.0]]) + 5).astype(np.float32)
    np.testing.assert_allclose(aligned(turned, CORNERS), CORNERS, atol=1e-6)
    picture, moved = reshape(dots(CORNERS), CORNERS, turned, 0.5)
    np.testing.assert_allclose(moved, CORNERS, atol=1e-6)
    np.testing.assert_allclose(picture, dots(CORNERS), atol=1)  # resampled, rounded


def test_spoiling_is_pure() -> None:
    grey = np.full((112, 112), 100, np.uint8)
    grey.setflags(write=False)
    pattern = np.full((112, 112), 32, np.int8)
    assert augment.noise(grey, pattern, 0.5).max() == 116
    assert augment.light(grey, 1, 10, 1).max() == 110
    assert augment.blur(grey, 1.0).min() == 100
    covered = augment.occlude(grey, (-10, 100), np.full((40, 40), 7, np.uint8))
    assert (covered == 7).sum() == 30 * 12


@pytest.mark.parametrize("corner", [(-50, 0), (0, -50), (200, 0), (0, 200)])
def test_a_patch_outside_changes_nothing(corner: tuple[int, int]) -> None:
    grey = np.full((112, 112), 100, np.uint8)
    np.testing.assert_array_equal(augment.occlude(grey, corner, grey[:40, :40] + 1), grey)


def assert_equal(ours: Batch, theirs: Batch) -> None:
    np.testing.assert_array_equal(ours[0], theirs[0])
    np.testing.assert_equal(ours[1], theirs[1])


def regions(count: int, level: int = 0) -> Regions:
    """Faces whose first point's x tells which one it is."""
    points = np.full((count, 68, 2), 0.5, np.float32)
    points[:, 0, 0] = 0.4 + np.arange(count) / 1000 + level / 100
    return Regions(np.full((count, SIDE, SIDE), level, np.uint8), points)


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    one = Batches([Source(regions(10))], 4, 112, Augmentation(), seed=1)
    two = Batches([Source(regions(10))], 4, 112, Augmentation(), seed=1)
    _ = one[0], one[1]
    assert_equal(one[2], two[2])
    assert not np.array_equal(one[3][0], one[2][0])
    other = Batches([Source(regions(10))], 4, 112, Augmentation(), seed=2)
    assert not np.array_equal(one[2][1]["landmarks"], other[2][1]["landmarks"])


def test_the_stream_is_the_batches_in_order() -> None:
    batches = Batches([Source(regions(10))], 4, 112, Augmentation(), seed=1)
    for step, batch in enumerate(batches.stream(3, 9, workers=3), start=3):
        assert_equal(batch, batches[step])
    assert step == 8


def test_unspoilt_batches_are_the_same_faces_in_pictures_as_they_are() -> None:
    strength = replace(STILL, light=1.0, blur=1.0, noise=1.0, occlusion=1.0)
    batches = Batches([Source(regions(10, level=99))], 4, 112, strength, seed=1)
    pictures, targets = batches.unspoilt()[2]
    assert np.unique(pictures).tolist() == [99]
    np.testing.assert_array_equal(targets["landmarks"], batches[2][1]["landmarks"])
    assert len(np.unique(batches[2][0])) > 9


def test_every_face_comes_once_a_pass() -> None:
    batches = Batches([Source(regions(12))], 4, 112, STILL, seed=0)
    drawn = [[batches[3 * p + i][1]["landmarks"][:, 0, 0] for i in range(3)] for p in range(2)]
    passes = [np.concatenate(three) for three in drawn]
    for seen in passes:
        assert len(set(seen.tolist())) == 12
    assert passes[0].tolist() != passes[1].tolist()


def test_a_source_stops_at_its_step() -> None:
    sources = [Source(regions(4)), Source(regions(4, level=9), until=5)]
    batches = Batches(sources, 8, 112, STILL, seed=0)
    assert {int(v) for v in np.unique(batches[4][0])} == {0, 9}
    assert np.unique(batches[5][0]).tolist() == [0]


def test_faces_on_disk_give_the_batches_of_faces_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("efld.data.pack.SHARD", 3)
    rng = np.random.default_rng(0)
    faces = [
        Face(str(i), picture, points, "train", str(i))
        for i, (picture, points) in enumerate(
            zip(
                rng.integers(0, 256, (8, 200, 180), np.uint8),
                rng.uniform(60, 140, (8, 68, 2)).astype(np.float32),
                strict=True,
            )
        )
    ]
    packed = cut_regions(faces, 1.25)
    in_memory = Regions(np.stack(list(packed.pictures)), packed.points)
    one, two = (Batches([Source(r)], 4, 112, Augmentation(), seed=1) for r in (packed, in_memory))
    for step in range(4):
        assert_equal(one[step], two[step])
    assert_equal(plain(packed, 112), plain(in_memory, 112))


def test_plain_crops_are_the_crops_of_the_protocol(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    points = np.random.default_rng(0).uniform(60, 140, (68, 2)).astype(np.float32)
    face = Face("a", np.tile(np.arange(200, dtype=np.uint8), (200, 1)), points, "train", "a")
    regions = cut_regions([face], 1.25)
    images, targets = plain(regions, 112)
    truth = targets["landmarks"]
    np.testing.assert_allclose(mean_shape(regions), truth[0], atol=1e-5)
    from efld import geometry

    box = geometry.truth_square(points, 1.25)
    np.testing.assert_allclose(truth[0], geometry.to_crop(points, box), atol=1e-5)
    direct = geometry.crop(face.grey(), box, 112)
    assert np.abs(images[0, ..., 0] - direct).max() <= 2  # sampled twice
