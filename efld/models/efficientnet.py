"""EfficientNet for landmarks: Colaco & Han 2022, compound-scaled."""

from typing import Literal, NamedTuple, get_args

import keras
from keras import KerasTensor, layers

from efld.errors import InputError
from efld.geometry import Points
from efld.models import heads
from efld.models.blocks import Activation, conv_bn, inverted_residual, repeats, round_channels

Head = Literal["multiscale", "published", "baseline"]


class Stage(NamedTuple):
    """`repeats` MBConv blocks; only the first one has `stride`."""

    repeats: int
    kernel: int
    stride: int
    expand: int  # hidden channels = expand * input channels
    out: int


# Colaco & Han 2022, table 2: B0 of Tan & Le 2019, table 1, with five layers in the third stage.
STEM = 32
STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(5, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
SQUEEZE = 0.25  # of the block's input channels
MULTISCALE = (2, 4, 6)  # stages whose maps the multi-scale head sees: 14x14, 7x7, 4x4 at 112 px


class Scaling(NamedTuple):
    """What compound scaling gives: factors on width and depth, and the crop's side."""

    width: float
    depth: float
    input_px: int


def compound(
    phi: float, alpha: float = 1.2, beta: float = 1.1, gamma: float = 1.15, base_px: int = 112
) -> Scaling:
    """Compound scaling: depth alpha^phi, width beta^phi, resolution gamma^phi.

    Source: Tan & Le 2019, eq. 3 (their grid search gave the defaults), used by Colaco & Han 2022.

    Raises:
        InputError: alpha * beta^2 * gamma^2 is further than 0.1 from 2, or a factor is below 1.
    """
    cost = alpha * beta**2 * gamma**2
    if abs(cost - 2) > 0.1 or min(alpha, beta, gamma) < 1:
        raise InputError(
            f"compound scaling with alpha={alpha}, beta={beta}, gamma={gamma}: expected factors of "
            f"1 or more with alpha * beta^2 * gamma^2 within 0.1 of 2, found {cost:.3f}."
        )
    return Scaling(beta**phi, alpha**phi, round(base_px * gamma**phi))


def build(
    width: float, depth: float, mean_shape: Points, input_px: int = 112, head: Head = "multiscale"
) -> keras.Model:
    """Grey `(batch, input_px, input_px, 1)`, 0..255 -> `(batch, points, 2)`, 0..1 over the crop.

    `head="published"` reproduces the parameter counts of the paper's table 7, `"baseline"` those of
    plain EfficientNet; `"multiscale"` is the one to use for new models.
    """
    if head not in get_args(Head):
        raise InputError(
            f"efficientnet head {head!r} is unknown, expected one of {get_args(Head)}."
        )
    image = keras.Input((input_px, input_px, 1), name="image")
    x = layers.Rescaling(1 / 255, name="normalise")(image)
    x = conv_bn(x, round_channels(STEM * width), 3, 2, "hard_swish", "valid", name="stem")
    maps = []
    for i, stage in enumerate(STAGES):
        x = built_stage(x, stage, width, depth, name=f"stage{i + 1}")
        maps.append(x)
    features = _head(maps, width, head)
    return keras.Model(image, heads.landmarks(features, mean_shape), name="efficientnet")


def built_stage(
    x: KerasTensor,
    stage: Stage,
    width: float,
    depth: float,
    squeeze: float = SQUEEZE,
    activation: Activation = "hard_swish",
    *,
    name: str,
) -> KerasTensor:
    """The blocks of a stage; `squeeze=0` leaves out squeeze-excite."""
    for i in range(repeats(depth, stage.repeats)):
        channels = x.shape[-1]
        x = inverted_residual(
            x,
            hidden=channels * stage.expand,
            out=round_channels(stage.out * width),
            kernel=stage.kernel,
            stride=stage.stride if i == 0 else 1,
            squeeze=max(1, int(channels * squeeze)) if squeeze else 0,
            activation=activation,
            gate="sigmoid",
            name=f"{name}_block{i + 1}",
        )
    return x


def _head(maps: list[KerasTensor], width: float, head: Head) -> list[KerasTensor]:
    if head == "multiscale":
        channels = heads.multiscale_channels(width)
        return heads.multiscale([maps[i] for i in MULTISCALE], channels, "hard_swish")
    build_head = heads.published if head == "published" else heads.baseline
    return build_head(maps[-1], width, "hard_swish")
