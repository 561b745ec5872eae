import numpy as np
import pytest
from numpy.typing import NDArray

from efld import metrics
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
    ("normaliser", "size"), [("inter-ocular", 50), ("inter-pupil", 40), ("box", 60)]
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
