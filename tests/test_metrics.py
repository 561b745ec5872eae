import csv
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from efld import metrics
from efld.data.datasets import open_faces
from efld.errors import InputError
from efld.geometry import Points


def faces(count: int = 2) -> Points:
    """68 points on a line, but eyes whose distances are easy: corners 50 apart, centres 40."""
    points = np.zeros((count, 68, 2), np.float32)
    points[..., 0] = np.linspace(0, 80, 68)
    points[:, 36:42] = (15, 10)
    points[:, 42:48] = (55, 10)
    points[:, 36], points[:, 41] = (10, 10), (20, 10)
    points[:, 45], points[:, 42] = (60, 10), (50, 10)
    points[:, 0], points[:, 67] = (0, 0), (80, 45)
    return points


@pytest.mark.parametrize(
    ("normaliser", "size"),
    [("inter-ocular", 50), ("inter-pupil", 40), ("box", 60), ("diagonal", np.hypot(80, 45))],
)
def test_nme_is_the_mean_distance_in_percent_of_the_normaliser(
    normaliser: metrics.Normaliser, size: float
) -> None:
    truth = faces()  # box 80 x 45: sqrt(80 * 45) = 60
    predicted = truth.copy()
    predicted[1] += (3, 4)  # every point 5 away
    found = metrics.nme_percent(predicted, truth, "68", normaliser)
    np.testing.assert_allclose(found, [0, 100 * 5 / size], rtol=1e-6)


def test_one_point_off_counts_a_68th() -> None:
    truth = faces(1)
    predicted = truth.copy()
    predicted[0, 30, 0] += 34
    assert metrics.nme_percent(predicted, truth, "68") == pytest.approx([100 * 34 / 68 / 50])


def test_the_normaliser_is_the_truths() -> None:
    truth = faces(1)
    assert metrics.nme_percent(2 * truth, truth, "68") == pytest.approx(
        [100 * np.linalg.norm(truth[0], axis=1).mean() / 50]
    )


def test_ced_auc_and_failure_rate_of_three_faces() -> None:
    errors_percent = np.array([2.0, 8.0, 10.0])
    np.testing.assert_allclose(
        metrics.ced(errors_percent, np.array([1.0, 2.0, 9.0, 10.0])), [0, 1 / 3, 2 / 3, 1]
    )
    assert metrics.auc(errors_percent, 8) == pytest.approx((1 - 2 / 8 + 0 + 0) / 3)
    assert metrics.failure_rate(errors_percent, 8) == pytest.approx(1 / 3)  # 8 % is no failure


def test_auc_is_the_area_under_the_ced() -> None:
    errors_percent = np.random.default_rng(0).gamma(4, 1.2, 500)
    at_percent = np.linspace(0, 8, 8001)
    area = np.trapezoid(metrics.ced(errors_percent, at_percent), at_percent) / 8
    assert metrics.auc(errors_percent, 8) == pytest.approx(area, abs=1e-4)


def test_a_face_without_size_is_refused() -> None:
    truth = faces()
    truth[1, 45] = truth[1, 36]
    with pytest.raises(InputError, match=r"face 1: inter-ocular distance 0\.0"):
        metrics.nme_percent(truth, truth, "68")


@pytest.mark.parametrize("bad", [np.array([]), np.array([1.0, np.nan]), np.array([np.inf])])
def test_no_faces_and_nan_have_no_auc(bad: NDArray[np.float64]) -> None:
    with pytest.raises(ValueError, match="finite"):
        metrics.auc(bad)
    with pytest.raises(ValueError, match="finite"):
        metrics.failure_rate(bad)


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="expected one shape"):
        metrics.nme_percent(faces(1), faces(2), "68")


def test_a_point_that_is_not_annotated_counts_nowhere() -> None:
    truth = faces(1)
    predicted = truth.copy()
    predicted[0, :17] += (3, 4)  # the jaw 5 px away, which is 10 % of the eyes' 50
    truth[0, 1:9] = np.nan
    errors = metrics.point_errors_percent(predicted, truth, "68")
    assert np.isnan(errors[0, 1:9]).all()
    assert metrics.nme_percent(predicted, truth, "68", "box") == pytest.approx(
        [100 * 5 / 60 * 9 / 60]  # 9 of 60 points are off; the box keeps its corners
    )
    regions = metrics.by_region(errors, "68")
    assert regions["jaw"] == pytest.approx([10])
    assert regions["mouth"] == pytest.approx([0])
    truth[0, :17] = np.nan
    errors = metrics.point_errors_percent(predicted, truth, "68")
    assert np.isnan(metrics.by_region(errors, "68")["jaw"]).all()
    truth[0, 36] = np.nan
    with pytest.raises(InputError, match="inter-ocular distance nan"):
        metrics.nme_percent(predicted, truth, "68")


