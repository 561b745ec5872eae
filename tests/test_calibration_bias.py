"""The mean error of rounded weights, taken out of the bias."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from efld import runtime, tflite_file
from quantize import bias, calibration, recipe, weighted
from quantize.making import Maker
from quantize.weighted import Layer
from tests import tiny_run


@pytest.fixture(scope="module")
def fp32() -> Path:
    return tiny_run.exported("dense") / "model.fp32.tflite"


@pytest.fixture(scope="module")
def images() -> NDArray[np.float32]:
    return tiny_run.evaluation().crops(tiny_run.SPEC).images.astype(np.float32)


@pytest.fixture
def int8(fp32: Path, images: NDArray[np.float32], tmp_path: Path) -> Path:
    ranges = calibration.ranges(calibration.observe(fp32, images), calibration.min_max)
    planned = recipe.float_ops(tflite_file.read(fp32))
    Maker(runtime.load(fp32), ()).write(tmp_path / "int8.tflite", planned, ranges)
    return tmp_path / "int8.tflite"


def layers(int8: Path, fp32: Path) -> list[Layer]:
    return list(weighted.layers(tflite_file.read(int8), tflite_file.read(fp32)))


def test_the_mean_output_is_that_of_the_runtime(
    fp32: Path, int8: Path, images: NDArray[np.float32]
) -> None:
    """For every layer without an activation: strides, padding, depthwise and dense ones."""
    means = calibration.means(calibration.observe(fp32, images))
    kinds = set()
    for layer in layers(int8, fp32):
        if layer.op.builtinOptions.fusedActivationFunction == 0 and layer.bias is not None:
            expected = means[layer.name].reshape(-1, len(layer.bias)).mean(axis=0)
            found = bias.mean_output(layer, layer.weights, means[layer.source])
            assert found is not None
            np.testing.assert_allclose(found + layer.bias, expected, rtol=1e-4, atol=1e-4)
            kinds.add(layer.kind)
    assert {"CONV_2D", "DEPTHWISE_CONV_2D"} <= kinds


@pytest.mark.parametrize("size", [7, 8, 9])
@pytest.mark.parametrize(
    ("kernel", "stride", "dilation"), [(3, 1, 1), (3, 2, 1), (5, 2, 1), (3, 1, 2)]
)
@pytest.mark.parametrize("same", [True, False])
def test_taps_meet_the_rows_that_tensorflow_s_padding_gives_them(
    size: int, kernel: int, stride: int, dilation: int, same: bool
) -> None:
    found = bias._places(size, kernel, stride, dilation, same=same)
    outputs = -(-size // stride) if same else (size - (kernel - 1) * dilation - 1) // stride + 1
    assert found.shape == (kernel, size)
    met = found * outputs  # how often each tap meets each row
    np.testing.assert_allclose(met, np.rint(met), atol=1e-9)
    assert met.max() <= 1
    centre = met[kernel // 2].sum()
    assert centre == outputs if same else met.sum() == kernel * outputs


def test_correction_takes_the_mean_error_of_coarse_weights_away(
    fp32: Path, int8: Path, images: NDArray[np.float32]
) -> None:
    """A layer with 7 steps instead of 127, before and after."""
    model = tflite_file.read(int8)
    found = weighted.layers(model, tflite_file.read(fp32))
    layer = next(one for one in found if one.kind == "CONV_2D" and one.computes_int8)
    assert layer.bias is not None
    scale = np.float32(np.abs(layer.weights).max() / 7)
    layer.set_scale(scale, np.rint(layer.weights / scale).astype(np.int8))
    tflite_file.write(model, int8)
    means = calibration.means(calibration.observe(fp32, images))
    before = bias.mean_output(layer, layer.weights - layer.rounded, means[layer.source])

    bias.correct(weighted.layers(model, tflite_file.read(fp32)), means)
    tflite_file.write(model, int8)

    after = next(one for one in layers(int8, fp32) if one.name == layer.name)
    tensor = after.made.subgraphs[0].tensors[after.op.inputs[2]]
    whole = np.frombuffer(after.made.buffers[tensor.buffer].data.tobytes(), np.int32)
    step = tensor.quantization.scale[0]
    assert before is not None
    assert np.abs(before).max() > 10 * step
    np.testing.assert_allclose(whole * step, layer.bias + before, atol=0.51 * step)
