"""The named models: one table, and what each costs."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import keras

from efld.errors import InputError
from efld.models import build as build_family
from efld.models.heatmap import ExpectedPlaces


@dataclass(frozen=True)
class Entry:
    """How a named model is built."""

    family: str
    width: float
    depth: float
    options: Mapping[str, Any]
    note: str
    input_px: int = 112


def _published(width: float, depth: float) -> Entry:
    note = "Colaco & Han 2022, table 7"
    return Entry("efficientnet", width, depth, {"head": "published"}, note)


def _efld(width: float, note: str, input_px: int = 112, **options: Any) -> Entry:
    return Entry("efld", width, 1.0, options, note, input_px)


# Squeeze-excite holds a third of MobileNetV3's weights: ours squeeze to an eighth, not a quarter.
ZOO = MappingProxyType({
    "efld-nano": _efld(0.5, "smallest", squeeze=0.125, head_channels=32, near=3),
    "efld-small": _efld(1.0, "the default", squeeze=0.125, near=3),
    "efld-small-160px": _efld(1.0, "the same, larger pictures", 160, squeeze=0.125, near=3),
    "efld-large": _efld(1.75, "wider, larger pictures", 160, squeeze=0.125, head_channels=128),
    "efld-large-112px": _efld(1.75, "the same, smaller ones", squeeze=0.125, head_channels=128),
    "efld-small-minimalistic": _efld(1.0, "no squeeze-excite, ReLU", minimalistic=True),
    "efld-small-mobilenetv3": _efld(1.0, "MobileNetV3-Small's table", table="small", squeeze=0.125),
    "efld-small-dense": _efld(
        1.0, "the same under Hong's head", table="small", squeeze=0.125, head="multiscale"
    ),
    "efficientnet-lite0": Entry(
        "efficientnet-lite", 1.0, 1.0, {}, "more accurate; begins from ImageNet"
    ),
    "efficientnet-lite0-144px": Entry(
        "efficientnet-lite", 1.0, 1.0, {}, "the same on larger pictures", 144
    ),
    "efficientnet-lite0-160px": Entry(
        "efficientnet-lite", 1.0, 1.0, {}, "the same on still larger ones", 160
    ),
    "efficientnet-lite0-176px": Entry(
        "efficientnet-lite", 1.0, 1.0, {}, "most accurate; the same, larger again", 176
    ),
    "efficientnet-w1.0-d1.0": _published(1.0, 1.0),
    "efficientnet-w0.5-d1.1": _published(0.5, 1.1),
    "efficientnet-w0.25-d1.2": _published(0.25, 1.2),
    "efficientnet-w0.25-d2.2": _published(0.25, 2.2),
    "efficientnet-w0.25-d2.6": _published(0.25, 2.6),
})  # fmt: skip


def entry(name: str) -> Entry:
    """Looks a model up.

    Raises:
        InputError: unknown name.
    """
    if name not in ZOO:
        raise InputError(f"model {name!r} is unknown, expected one of {', '.join(ZOO)}.")
    return ZOO[name]


def build(name: str, **options: Any) -> keras.Model:
    """Builds the model `name`; `options` override the table's, for instance `mean_shape`."""
    row = entry(name)
    choices = {"input_px": row.input_px, **row.options, **options}
    return build_family(row.family, row.width, row.depth, **choices)


@dataclass(frozen=True)
class Cost:
    """What a model costs before any conversion. Counts batch normalisation as Keras does."""

    name: str
    parameters: int
    multiply_adds: int
    float_bytes: int  # weights alone
    int8_bytes: int
    note: str


def table() -> Iterator[Cost]:
    """One row a model of the zoo."""
    for name, row in ZOO.items():
        model = build(name)
        count = model.count_params()
        yield Cost(name, count, multiply_adds(model), 4 * count, count, row.note)


def multiply_adds(model: keras.Model) -> int:
    """Multiply-adds of one inference: convolutions and dense layers, batch 1."""
    return sum(map(_layer_multiply_adds, model.layers))


def _layer_multiply_adds(layer: keras.layers.Layer) -> int:
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return math.prod(layer.kernel.shape[:2]) * math.prod(layer.output.shape[1:])
    if isinstance(layer, keras.layers.Conv2D):
        return math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:3])
    if isinstance(layer, keras.layers.Dense):
        return math.prod(layer.kernel.shape)
    if isinstance(layer, ExpectedPlaces):
        return math.prod(layer.prior.shape) * 2
    return 0
