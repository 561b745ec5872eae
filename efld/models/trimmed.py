"""Structured pruning: hidden channels of inverted residual blocks that add next to nothing go.

A block's result is a sum over its hidden channels. One that hardly varies adds a constant, which
the batch normalisation behind it can subtract instead, and one of little weight adds little.
Nothing outside a block sees its hidden channels, so each block is cut on its own.

Source: He, Zhang & Sun, ICCV 2017, take channels by how well the rest reconstructs a layer's
result; here by the variance that goes with a channel, for each weight that goes with it.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from efld.models.heatmap import LANES

Array = NDArray[np.float32]


SUFFIX = "-trimmed"  # of the name of a zoo's model
LEAST_VARIANCE = 1e-12  # of a block that adds nothing
SEEN = (("_project", "input"), ("_depthwise_act", "output"), ("_project_bn", "output"))


class Moments:
    """Mean and variance of each channel over batches of maps."""

    def __init__(self) -> None:
        self.count = 0
        self.sum: Any = 0.0
        self.squares: Any = 0.0

    def add(self, maps: Array) -> None:
        """Maps `(batch, height, width, channels)`."""
        self.count += math.prod(maps.shape[:-1])
        self.sum = self.sum + maps.sum(axis=(0, 1, 2), dtype=np.float64)
        self.squares = self.squares + np.square(maps).sum(axis=(0, 1, 2), dtype=np.float64)

    @property
    def mean(self) -> NDArray[np.float64]:
        return np.asarray(self.sum / self.count)

    @property
    def variance(self) -> NDArray[np.float64]:
        return np.maximum(self.squares / self.count - self.mean**2, 0)


@dataclass(frozen=True, eq=False)
class Hidden:
    """A block's hidden channels over some pictures; arrays of shape `(channels,)`."""

    mean: NDArray[np.float64]  # of what is projected
    pooled: NDArray[np.float64]  # mean of what squeeze-excite sees; the same without one
    worth: NDArray[np.float64]  # share of the variance of the block's result, for each weight


def hidden(model: keras.Model, images: Iterable[Array]) -> dict[str, Hidden]:
    """What hidden channels add, by block; blocks without expansion have none of their own.

    Args:
        model: of the zoo, or trimmed already.
        images: batches of `(pictures, px, px, 1)`, 0..255.
    """
    seen = {block: [Moments() for _ in SEEN] for block in _blocks(model)}
    if not seen:
        return {}
    outputs = [_seen(model, block) for block in seen]
    probe = keras.Model(model.input, outputs)
    for batch in images:
        for moments, maps in zip(seen.values(), probe(batch, training=False), strict=True):
            for one, values in zip(moments, maps, strict=True):
                one.add(np.asarray(values))
    return {block: _hidden(model, block, *moments) for block, moments in seen.items()}


def least(found: Mapping[str, Hidden], share: float) -> dict[str, NDArray[np.intp]]:
    """The channels that stay, by block, when the `share` of all that is worth least goes.

    A block keeps a multiple of eight, as kernels for convolutions compute them: better ones of
    those that should go make it full.
    """
    worths = np.concatenate([one.worth for one in found.values()])
    gone = np.zeros(len(worths), bool)
    gone[np.argsort(worths, kind="stable")[: round(share * len(worths))]] = True
    ends = np.cumsum([len(one.worth) for one in found.values()])
    kept = {}
    for (block, one), mine in zip(found.items(), np.split(gone, ends[:-1]), strict=True):
        full = max(1, math.ceil(int((~mine).sum()) / LANES)) * LANES
        kept[block] = np.sort(np.argsort(-one.worth, kind="stable")[:full])
    return kept


def trimmed(
    model: keras.Model, found: Mapping[str, Hidden], kept: Mapping[str, NDArray[np.intp]]
) -> keras.Model:
    """A copy with the `kept` hidden channels alone; what the others add on average stays."""
    filters = {
        f"{block}{part}": len(stay)
        for block, stay in kept.items()
        for part in ("_expand", "_se_expand")
    }

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = layer.get_config()
        if layer.name in filters:
            config["filters"] = filters[layer.name]
        return type(layer).from_config(config)

    copy = keras.models.clone_model(model, clone_function=clone)
    weights = {layer.name: layer.get_weights() for layer in model.layers if layer.weights}
    for block, stay in kept.items():
        _cut(weights, block, found[block], stay)
    for name, arrays in weights.items():
        copy.get_layer(name).set_weights(arrays)
    return copy


def _blocks(model: keras.Model) -> list[str]:
    names = {layer.name for layer in model.layers}
    blocks = [name.removesuffix("_project") for name in names if name.endswith("_project")]
    return sorted(block for block in blocks if f"{block}_expand" in names)


def _seen(model: keras.Model, block: str) -> list[Any]:
    """What is projected, what squeeze-excite sees, and the block's result."""
    return [getattr(model.get_layer(f"{block}{part}"), end) for part, end in SEEN]


def _hidden(
    model: keras.Model, block: str, projected: Moments, pooled: Moments, result: Moments
) -> Hidden:
    normalise = model.get_layer(f"{block}_project_bn")
    gamma, _, _, variance = normalise.get_weights()
    kernel = model.get_layer(f"{block}_project").get_weights()[0][0, 0]
    kernel = kernel * gamma / np.sqrt(variance + normalise.epsilon)
    added = projected.variance * np.square(kernel).sum(axis=1)
    whole = max(float(result.variance.sum()), LEAST_VARIANCE)
    before = model.get_layer(f"{block}_expand").kernel.shape[2]
    window = math.prod(model.get_layer(f"{block}_depthwise").kernel.shape[:2])
    weights = before + window + kernel.shape[1]
    return Hidden(projected.mean, pooled.mean, added / whole / weights)


def _cut(weights: dict[str, list[Array]], block: str, one: Hidden, stay: NDArray[np.intp]) -> None:
    """Takes a block's other channels out of all of its layers' arrays."""
    gone = np.setdiff1d(np.arange(len(one.mean)), stay)
    kernel = weights[f"{block}_project"][0]
    # A mean that is subtracted from what is no longer there.
    weights[f"{block}_project_bn"][2] -= one.mean[gone] @ kernel[0, 0, gone]
    if f"{block}_se_reduce" in weights:
        kernel, bias = weights[f"{block}_se_reduce"]
        bias += one.pooled[gone] @ kernel[0, 0, gone]
    outputs, inputs, all_of_them = _along(-1, stay), _along(2, stay), _along(0, stay)
    for part, cut in (
        ("_expand", outputs), ("_expand_bn", all_of_them),
        ("_depthwise", inputs), ("_depthwise_bn", all_of_them),
        ("_se_reduce", _first(inputs)), ("_se_expand", outputs),
        ("_project", inputs),
    ):  # fmt: skip
        if (name := block + part) in weights:
            weights[name] = cut(weights[name])


def _along(axis: int, stay: NDArray[np.intp]) -> Callable[[Sequence[Array]], list[Array]]:
    return lambda arrays: [array.take(stay, axis) for array in arrays]


def _first(cut: Callable[[Sequence[Array]], list[Array]]) -> Callable[[Any], list[Array]]:
    """For layers whose bias belongs to channels of another kind."""
    return lambda arrays: [*cut(arrays[:1]), *arrays[1:]]
