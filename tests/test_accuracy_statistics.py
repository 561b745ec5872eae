"""How far a mean can be trusted, and the changes a model should stand."""

import cv2
import numpy as np
import pytest

from efld import corrupt, evaluate, geometry, statistics
from efld.corrupt import CONDITIONS, UNCHANGED, Condition
from efld.data.faces import Face
from efld.evaluate import View
from efld.geometry import Box
from tests.tiny_files import ANSWER, SPEC


def test_interval_is_repeatable_and_holds_the_mean() -> None:
    errors = np.random.default_rng(0).gamma(4, 1.2, 300)
    found = statistics.interval(errors)
    assert found == statistics.interval(errors)
    assert found.mean == pytest.approx(errors.mean())
    # The normal approximation: 1.96 standard errors. 300 draws of a mild skew agree to a tenth.
    assert found.half == pytest.approx(1.96 * errors.std() / np.sqrt(300), rel=0.1)


def test_interval_covers_the_true_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for trial in range(50):
        found = statistics.interval(rng.gamma(4, 1, 60), seed=trial)
        covered += found.low <= 4 <= found.high
    # 47.5 of 50, standard deviation 1.5; 60 faces of a skewed error cost a point or two.
    assert 42 <= covered <= 50


def test_paired_difference_sees_what_two_intervals_hide() -> None:
    rng = np.random.default_rng(2)
    hard = rng.gamma(2, 3, 200)  # what makes a face hard is common to both
    first, second = hard + 0.1 * rng.normal(size=200), hard + 0.2 + 0.1 * rng.normal(size=200)
    one, two = statistics.interval(first), statistics.interval(second)
    assert one.high > two.low
    found = statistics.difference(first, second)
    assert found.mean == pytest.approx(-0.2, abs=0.03)  # 3 standard errors: 0.14 / sqrt(200) * 3
    said = statistics.verdict("A", "B", found, 200)
    assert said.startswith("A better than B by 0.")
    assert said.endswith("(95 %)")
    back = statistics.verdict("B", "A", statistics.difference(second, first), 200)
    assert back.startswith("B worse than A by 0.")


def test_equal_models_and_few_faces_are_no_difference() -> None:
    errors = np.random.default_rng(3).gamma(4, 1, 50)
    none = statistics.difference(errors, errors)
    assert "no difference found" in statistics.verdict("A", "B", none, 50)
    few = statistics.difference(errors[:3], errors[:3] + 1)
    assert "3 faces are too few to tell" in statistics.verdict("A", "B", few, 3)


@pytest.mark.parametrize("bad", [np.array([]), np.array([1.0, np.nan])])
def test_nothing_and_nan_have_no_interval(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="finite"):
        statistics.interval(bad)
    with pytest.raises(ValueError, match="same faces"):
        statistics.difference(np.ones(3), np.ones(4))


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.name)
def test_conditions_are_as_strong_as_they_say(condition: Condition) -> None:
    box = Box(10, 20, 50, 50)
    moved = condition.box(box, "set/1")
    centre_x, centre_y = moved.left + moved.width / 2 - 35, moved.top + moved.height / 2 - 45
    assert abs(centre_x) + abs(centre_y) == pytest.approx(50 * condition.shift)
    assert moved.width == moved.height == pytest.approx(50 * condition.scale)
    white = np.full((100, 100), 200, np.uint8)
    spoiled = condition.picture(white, "set/1")
    covered = spoiled == corrupt.MIDDLE_GREY
    assert covered.mean() == pytest.approx(condition.covered, abs=0.01)  # whole pixels
    assert np.median(spoiled) == pytest.approx(200 * condition.light, abs=1)
    edge = np.zeros((100, 100), np.uint8)
    edge[:, 50:] = 255
    steepest = np.diff(condition.picture(edge, "x").astype(float), axis=1)
    if condition.blur:  # the slope of a blurred edge: 255 / (sigma * sqrt(2 pi))
        expected = 255 / (100 * condition.blur * np.sqrt(2 * np.pi))
        assert steepest.max() == pytest.approx(expected, rel=0.05)  # grey levels are whole


def test_conditions_differ_by_face_and_not_by_run() -> None:
    shift = next(condition for condition in CONDITIONS if condition.shift)
    boxes = [shift.box(Box(0, 0, 10, 10), f"set/{i}") for i in range(20)]
    assert boxes == [shift.box(Box(0, 0, 10, 10), f"set/{i}") for i in range(20)]
    assert len(set(boxes)) == 4  # left, right, up, down


def test_views_of_one_decoding_are_the_crops_of_the_spec() -> None:
    picture = cv2.resize(np.arange(100, dtype=np.uint8).reshape(10, 10), (240, 240))
    points = geometry.to_picture(ANSWER, Box(20, 10, 200, 200))
    faces = [Face("set/1", picture.astype(np.uint8), points, "common", "g")]
    views = [View.of(SPEC, condition) for condition in (UNCHANGED, *CONDITIONS)]
    crops = evaluate.cut_views(faces, views)
    plain = evaluate.cut(faces, SPEC)
    np.testing.assert_array_equal(crops[views[0]].images, plain.images)
    for view in views:  # wherever the crop lies, the truth is the same place of the picture
        box = view.condition.box(evaluate.truth_box(faces[0], SPEC.box_factor), "set/1")
        back = geometry.to_picture(crops[view].truth[0], box)
        np.testing.assert_allclose(back, points, atol=1e-3)  # float32 at 240 px


def test_the_box_is_of_the_points_that_are_annotated() -> None:
    points = geometry.to_picture(ANSWER, Box(20, 10, 200, 200))
    known = points.copy()
    known[5] = np.nan  # an inner point
    face = Face("a", np.zeros((240, 240), np.uint8), known, "common", "g")
    np.testing.assert_allclose(evaluate.cut([face], SPEC).truth[0][6:], ANSWER[6:], atol=1e-5)
