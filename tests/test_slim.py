"""Fewer bytes for an int8 file: what may go without anybody noticing, and what must stay."""

from pathlib import Path

import numpy as np
import pytest

from efld import runtime, tflite_file
from efld.sessions import Delegation
from quantize import calibration, recipe, slim, weighted
from quantize.calibration import Range
from quantize.making import Maker
from tests import tiny_run

Made = tuple[Path, Path]  # with a scale for each channel; as `python -m quantize` writes it


@pytest.fixture(scope="module")
def fp32() -> Path:
    return tiny_run.exported("dense") / "model.fp32.tflite"


@pytest.fixture(scope="module")
def ranges(fp32: Path) -> dict[str, Range]:
    images = tiny_run.evaluation().crops(tiny_run.SPEC).images
    return calibration.ranges(calibration.observe(fp32, images), calibration.min_max)


@pytest.fixture(scope="module")
def made(fp32: Path, ranges: dict[str, Range], tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("slim")
    planned = recipe.float_ops(tflite_file.read(fp32))
    for share in (False, True):
        maker = Maker(runtime.load(fp32), ("lfpw/trainset/image_0001",), share_scales=share)
        maker.write(folder / f"{share}.tflite", planned, ranges)
    return folder / "False.tflite", folder / "True.tflite"


def test_shared_scales_save_bytes_and_hardly_move_a_point(made: Made) -> None:
    images = tiny_run.evaluation().crops(tiny_run.SPEC).images
    each, shared = map(runtime.load, made)
    assert made[1].stat().st_size < made[0].stat().st_size - 2000
    assert shared.session.delegation() == each.session.delegation() == Delegation(1, {})
    distance_px = tiny_run.INPUT_PX * np.abs(shared(images) - each(images))
    assert distance_px.mean() < 0.1


def test_a_bias_follows_the_scale_that_its_layer_shares(fp32: Path, made: Made) -> None:
    """TFLite's rule: bias scale = input scale * weight scale, for each channel or for all."""
    model = tflite_file.read(made[1])
    tensors, lengths = model.subgraphs[0].tensors, set()
    for layer in weighted.layers(model, tflite_file.read(fp32)):
        source, _, bias = (tensors[i].quantization for i in layer.op.inputs)
        scales = layer.stored.quantization.scale
        if layer.computes_int8 and layer.bias is not None:
            np.testing.assert_allclose(bias.scale, source.scale[0] * scales, rtol=1e-6)
            assert len(bias.zeroPoint) == len(bias.scale)
        lengths.add(len(scales) == 1)
        assert np.abs(layer.rounded - layer.weights).max() <= 0.51 * max(scales)
    assert lengths == {True, False}


def test_a_layer_with_a_small_channel_keeps_its_scales() -> None:
    assert slim._alike(np.array([1.0] * 20))
    assert slim._alike(np.array([1.0] * 19 + [0.1]))  # one in twenty has 12.7 steps
    assert not slim._alike(np.array([1.0] * 8 + [0.1] * 2))  # a fifth
    assert not slim._alike(np.array([1.0] * 99 + [0.05]))  # 6 steps
    assert slim._alike(np.array([1.0] * 19 + [0.0]))  # a dead one has nothing to lose
    assert not slim._alike(np.zeros(4))


def test_dense_layers_keep_their_scales(fp32: Path, made: Made) -> None:
    layers = weighted.layers(tflite_file.read(made[1]), tflite_file.read(fp32))
    dense = [layer for layer in layers if layer.kind == "FULLY_CONNECTED"]
    assert [len(layer.stored.quantization.scale) for layer in dense] == [136, 136]


def test_names_of_constants_are_numbers_and_change_no_bit(fp32: Path, tmp_path: Path) -> None:
    images = tiny_run.evaluation().crops(tiny_run.SPEC).images
    model = tflite_file.read(fp32)
    before = {tensor.name for tensor in tflite_file.tensors(model) if not tensor.constant}
    slim.shorten_names(model)
    tflite_file.write(model, tmp_path / "short.tflite")
    found = tflite_file.tensors(tflite_file.read(tmp_path / "short.tflite"))
    assert {tensor.name for tensor in found if not tensor.constant} == before
    assert all(tensor.name.isdigit() for tensor in found if tensor.constant)
    assert len({tensor.name for tensor in found}) == len(found)
    short = runtime.load(tmp_path / "short.tflite")
    np.testing.assert_array_equal(short(images), runtime.load(fp32)(images))
