"""EFLD (Hong 2025): MobileNetV3 under a landmark head that sees several resolutions."""

from collections.abc import Sequence
from itertools import groupby
from types import MappingProxyType
from typing import Literal, NamedTuple, get_args

import keras
from keras import KerasTensor, layers

from efld.errors import InputError
from efld.geometry import Points
from efld.models import heads
from efld.models.blocks import Activation, conv_bn, inverted_residual, repeats, round_channels
from efld.models.heatmap import heatmap

Table = Literal["fine", "small", "large"]
Head = Literal["heatmap", "multiscale"]


class Block(NamedTuple):
    """One inverted residual block."""

    kernel: int
    hidden: int
    out: int
    squeeze_excite: bool
    activation: Activation
    stride: int


# Howard et al. 2019, https://arxiv.org/abs/1905.02244, table 2 without the classifier.
SMALL = (
    Block(3, 16, 16, True, "relu", 2),
    Block(3, 72, 24, False, "relu", 2),
    Block(3, 88, 24, False, "relu", 1),
    Block(5, 96, 40, True, "hard_swish", 2),
    Block(5, 240, 40, True, "hard_swish", 1),
    Block(5, 240, 40, True, "hard_swish", 1),
    Block(5, 120, 48, True, "hard_swish", 1),
    Block(5, 144, 48, True, "hard_swish", 1),
    Block(5, 288, 96, True, "hard_swish", 2),
    Block(5, 576, 96, True, "hard_swish", 1),
    Block(5, 576, 96, True, "hard_swish", 1),
)
# The same, table 1.
LARGE = (
    Block(3, 16, 16, False, "relu", 1),
    Block(3, 64, 24, False, "relu", 2),
    Block(3, 72, 24, False, "relu", 1),
    Block(5, 72, 40, True, "relu", 2),
    Block(5, 120, 40, True, "relu", 1),
    Block(5, 120, 40, True, "relu", 1),
    Block(3, 240, 80, False, "hard_swish", 2),
    Block(3, 200, 80, False, "hard_swish", 1),
    Block(3, 184, 80, False, "hard_swish", 1),
    Block(3, 184, 80, False, "hard_swish", 1),
    Block(3, 480, 112, True, "hard_swish", 1),
    Block(3, 672, 112, True, "hard_swish", 1),
    Block(5, 672, 160, True, "hard_swish", 2),
    Block(5, 960, 160, True, "hard_swish", 1),
    Block(5, 960, 160, True, "hard_swish", 1),
)
# Ours: the multiply-adds of SMALL at stride 32 moved to strides 8 and 16, where heat maps are read.
FINE = (
    Block(3, 16, 16, True, "relu", 2),
    Block(3, 72, 32, False, "relu", 2),
    Block(3, 96, 32, False, "relu", 1),
    Block(3, 96, 32, False, "relu", 1),
    Block(3, 96, 32, False, "relu", 1),
    Block(5, 128, 48, True, "hard_swish", 2),
    Block(5, 240, 48, True, "hard_swish", 1),
    Block(5, 240, 48, True, "hard_swish", 1),
    Block(5, 240, 48, True, "hard_swish", 1),
)
TABLES = MappingProxyType({"fine": FINE, "small": SMALL, "large": LARGE})
STEM = 16
HEAD_STRIDES = (8, 16, 32)
MULTISCALE = (8, 16)  # channels that the multi-scale head keeps of all maps but the coarsest


def build(
    width: float,
    depth: float,
    mean_shape: Points,
    input_px: int = 112,
    table: Table = "fine",
    minimalistic: bool = False,
    squeeze: float = 0.25,
    head: Head = "heatmap",
    head_channels: int = 64,
    near: int = 5,
) -> keras.Model:
    """Grey `(batch, input_px, input_px, 1)`, 0..255 -> `(batch, points, 2)`, 0..1 over the crop.

    Args:
        width: factor on all channels, rounded to multiples of 8.
        depth: factor on the blocks of a stage (consecutive blocks of equal output), rounded up.
        minimalistic: no squeeze-excite, ReLU for h-swish: what quantises and delegates cleanly.
        squeeze: channels inside squeeze-excite, as a part of the block's hidden channels.
        head: "multiscale" is the paper's: flattened maps under a dense layer.
        head_channels: what the heat maps are read from; the multi-scale head keeps as many of its
            coarsest map.
        near: `heatmap`'s.
    """
    if table not in TABLES:
        raise InputError(f"efld table {table!r} is unknown, expected one of {sorted(TABLES)}.")
    if head not in get_args(Head):
        raise InputError(f"efld head {head!r} is unknown, expected one of {get_args(Head)}.")
    swish: Activation = "relu" if minimalistic else "hard_swish"
    image = keras.Input((input_px, input_px, 1), name="image")
    x = layers.Rescaling(1 / 255, name="normalise")(image)
    x = conv_bn(x, round_channels(STEM * width), 3, 2, swish, name="stem")
    finest: dict[int, KerasTensor] = {}
    stride = 2
    for i, block in enumerate(deepened(TABLES[table], depth)):
        shape = block._replace(squeeze_excite=False, activation="relu") if minimalistic else block
        x = _block(x, shape, width, squeeze, f"block{i + 1}")
        stride *= block.stride
        finest[stride] = x
    maps = [finest[stride] for stride in HEAD_STRIDES if stride in finest]
    if head == "heatmap":
        landmarks = heatmap(maps, head_channels, swish, mean_shape, near)
    else:
        features = heads.multiscale(maps, (*MULTISCALE[: len(maps) - 1], head_channels), swish)
        landmarks = heads.landmarks(features, mean_shape)
    return keras.Model(image, landmarks, name="efld")


def deepened(table: Sequence[Block], depth: float) -> list[Block]:
    """The table with every stage `depth` times as long; added blocks copy its last one."""
    blocks: list[Block] = []
    for _, rows in groupby(table, key=lambda block: block.out):
        stage = list(rows)
        wanted = repeats(depth, len(stage))
        added = [stage[-1]._replace(stride=1)] * (wanted - len(stage))
        blocks += [*stage[:wanted], *added]
    return blocks


def _block(x: KerasTensor, block: Block, width: float, squeeze: float, name: str) -> KerasTensor:
    hidden = round_channels(block.hidden * width)
    return inverted_residual(
        x,
        hidden=hidden,
        out=round_channels(block.out * width),
        kernel=block.kernel,
        stride=block.stride,
        squeeze=round_channels(hidden * squeeze) if block.squeeze_excite else 0,
        activation=block.activation,
        gate="hard_sigmoid",
        name=name,
    )
