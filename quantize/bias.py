"""The mean error that rounded weights make, taken out of the bias.

Rounding moves each weight by up to half a step, and over thousands of pictures the errors of one
output channel do not cancel, since its inputs have a mean. That mean is known from calibration, so
the shift that it causes is subtracted once and for all, at no cost.

    bias' = bias + E[W x] - E[W' x]        W: float weights, W': rounded ones

Source: Nagel et al. 2019, section 4.2, https://arxiv.org/abs/1906.04721.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efld import tflite_file
from quantize.layers import activations
from quantize.weighted import Floats, Layer, layers

SAME = 0  # in Padding of the .tflite schema


def corrected(fp32: Path, int8: Path, crops: NDArray[Any], out: Path) -> None:
    """Writes `int8` with corrected biases to `out`; both may be the same file.

    Args:
        fp32: the file that `int8` was made from.
        crops: `(pictures, input_px, input_px, channels)`, in the input range of the graph.
    """
    made = tflite_file.read(int8)
    correct(layers(made, tflite_file.read(fp32)), means(fp32, crops))
    tflite_file.write(made, out)


def means(fp32: Path, crops: NDArray[Any]) -> dict[str, Floats]:
    """The mean of everything that a float file computes, by tensor name, without the batch."""
    sums: dict[str, Floats] = {}
    for tensors in activations(fp32, crops):
        for name, values in tensors.items():
            sums[name] = sums.get(name, np.float64(0)) + values[0].astype(np.float64)
    return {name: total / len(crops) for name, total in sums.items()}


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
