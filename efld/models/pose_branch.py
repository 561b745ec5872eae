"""An auxiliary pose output for training, and a model whose loss looks at both outputs together."""

import math
from typing import Any

import keras
from keras import KerasTensor, layers, ops

from efld.models.blocks import conv_bn

CHANNELS = 64


@keras.saving.register_keras_serializable("efld")
class JointModel(keras.Model):
    """A functional model with outputs `landmarks` and `pose`, compiled with a `losses.PoseLoss`."""

    def compute_loss(self, x: Any, y: Any, y_pred: Any, *_: Any, **__: Any) -> Any:  # noqa: ARG002
        return ops.mean(self.loss.call(y, y_pred))


def with_pose(model: keras.Model) -> keras.Model:
    """The model with a second output, `pose`: `(batch, 3)` yaw, pitch, roll in radians.

    The branch leaves the trunk at its last map of stride 16, as PFLD's auxiliary net does. It
    shares the weights of the given model and is left behind after training: `landmarks_of`.
    """
    pose = _branch(_last_map(model, stride=16))
    return JointModel(model.input, {"landmarks": model.output, "pose": pose}, name=model.name)


def landmarks_of(model: keras.Model) -> keras.Model:
    """The landmark model inside a training model."""
    output = model.output["landmarks"] if isinstance(model.output, dict) else model.output
    return keras.Model(model.input, output, name=model.name)


def _branch(x: KerasTensor) -> KerasTensor:
    x = conv_bn(x, CHANNELS, kernel=3, stride=2, activation="relu", name="pose_conv")
    x = layers.GlobalAveragePooling2D(name="pose_pool")(x)
    return layers.Dense(3, name="pose")(x)


def _last_map(model: keras.Model, stride: int) -> KerasTensor:
    side = math.ceil(model.input_shape[1] / stride)
    trunk = [layer for layer in model.layers if not layer.name.startswith("head_")]
    return [layer.output for layer in trunk if _side(layer.output) == side][-1]


def _side(output: Any) -> int | None:
    """Of a feature map, pixels; None for what is no map."""
    return output.shape[1] if isinstance(output, KerasTensor) and len(output.shape) == 4 else None
