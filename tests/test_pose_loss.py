"""The EFLD loss by hand, and what open code for it gets wrong."""

import math
from typing import Any

import keras
import numpy as np
import pytest

from efld import schemes
from efld.errors import InputError
from efld.losses import POSE_LOSSES, PoseLoss, pose_difference
from efld.models import zoo
from efld.models.pose_branch import landmarks_of, with_pose
from efld.pose import moved

rng = np.random.default_rng(0)
POSES = rng.normal(0, 0.4, (3, 3)).astype(np.float32)
POINTS = rng.uniform(0.1, 0.9, (3, 68, 2)).astype(np.float32)
WEIGHTS = np.array([0.5, 1, 2], np.float32)
OFF = np.float32(3 / 112)  # 3 px on a crop of 112
TRUE = {"landmarks": POINTS, "pose": POSES, "weight": WEIGHTS}
FOUND = {"landmarks": POINTS + OFF, "pose": POSES + np.float32(0.2)}


def losses(kind: str, true: dict[str, Any] = TRUE, found: dict[str, Any] = FOUND) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(PoseLoss(kind, 112).call(true, found)))


def test_efld_by_hand() -> None:
    """weight * sum of 1 - cos * squared distance: 3 angles off by 0.2, every coordinate by 3 px."""
    turned = 3 * (1 - math.cos(0.2))
    np.testing.assert_allclose(losses("efld"), WEIGHTS * turned * 9, rtol=1e-4)
    wing = 10 * math.log(1 + 3 / 2)
    np.testing.assert_allclose(losses("efld-wing"), WEIGHTS * (1 + turned) * wing, rtol=1e-4)


def test_angles_are_radians() -> None:
    """Known bug of open PFLD code: degrees under the cosine. A quarter turn costs exactly 1."""
    quarter = np.array([[math.pi / 2, 0, 0]], np.float32)
    assert float(pose_difference(quarter, 0 * quarter)[0]) == pytest.approx(1, abs=1e-6)
    degree = np.radians([[1.0, 0, 0]]).astype(np.float32)
    assert float(pose_difference(degree, 0 * degree)[0]) == pytest.approx(1.523e-4, rel=1e-2)


@pytest.mark.parametrize("kind", POSE_LOSSES)
def test_a_face_and_its_mirror_image_cost_the_same(kind: str) -> None:
    def mirrored(given: dict[str, Any]) -> dict[str, Any]:
        points = schemes.mirror(given["landmarks"], "68")
        return {**given, "landmarks": points, "pose": moved(given["pose"], mirrored=True)}

    np.testing.assert_allclose(
        losses(kind, mirrored(TRUE), mirrored(FOUND)), losses(kind), rtol=1e-4
    )


@pytest.mark.parametrize("kind", POSE_LOSSES)
def test_gradients_are_finite_where_everything_is_right_already(kind: str) -> None:
    import tensorflow as tf

    pose, points = tf.Variable(POSES), tf.Variable(POINTS)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(PoseLoss(kind, 112).call(TRUE, {"landmarks": points, "pose": pose}))
    for gradient in tape.gradient(loss, [pose, points]):
        assert np.isfinite(gradient.numpy()).all()


def test_only_the_floor_teaches_a_face_whose_pose_is_right() -> None:
    right = {**FOUND, "pose": POSES}
    assert (losses("efld", TRUE, right) == 0).all()
    assert (losses("efld-wing", TRUE, right) > 0).all()


def test_an_unknown_loss_lists_the_known() -> None:
    with pytest.raises(InputError, match="loss 'pfld' is unknown, expected one of efld, efld-wing"):
        PoseLoss("pfld", 112)


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return with_pose(zoo.build("efld-nano"))


def test_the_pose_branch_trains_and_is_left_behind(model: keras.Model) -> None:
    images = rng.uniform(0, 255, (3, 112, 112, 1)).astype(np.float32)
    model.compile("adam", PoseLoss("efld", 112))
    before = [
        np.array(layer.kernel) for layer in (model.get_layer("pose"), model.get_layer("stem"))
    ]
    model.fit(images, TRUE, verbose=0)
    after = [np.array(layer.kernel) for layer in (model.get_layer("pose"), model.get_layer("stem"))]
    assert all((a != b).any() for a, b in zip(after, before, strict=True))
    bare = landmarks_of(model)
    assert bare.output_shape == (None, 68, 2)
    assert bare.count_params() == zoo.build("efld-nano").count_params()


def test_a_training_state_with_pose_is_restored(model: keras.Model, tmp_path: Any) -> None:
    model.compile("sgd", PoseLoss("efld", 112))
    model.save(tmp_path / "last.keras")
    again = keras.models.load_model(tmp_path / "last.keras")
    assert isinstance(again.loss, PoseLoss)
    assert again.loss.kind == "efld"
    images = np.full((1, 112, 112, 1), 90, np.float32)
    for name, found in again(images).items():
        np.testing.assert_allclose(found, model(images)[name], atol=1e-6)
