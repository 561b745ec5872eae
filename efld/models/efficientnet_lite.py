"""The first five stages of EfficientNet-Lite0 under a heat map head.

Source: Tan & Le 2019, table 1, without squeeze-excite and with ReLU6, which is what TensorFlow
publishes as "lite0" with weights learnt on ImageNet. Stages six and seven are left out: they hold
three quarters of the weights, and their maps are too coarse to find a point in.
"""

import keras
from keras import KerasTensor, layers

from efld.geometry import Points
from efld.models.blocks import conv_bn, inverted_residual, repeats, round_channels
from efld.models.efficientnet import STEM, Stage
from efld.models.heatmap import heatmap

STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
)
HEAD_STAGES = (2, 4)  # strides 8 and 16
GREY_MEAN, GREY_SCALE = 127.0, 128.0  # as lite0's weights expect their pictures


def build(
    width: float,
    depth: float,
    mean_shape: Points,
    input_px: int = 112,
    head_channels: int = 128,
    near: int = 5,
) -> keras.Model:
    """Grey `(batch, input_px, input_px, 1)`, 0..255 -> `(batch, points, 2)`, 0..1 over the crop.

    Args:
        head_channels: what the heat maps are read from.
        near: `heatmap`'s.
    """
    below = backbone(width, depth, input_px)
    landmarks = heatmap(below.outputs, head_channels, "relu6", mean_shape, near)
    return keras.Model(below.input, landmarks, name="efficientnet_lite")


def backbone(width: float, depth: float, input_px: int = 112) -> keras.Model:
    """Grey picture -> the maps that the head sees, fine to coarse."""
    image = keras.Input((input_px, input_px, 1), name="image")
    x = layers.Rescaling(1 / GREY_SCALE, offset=-GREY_MEAN / GREY_SCALE, name="normalise")(image)
    x = conv_bn(x, round_channels(STEM * width), 3, 2, "relu6", name="stem")
    maps = []
    for i, stage in enumerate(STAGES):
        x = _stage(x, stage, width, depth, f"stage{i + 1}")
        maps.append(x)
    return keras.Model(image, [maps[i] for i in HEAD_STAGES], name="efficientnet_lite_backbone")


def _stage(x: KerasTensor, stage: Stage, width: float, depth: float, name: str) -> KerasTensor:
    for i in range(repeats(depth, stage.repeats)):
        x = inverted_residual(
            x,
            hidden=x.shape[-1] * stage.expand,
            out=round_channels(stage.out * width),
            kernel=stage.kernel,
            stride=stage.stride if i == 0 else 1,
            squeeze=0,
            activation="relu6",
            gate="sigmoid",
            name=f"{name}_block{i + 1}",
        )
    return x
