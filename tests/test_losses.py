"""Losses by hand, their symmetry and their gradients."""

import math
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from efld import losses, schemes
from efld.errors import InputError
from efld.losses import CROP_LOSSES, PIXEL_LOSSES, POSE_LOSSES, LandmarkLoss, PoseLoss

OTHER_BACKEND = """
import sys, jax, numpy as np
from efld.losses import CROP_LOSSES, PIXEL_LOSSES, POSE_LOSSES, LandmarkLoss, PoseLoss
given = np.load(sys.argv[1] + "/in.npz")
true, pred, pose = (jax.numpy.asarray(given[name]) for name in ("true", "pred", "pose"))
answers = {}
for kind in [*PIXEL_LOSSES, *CROP_LOSSES]:
    loss = lambda p: jax.numpy.mean(LandmarkLoss(kind, 112).call(true, p))
    answers[kind], answers[kind + " gradient"] = jax.value_and_grad(loss)(pred)
for kind in POSE_LOSSES:
    y = {"landmarks": true, "pose": 0 * pose, "weight": jax.numpy.ones(len(pose))}
    loss = lambda p: jax.numpy.mean(PoseLoss(kind, 112).call(y, {"landmarks": p, "pose": pose}))
    answers[kind], answers[kind + " gradient"] = jax.value_and_grad(loss)(pred)
np.savez(sys.argv[1] + "/out.npz", **answers)
"""

rng = np.random.default_rng(0)
TRUE = rng.uniform(0.1, 0.9, (4, 68, 2)).astype(np.float32)
NEAR = (TRUE + rng.normal(0, 0.03, TRUE.shape)).astype(np.float32)
ALL = [*PIXEL_LOSSES, *CROP_LOSSES]


def value(kind: str, y_true: np.ndarray, y_pred: np.ndarray) -> float:
    return float(LandmarkLoss(kind, 112)(y_true, y_pred))


def off_by(distance: float) -> tuple[np.ndarray, np.ndarray]:
    true = np.full((1, 68, 2), 0.25, np.float32)
    return true, true + np.float32(distance)


@pytest.mark.parametrize(
    ("kind", "px", "expected"),
    [
        ("l1", 3, 3),
        ("l2", 3, 9),
        ("wing", 3, 10 * math.log(1 + 3 / 2)),
        ("wing", 20, 20 - (10 - 10 * math.log(6))),
    ],
)
def test_pixel_losses_by_hand(kind: str, px: float, expected: float) -> None:
    assert value(kind, *off_by(px / 112)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("kind", "exponent"), [("awing-literal", 1.85), ("awing-symmetric", 1.6)])
def test_adaptive_wing_by_hand(kind: str, exponent: float) -> None:
    # At 0.25 the literal exponent is 2.1 - 0.25. omega 14, theta 0.5, epsilon 1.
    near = 14 * math.log(1 + 0.1**exponent)
    assert value(kind, *off_by(0.1)) == pytest.approx(near, rel=1e-4)
    bend = 0.5**exponent
    slope = 14 / (1 + bend) * exponent * 0.5 ** (exponent - 1)
    far = slope * 0.7 - (0.5 * slope - 14 * math.log(1 + bend))
    assert value(kind, *off_by(0.7)) == pytest.approx(far, rel=1e-4)


@pytest.mark.parametrize("kind", [kind for kind in ALL if kind != "awing-literal"])
def test_a_face_and_its_mirror_image_cost_the_same(kind: str) -> None:
    mirrored = value(kind, schemes.mirror(TRUE, "68"), schemes.mirror(NEAR, "68"))
    assert mirrored == pytest.approx(value(kind, TRUE, NEAR), rel=1e-5)


def test_literal_adaptive_wing_is_not_symmetric() -> None:
    mirrored = value("awing-literal", schemes.mirror(TRUE, "68"), schemes.mirror(NEAR, "68"))
    assert abs(mirrored / value("awing-literal", TRUE, NEAR) - 1) > 0.01


@pytest.mark.parametrize("kind", ALL)
def test_gradients_are_finite_at_zero_and_far_away(kind: str) -> None:
    import tensorflow as tf

    for distance in (0.0, 1e-9, 0.05, 0.5, 3.0):
        true, pred = off_by(distance)
        variable = tf.Variable(pred)
        with tf.GradientTape() as tape:
            loss = LandmarkLoss(kind, 112)(true, variable)
        assert np.isfinite(tape.gradient(loss, variable).numpy()).all(), distance


def test_both_backends_compute_the_same_values_and_finite_gradients(tmp_path: Path) -> None:
    pose = rng.normal(0, 0.4, (4, 3)).astype(np.float32)
    pred = NEAR.copy()
    pred[0] = TRUE[0]  # a face without any error
    np.savez(tmp_path / "in.npz", true=TRUE, pred=pred, pose=pose)
    env = {**os.environ, "KERAS_BACKEND": "jax"}
    subprocess.run([sys.executable, "-c", OTHER_BACKEND, str(tmp_path)], env=env, check=True)
    there = np.load(tmp_path / "out.npz")
    y_true = {"landmarks": TRUE, "pose": 0 * pose, "weight": np.ones(4, np.float32)}
    for kind in POSE_LOSSES:
        here = np.mean(PoseLoss(kind, 112).call(y_true, {"landmarks": pred, "pose": pose}))
        assert there[kind] == pytest.approx(here, rel=1e-4)
    for kind in ALL:
        assert there[kind] == pytest.approx(value(kind, TRUE, pred), rel=1e-4)
    assert all(np.isfinite(there[name]).all() for name in there.files)


def test_nme_of_a_known_shift() -> None:
    true = TRUE[:1].copy()
    true[0, 36], true[0, 45] = (0.3, 0.4), (0.7, 0.4)
    assert float(losses.nme(true, true + np.array([0.03, 0.04], np.float32))[0]) == pytest.approx(
        12.5, rel=1e-4
    )


def test_the_loss_is_restored_from_its_config() -> None:
    loss = LandmarkLoss("wing", 112)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert float(again(TRUE, NEAR)) == float(loss(TRUE, NEAR))
    assert ops.shape(losses.wing(TRUE, NEAR)) == (4,)


def test_an_unknown_loss_lists_the_known() -> None:
    with pytest.raises(InputError, match="loss 'huber' is unknown, expected one of l1, l2, wing"):
        LandmarkLoss("huber", 112)
