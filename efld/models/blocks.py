"""Layers that the families share. Every convolution is without bias and followed by BN."""

import math
from typing import Literal

from keras import KerasTensor, initializers, layers

from efld.models.compiled import BatchNorm, HardSwish

Activation = Literal["relu", "relu6", "hard_swish", "linear"]
Gate = Literal["sigmoid", "hard_sigmoid"]

# Keras' default of 0.99 leaves inference statistics stale after short runs.
BN_MOMENTUM = 0.95
BN_EPSILON = 1e-3


def round_channels(channels: float, divisor: int = 8) -> int:
    """Nearest multiple of `divisor`, at least one of them, never below 90 % of `channels`.

    Source: Sandler et al. 2018 (MobileNetV2), kept by EfficientNet and MobileNetV3.
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def repeats(depth: float, count: int) -> int:
    """How many blocks a stage of `count` has after depth scaling: rounded up (Tan & Le 2019)."""
    return math.ceil(depth * count)


def conv_bn(
    x: KerasTensor,
    channels: int,
    kernel: int = 1,
    stride: int = 1,
    activation: Activation = "linear",
    padding: Literal["same", "valid"] = "same",
    *,
    gamma: Literal["ones", "zeros"] = "ones",
    name: str,
) -> KerasTensor:
    """Convolution, batch normalisation, activation: `(batch, h, w, channels)` out.

    `gamma` is what the scale of the normalisation starts from.
    """
    x = layers.Conv2D(
        channels, kernel, stride, padding, use_bias=False, kernel_initializer="he_normal", name=name
    )(x)
    return _bn(x, activation, name, gamma)


def depthwise_bn(
    x: KerasTensor, kernel: int, stride: int, activation: Activation, *, name: str
) -> KerasTensor:
    """Depthwise convolution, batch normalisation, activation."""
    # Each result has kernel² terms. Keras' he_normal counts the terms of all channels, and leaves
    # weights so small that Adam's first steps make others of them.
    he_normal = initializers.RandomNormal(stddev=math.sqrt(2) / kernel)
    x = layers.DepthwiseConv2D(
        kernel, stride, "same", use_bias=False, depthwise_initializer=he_normal, name=name
    )(x)
    return _bn(x, activation, name)


def _bn(x: KerasTensor, activation: Activation, name: str, gamma: str = "ones") -> KerasTensor:
    x = BatchNorm(
        momentum=BN_MOMENTUM, epsilon=BN_EPSILON, gamma_initializer=gamma, name=f"{name}_bn"
    )(x)
    return activated(x, activation, name=f"{name}_act")


def activated(x: KerasTensor, activation: Activation, *, name: str) -> KerasTensor:
    """The activation as a layer of its own."""
    if activation == "linear":
        return x
    if activation == "hard_swish":
        return HardSwish(name=name)(x)
    return layers.Activation(activation, name=name)(x)


def squeeze_excite(
    x: KerasTensor, squeeze: int, activation: Activation, gate: Gate, *, name: str
) -> KerasTensor:
    """Scales channels by what the whole map says: pool, 1x1 to `squeeze`, 1x1 back, gate, multiply.

    Source: Hu et al., CVPR 2018. The two convolutions have biases (Tan & Le 2019).
    """
    scale = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_pool")(x)
    scale = layers.Conv2D(squeeze, 1, activation=activation, name=f"{name}_reduce")(scale)
    scale = layers.Conv2D(x.shape[-1], 1, activation=gate, name=f"{name}_expand")(scale)
    return layers.Multiply(name=f"{name}_scale")([x, scale])


def inverted_residual(
    x: KerasTensor,
    hidden: int,
    out: int,
    kernel: int,
    stride: int,
    squeeze: int,
    activation: Activation,
    gate: Gate,
    *,
    name: str,
) -> KerasTensor:
    """MBConv: expand, depthwise, squeeze-excite, project, add the input if it fits.

    What is added starts as zero: the net is a shallow one at first, and deepens as it learns
    (Goyal et al. 2017, Accurate, large minibatch SGD, section 5.1).

    Args:
        hidden: channels of the depthwise convolution; equal to the input's = no expansion.
        out: channels of the result.
        squeeze: channels inside squeeze-excite; 0 = none.
    """
    y = x
    if hidden != x.shape[-1]:
        y = conv_bn(y, hidden, activation=activation, name=f"{name}_expand")
    y = depthwise_bn(y, kernel, stride, activation, name=f"{name}_depthwise")
    if squeeze:
        y = squeeze_excite(
            y, squeeze, "relu" if gate == "hard_sigmoid" else activation, gate, name=f"{name}_se"
        )
    adds = x.shape == (*y.shape[:-1], out)
    y = conv_bn(y, out, gamma="zeros" if adds else "ones", name=f"{name}_project")
    return layers.Add(name=f"{name}_add")([x, y]) if adds else y
