"""Losses by hand, their symmetry and their gradients."""

import math

import keras
import numpy as np
import pytest
from keras import ops

from efld import losses, schemes
from efld.errors import InputError
from efld.losses import CROP_LOSSES, PIXEL_LOSSES, LandmarkLoss

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
