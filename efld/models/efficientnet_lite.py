"""The first five stages of EfficientNet-Lite0 under a heat map head.

Source: Tan & Le 2019, table 1, without squeeze-excite and with ReLU6, which is what TensorFlow
publishes as "lite0" with weights learnt on ImageNet. Stages six and seven are left out: they hold
three quarters of the weights, and their maps are too coarse to find a point in.
"""

import keras
from keras import layers

from efld.geometry import Points
from efld.models.blocks import conv_bn, round_channels
from efld.models.efficientnet import STAGES as TABLE
from efld.models.efficientnet import STEM, built_stage
from efld.models.heatmap import heatmap

STAGES = (*TABLE[:2], TABLE[2]._replace(repeats=2), *TABLE[3:5])  # B0's third has two layers
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
        x = built_stage(x, stage, width, depth, 0, "relu6", name=f"stage{i + 1}")
        maps.append(x)
    return keras.Model(image, [maps[i] for i in HEAD_STAGES], name="efficientnet_lite_backbone")
