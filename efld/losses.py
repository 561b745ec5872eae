"""Losses on landmarks: `(batch, points, 2)` in, `(batch,)` out.

`LandmarkLoss` gives each the unit it was made for. `PoseLoss` also looks at the head's pose.
"""

import math
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import keras
from keras import ops

from efld.errors import InputError
from efld.schemes import outer_eyes

Tensor = Any  # a tensor of the running backend, or what numpy can make one of
LossFunction = Callable[[Tensor, Tensor], Tensor]


def l1(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Mean absolute difference of coordinates, in the unit given."""
    return ops.mean(ops.abs(y_true - y_pred), axis=(1, 2))


def l2(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Mean squared difference of coordinates, in the unit given, squared."""
    return ops.mean(ops.square(y_true - y_pred), axis=(1, 2))


def wing(
    y_true: Tensor, y_pred: Tensor, width_px: float = 10.0, curvature_px: float = 2.0
) -> Tensor:
    """Wing loss: logarithmic near zero, L1 far away. Coordinates in pixels of the crop.

        wing(d) = width * ln(1 + d / curvature)   if d < width
                  d - C                           otherwise,   d = |y_true - y_pred|

    Source: Feng et al., CVPR 2018, eq. 5. In 0..1 it would never leave the logarithmic part.
    """
    offset = width_px - width_px * math.log1p(width_px / curvature_px)  # C: makes the parts meet
    distance = ops.abs(y_true - y_pred)
    near = width_px * ops.log1p(distance / curvature_px)
    return ops.mean(ops.where(distance < width_px, near, distance - offset), axis=(1, 2))


def adaptive_wing(
    y_true: Tensor,
    y_pred: Tensor,
    place: Tensor | float,
    omega: float = 14.0,
    theta: float = 0.5,
    epsilon: float = 1.0,
    alpha: float = 2.1,
) -> Tensor:
    """Adaptive wing with exponent `alpha - place`. Coordinates in 0..1.

        aw(d) = omega * ln(1 + (d / epsilon)^(alpha - place))   if d < theta
                A * d - C                                       otherwise,   d = |y_true - y_pred|

    A and C make value and slope meet at theta. Source: Wang et al., ICCV 2019, eq. 3; Colaco & Han
    2022 print theta = 14 where omega is meant.
    """
    power = alpha - place
    distance = ops.abs(y_true - y_pred)
    ratio = theta / epsilon
    bend = ratio**power
    slope = omega / (1 + bend) * power * ratio ** (power - 1) / epsilon
    offset = theta * slope - omega * ops.log1p(bend)
    # The gradient of d^power at d = 0 is computed through a logarithm: keep off zero.
    safe = ops.maximum(distance, 1e-7)
    near = omega * ops.log1p((safe / epsilon) ** power)
    return ops.mean(ops.where(distance < theta, near, slope * distance - offset), axis=(1, 2))


def awing_literal(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Adaptive wing as Colaco & Han 2022 apply it: the exponent depends on the coordinate itself.

    It was made for heat maps. On coordinates it weighs a point by where it lies, so a face and its
    mirror image cost differently.
    """
    return adaptive_wing(y_true, y_pred, place=y_true)


def awing_symmetric(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Adaptive wing with the exponent of the crop's middle everywhere: mirror images cost alike."""
    return adaptive_wing(y_true, y_pred, place=0.5)


PIXEL_LOSSES: MappingProxyType[str, LossFunction] = MappingProxyType(
    {"l1": l1, "l2": l2, "wing": wing}
)
CROP_LOSSES: MappingProxyType[str, LossFunction] = MappingProxyType(
    {"awing-literal": awing_literal, "awing-symmetric": awing_symmetric}
)


@keras.saving.register_keras_serializable("efld")
class LandmarkLoss(keras.losses.Loss):
    """A named loss in the unit it was made for: pixels of the crop, or 0..1 (adaptive wing).

    Raises:
        InputError: unknown name.
    """

    def __init__(
        self, kind: str, input_px: int, name: str = "landmark_loss", **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        known = {**PIXEL_LOSSES, **CROP_LOSSES}
        if kind not in known:
            names = ", ".join([*known, *POSE_LOSSES])
            raise InputError(f"loss {kind!r} is unknown, expected one of {names}.")
        self.kind = kind
        self.input_px = input_px
        self._function = known[kind]
        self._unit = input_px if kind in PIXEL_LOSSES else 1

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return self._function(y_true * self._unit, y_pred * self._unit)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "kind": self.kind, "input_px": self.input_px}


def pose_difference(pose_true: Tensor, pose_pred: Tensor) -> Tensor:
    """`sum of 1 - cos(difference)` over yaw, pitch and roll: `(batch, 3)` radians -> `(batch,)`.

    Source: PFLD (Guo et al. 2019), eq. 2, and Hong 2025. Degrees, as in much open code, would make
    it a random number.
    """
    return ops.sum(1 - ops.cos(pose_true - pose_pred), axis=-1)


POSE_LOSSES: MappingProxyType[str, tuple[LossFunction, float]] = MappingProxyType({
    # name: distance term, what is added to the pose's difference
    "efld": (l2, 0.0),
    "efld-wing": (wing, 1.0),
})  # fmt: skip


@keras.saving.register_keras_serializable("efld")
class PoseLoss(keras.losses.Loss):
    """EFLD's loss (Hong 2025, after PFLD's eq. 1-2), of landmarks and an auxiliary pose.

        loss = weight * (floor + sum over yaw, pitch, roll of 1 - cos(difference)) * distance

    The weight of a face says how rare it is (`efld.attributes.weights`). "efld" is the published
    form: squared distance in pixels, floor 0. There the landmarks learn nothing from a face whose
    pose is already right, and the pose nothing where the landmarks are. "efld-wing" keeps the
    landmarks learning: floor 1, wing distance. Both measured: results/efld-loss-on-300w.json.

    Raises:
        InputError: unknown name.
    """

    def __init__(self, kind: str, input_px: int, name: str = "pose_loss", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        if kind not in POSE_LOSSES:
            raise InputError(f"loss {kind!r} is unknown, expected one of {', '.join(POSE_LOSSES)}.")
        self.kind = kind
        self.input_px = input_px
        self._distance, self._floor = POSE_LOSSES[kind]

    def call(self, y_true: dict[str, Tensor], y_pred: dict[str, Tensor]) -> Tensor:
        """
        Args:
            y_true: `landmarks` `(batch, points, 2)` in 0..1, `pose` `(batch, 3)` in radians and
                `weight` `(batch,)`.
            y_pred: `landmarks` and `pose`.
        """
        turned = pose_difference(y_true["pose"], y_pred["pose"])
        distance = self._distance(
            y_true["landmarks"] * self.input_px, y_pred["landmarks"] * self.input_px
        )
        return y_true["weight"] * (self._floor + turned) * distance

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "kind": self.kind, "input_px": self.input_px}


@keras.saving.register_keras_serializable("efld")
def nme(y_true: Tensor, y_pred: Tensor, scheme: str = "68") -> Tensor:
    """NME by the outer eye corners, percent: a metric to watch.

    Raises:
        InputError: a point scheme without two eyes.
    """
    left, right = outer_eyes(scheme)
    size = ops.norm(y_true[:, left] - y_true[:, right], axis=-1)
    return 100 * ops.mean(ops.norm(y_true - y_pred, axis=-1), axis=1) / size