def test_a_prediction_that_is_nan_is_no_missing_point() -> None:
    predicted = faces(1)
    predicted[0, 3] = np.nan
    with pytest.raises(ValueError, match="finite points"):
        metrics.nme_percent(predicted, faces(1), "68")


def test_nrmse_is_the_root_of_the_mean_square() -> None:
    truth = faces(1)
    predicted = truth.copy()
    predicted[0, 0, 0] += 34  # one point of 68
    assert metrics.nrmse_percent(predicted, truth, "68") == pytest.approx(
        [100 * np.sqrt(34**2 / 68) / 50]
    )
    every_point = truth + np.array([3, 4], np.float32)
    assert metrics.nrmse_percent(every_point, truth, "68") == pytest.approx([10])  # as the NME


def test_attributes_group_faces_and_a_face_counts_for_each() -> None:
    flags = [frozenset({"blur", "pose"}), frozenset({"pose"}), frozenset[str]()]
    found = metrics.by_attribute(np.array([1.0, 2.0, 4.0]), flags)
    assert {name: errors.tolist() for name, errors in found.items()} == {
        "blur": [1],
        "pose": [1, 2],
    }


def test_pose_grid_has_pitch_down_and_yaw_across() -> None:
    yaw_rad = np.radians([0.0, 5, 20, -90, np.nan])
    pitch_rad = np.radians([0.0, -5, 50, 0, 0])
    grid = metrics.by_pose(np.array([2.0, 4, 5, 6, 7]), yaw_rad, pitch_rad)
    middle = grid.edges_deg.index(15)  # the bin that ends there
    assert grid.edges_deg[middle - 1] == -15
    found = {cell: errors.tolist() for cell, errors in grid.errors_percent.items()}
    assert found == {  # the face without a pose is left out
        (middle, middle): [2, 4],
        (grid.edges_deg.index(60), middle + 1): [5],
        (middle, 0): [6],
    }


FOLDERS = {"lfpw/testset": "common", "helen/testset": "common", "ibug": "challenge"}


@pytest.fixture(scope="module")
def ours_and_published(real_data: Path) -> tuple[Points, Points]:
    """300-W's test faces as read from our crops, at their source's scale, and as HRNet's csv gives
    them, `(689, 68, 2)` each. LFPW and HELEN come first; IBUG's sources are not the owners'."""
    scales, published = {}, {}
    for folder, part in FOLDERS.items():
        with (real_data / "300w" / folder / "index.csv").open() as file:
            for row in csv.DictReader(file):
                scales[f"{folder}/{row['name']}"] = [float(row["scale_x"]), float(row["scale_y"])]
        path = real_data / f"300w_annotations/face_landmarks_300w_valid_{part}.csv"
        with path.open() as file:
            for name, _scale, _x, _y, *numbers in list(csv.reader(file))[1:]:
                published[name.rsplit(".", 1)[0]] = np.array(numbers, float).reshape(68, 2)
    own = sorted(
        open_faces(real_data / "300w", "full"), key=lambda face: face.part == "challenging"
    )
    ours = np.stack([face.points / np.array(scales[face.id]) for face in own])
    return ours.astype(np.float32), np.stack([published[face.id] for face in own]).astype(
        np.float32
    )


# Rounding: three decimals of a .pts are 0.0014 px from end to end, of 30 px and more, for each of
# two distances.
ROUNDED = 1e-4


def test_crops_keep_the_published_eye_distance(ours_and_published: tuple[Points, Points]) -> None:
    ours, published = (metrics.inter_ocular(points[:554], "68") for points in ours_and_published)
    np.testing.assert_allclose(ours, published, rtol=ROUNDED)


def test_normalisers_agree_on_the_published_faces(
    ours_and_published: tuple[Points, Points],
) -> None:
    ours, published = ours_and_published
    assert len(ours) == len(published) == 689
    eyes, published_eyes = (metrics.inter_ocular(points, "68") for points in ours_and_published)
    ratio = published_eyes / metrics.inter_pupil(published, "68")
    assert 1.38 < ratio.mean() < 1.44  # as in papers that print both
    shift = np.array([0.03, 0.04], np.float32)  # 5 %
    for name, size in metrics.NORMALISERS.items():
        np.testing.assert_allclose(
            size(ours, "68") / eyes, size(published, "68") / published_eyes, rtol=ROUNDED
        )
        moved = published + size(published, "68")[:, None, None].astype(np.float32) * shift
        # Float32 pixels up to 4000 end at 0.0002, of distances of 30 and more.
        found = metrics.nme_percent(moved, published, "68", name)
        np.testing.assert_allclose(found, 5, rtol=1e-3)
