"""The mean error that rounded weights make, taken out of the bias.

Rounding moves each weight by up to half a step, and over thousands of pictures the errors of one
output channel do not cancel, since its inputs have a mean. That mean is known from calibration, so
the shift that it causes is subtracted once and for all, at no cost.

    bias' = bias + E[W x] - E[W' x]        W: float weights, W': rounded ones

Source: Nagel et al. 2019, section 4.2, https://arxiv.org/abs/1906.04721.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from quantize.weighted import Floats, Layer

SAME = 0  # in Padding of the .tflite schema


def correct(layers: Iterable[Layer], means: Mapping[str, Floats]) -> None:
    """Corrects layers in place.

    Layers without a bias and convolutions in groups are left as they are.

    Args:
        means: of what the layers read, by the float file's tensor names.
    """
    for layer in layers:
        if layer.bias is not None:
            shift = mean_output(layer, layer.weights - layer.rounded, means[layer.source])
            if shift is not None:
                layer.set_bias(layer.bias + shift)


def mean_output(layer: Layer, weights: Floats, picture: Floats) -> Floats | None:
    """What a layer with `weights` and no bias or activation gives on average, `(channels,)`.

    Args:
        picture: what it reads: `(height, width, channels)`, or `(..., inputs)` of a dense layer.

    Returns:
        None for a convolution in groups.
    """
    if layer.kind == "FULLY_CONNECTED":
        return weights @ picture.reshape(-1, weights.shape[1]).mean(axis=0)
    seen = _taps(picture, weights.shape[1:3], layer.op.builtinOptions)
    if layer.kind == "DEPTHWISE_CONV_2D":
        repeats = weights.shape[3] // picture.shape[2]
        return np.asarray((weights[0] * np.repeat(seen, repeats, axis=2)).sum(axis=(0, 1)))
    if weights.shape[3] != picture.shape[2]:
        return None
    return np.asarray(np.einsum("ohwi,hwi->o", weights, seen))


def _taps(picture: Floats, kernel: tuple[int, int], options: Any) -> Floats:
    """What each tap of a kernel sees on average as it moves over a picture, `(*kernel, channels)`.

    Outside the picture it sees zeros.
    """
    strides = (options.strideH, options.strideW)
    dilations = (options.dilationHFactor, options.dilationWFactor)
    rows, columns = (
        _places(size, *one, same=options.padding == SAME)
        for size, *one in zip(picture.shape[:2], kernel, strides, dilations, strict=True)
    )
    met = np.tensordot(rows, picture, axes=(1, 0))  # (kernel height, width, channels)
    return np.asarray(np.tensordot(columns, met, axes=(1, 1)).swapaxes(0, 1))


def _places(size: int, kernel: int, stride: int, dilation: int, *, same: bool) -> Floats:
    """How often each tap meets each row, as a share of all outputs, `(kernel, size)`.

    Padding is TensorFlow's: what is odd comes after the picture.
    """
    reach = (kernel - 1) * dilation + 1
    outputs = -(-size // stride) if same else (size - reach) // stride + 1
    before = max((outputs - 1) * stride + reach - size, 0) // 2 if same else 0
    rows = stride * np.arange(outputs) - before + dilation * np.arange(kernel)[:, np.newaxis]
    return np.asarray((rows[..., np.newaxis] == np.arange(size)).sum(axis=1) / outputs)
