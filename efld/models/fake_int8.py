"""Fake quantisation: a model that rounds, while it is trained, as its int8 file will.

Source: Jacob et al., CVPR 2018, section 3. Rounding has no gradient of use; the one of what was
rounded is taken instead (Bengio et al. 2013, straight-through estimator).

Measured: efld-nano after `python -m train 300w --model efld-nano --init
pretrained/efld-nano/model.keras --rounding int8 --data DATA/300w --epochs 8 --peak-lr 2e-4` loses
0.022 points of NME on 300-W full by int8, where it lost 0.045 before (its card says what it loses
today); but float went from 4.20 to 4.27 %.
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import layers, ops

from efld.models.compiled import BatchNorm, HardSwish

ACTIVATION_STEPS = 255  # from -128 to 127
LARGEST_WEIGHT = 127
LEAST_STEP = 1e-12  # where all is zero
WEIGHTED = (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense)


def fake_int8(model: keras.Model) -> keras.Model:
    """A copy that rounds kernels and activations; `exact` takes it back.

    A kernel has one scale for each output channel; an activation one, from its extremes over the
    batch. A ReLU rounds once, with its convolution or sum: the file computes both in one op.
    """
    by_name = {layer.name: layer for layer in model.layers}

    def called(layer: layers.Layer, x: Any, **kwargs: Any) -> Any:
        y = layer(x, **kwargs)
        rounds = _rounds(layer, by_name)
        return FakeInt8(name=f"{layer.name}_fake_int8")(y) if rounds else y

    return _copied(
        model, lambda one: FakeInt8Weights(one) if isinstance(one, WEIGHTED) else one, called
    )


def exact(model: keras.Model) -> keras.Model:
    """A copy of a `fake_int8` model that does not round."""

    def called(layer: layers.Layer, x: Any, **kwargs: Any) -> Any:
        return x if isinstance(layer, FakeInt8) else layer(x, **kwargs)

    return _copied(
        model, lambda one: one.layer if isinstance(one, FakeInt8Weights) else one, called
    )


@keras.saving.register_keras_serializable("efld")
class FakeInt8(layers.Layer):
    """Rounds an activation to int8 steps between its extremes, of which 0 is one."""

    def call(self, x: Any) -> Any:
        low, high = ops.minimum(ops.min(x), 0.0), ops.maximum(ops.max(x), 0.0)
        return _rounded(x, (high - low) / ACTIVATION_STEPS)


@keras.saving.register_keras_serializable("efld")
class FakeInt8Weights(layers.Wrapper):
    """A convolution or a dense layer whose kernel is rounded.

    Raises:
        ValueError: a convolution in groups.
    """

    def __init__(self, layer: layers.Layer, **kwargs: Any) -> None:
        if getattr(layer, "groups", 1) != 1:
            raise ValueError(f"{layer.name}: {layer.groups} groups, expected 1: not rounded here")
        super().__init__(layer, **{"name": layer.name, **kwargs})

    def call(self, x: Any) -> Any:
        layer = self.layer
        kernel = ops.convert_to_tensor(layer.kernel)
        depthwise = isinstance(layer, layers.DepthwiseConv2D)  # (height, width, channels, 1)
        axes = (0, 1) if depthwise else tuple(range(len(kernel.shape) - 1))
        largest = ops.max(ops.abs(kernel), axis=axes, keepdims=True)
        kernel = _rounded(kernel, largest / LARGEST_WEIGHT)
        if isinstance(layer, layers.Dense):
            y = ops.matmul(x, kernel)
        else:
            convolve = ops.depthwise_conv if depthwise else ops.conv
            y = convolve(x, kernel, layer.strides, layer.padding, dilation_rate=layer.dilation_rate)
        if layer.use_bias:
            y = y + ops.convert_to_tensor(layer.bias)
        return layer.activation(y)


def _rounded(x: Any, step: Any) -> Any:
    step = ops.maximum(step, LEAST_STEP)
    return x + ops.stop_gradient(ops.round(x / step) * step - x)


def _rounds(layer: layers.Layer, by_name: dict[str, layers.Layer]) -> bool:
    """Whether an int8 file has a tensor for what `layer` computes."""
    if isinstance(layer, BatchNorm | layers.Add):
        follows = _reader(layer, by_name)
        return follows is None or isinstance(follows, HardSwish | layers.Add)
    if isinstance(layer, FakeInt8Weights):
        return layer.layer.use_bias  # without bias, normalisation follows and is folded into it
    return isinstance(layer, layers.Activation | HardSwish | layers.Multiply)


def _reader(layer: layers.Layer, by_name: dict[str, layers.Layer]) -> layers.Layer | None:
    """What adds to a normalisation of the same name, or is the activation behind it or a sum."""
    stem, _, kind = layer.name.rpartition("_")
    parts = ("add", "act") if kind == "bn" else ("act",)
    return next((by_name[name] for part in parts if (name := f"{stem}_{part}") in by_name), None)


def _copied(
    model: keras.Model,
    clone: Callable[[layers.Layer], layers.Layer],
    call: Callable[..., Any],
) -> keras.Model:
    """The model with every layer replaced and called by other functions; same weights, by name."""
    copy = keras.models.clone_model(
        model,
        clone_function=lambda layer: clone(type(layer).from_config(layer.get_config())),
        call_function=call,
    )
    for layer in model.layers:
        if layer.weights:
            copy.get_layer(layer.name).set_weights(layer.get_weights())
    return copy
