"""A foreign graph between our edges computes what the foreign file does."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from efld import runtime, tflite_file
from export import foreign_graph
from export.foreign_model import ForeignModel
from export.foreign_spec import PREPROCESS, Told
from tests import tiny_foreign
from tests.tiny_files import write_tflite
from tests.tiny_foreign import INPUT_PX, net, save


def told(preprocess: str = "rgb01", **more: Any) -> Told:
    return Told(preprocess=preprocess, scheme="68", box_factor=1.25, **more)


def converted(path: Path, said: Told) -> dict[str, int]:
    """Converts a file, compares it with itself on noise; returns the ops of the result."""
    foreign = ForeignModel.open(path, said)
    ops = foreign_graph.write(foreign, path.with_name("model.onnx"))
    ours = runtime.load(path.with_name("model.onnx"))
    side, channels = foreign.spec.input_shape[1], foreign.spec.input_shape[3]
    crops = np.random.default_rng(0).integers(0, 256, (3, side, side, channels), np.uint8)
    np.testing.assert_allclose(ours(crops), foreign(crops), rtol=1e-4, atol=1e-5)
    assert np.ptp(foreign(crops), axis=0).max() > 1e-4  # the net looks at the picture
    assert ours.spec == foreign.spec
    assert ours.spec.input_range == (0, 255)
    return ops


@pytest.mark.parametrize("name", PREPROCESS)
def test_preprocessing_is_inside(tmp_path: Path, name: str) -> None:
    fed = PREPROCESS[name]
    made = net(colours=1 if fed.channels == "grey" else 3)
    ops = converted(save(made, tmp_path / "a.onnx"), told(name))
    assert "Gather" not in ops  # the order and the range of colours: in the first convolution
    assert ops.get("Sub", 0) == any(fed.mean)


@pytest.mark.parametrize("name", ["bgr01", "imagenet", "bgr-11"])
def test_preprocessing_is_ops_where_no_convolution_comes_first(tmp_path: Path, name: str) -> None:
    nodes = [
        helper.make_node("Flatten", ["input"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["sum"]),
        helper.make_node("Sigmoid", ["sum"], ["output"]),
    ]
    w = np.random.default_rng(0).normal(0, 0.02, (3 * INPUT_PX**2, 136))
    made = tiny_foreign.model(nodes, {"w": w}, (1, 3, INPUT_PX, INPUT_PX), {"output": (1, 136)})
    ops = converted(save(made, tmp_path / "a.onnx"), told(name, units="-11", origin_px=1.0))
    assert ops.get("Gather", 0) == PREPROCESS[name].reverse


@pytest.mark.parametrize("units", ["01", "-11", "px"])
@pytest.mark.parametrize("origin_px", [0.0, 0.5, 1.0])
def test_units_and_origin_are_in_the_last_dense_layer(
    tmp_path: Path, units: str, origin_px: float
) -> None:
    path = save(net(), tmp_path / "a.onnx")
    assert converted(path, told(units=units, origin_px=origin_px))["Reshape"] == 1
    crop = np.zeros((1, INPUT_PX, INPUT_PX, 3), np.uint8)
    raw = ForeignModel.open(path, told())(crop)
    scale = {"01": 1, "-11": 0.5, "px": 1 / INPUT_PX}[units]
    expected = raw * scale + (0.5 if units == "-11" else 0) - (origin_px - 0.5) / INPUT_PX
    found = ForeignModel.open(path, told(units=units, origin_px=origin_px))(crop)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_numbers_behind_the_points_are_cut_off(tmp_path: Path) -> None:
    path = save(net(extra=7), tmp_path / "a.onnx")
    assert "Gather" not in converted(path, told(output="output"))
    weights = onnx.load(tmp_path / "model.onnx").graph.initializer
    assert (143, tiny_foreign.CHANNELS) not in {tuple(w.dims) for w in weights}


def test_points_may_come_as_pairs(tmp_path: Path) -> None:
    assert converted(save(net(shape=(1, 68, 2)), tmp_path / "a.onnx"), told())["Reshape"] == 1


def test_other_outputs_are_cut_off(tmp_path: Path) -> None:
    """As in PFLD: feature maps beside the landmarks."""
    made = net()
    size = (1, tiny_foreign.CHANNELS, INPUT_PX // 2, INPUT_PX // 2)
    value = helper.make_tensor_value_info("d", onnx.TensorProto.FLOAT, size)
    made.graph.output.insert(0, value)
    converted(save(made, tmp_path / "a.onnx"), told())
    assert [edge.name for edge in onnx.load(tmp_path / "model.onnx").graph.output] == ["landmarks"]


def test_a_batch_of_any_size_becomes_one(tmp_path: Path) -> None:
    made = net()
    made.graph.node[-1].input[0] = "g"
    for edge in (*made.graph.input, *made.graph.output):
        edge.type.tensor_type.shape.dim[0].dim_param = "batch"
    del made.graph.node[-1:]
    made.graph.node[-1].output[0] = "output"
    converted(save(made, tmp_path / "a.onnx"), told())
    (edge,) = onnx.load(tmp_path / "model.onnx").graph.input
    assert edge.type.tensor_type.shape.dim[0].dim_value == 1


def test_a_batch_of_any_size_may_hide_a_reshape_to_one(tmp_path: Path) -> None:
    """As PyTorch writes `view(1, 136)` where the batch alone is said to be free."""
    made = net()
    for edge in (*made.graph.input, *made.graph.output):
        edge.type.tensor_type.shape.dim[0].dim_param = "batch"
    converted(save(made, tmp_path / "a.onnx"), told())


def test_what_else_a_file_computes_may_have_any_shape(tmp_path: Path) -> None:
    made = net()
    made.graph.node.append(helper.make_node("ReduceMean", ["g"], ["score"], keepdims=0))
    made.graph.output.append(helper.make_tensor_value_info("score", onnx.TensorProto.FLOAT, ()))
    converted(save(made, tmp_path / "a.onnx"), told())


def test_constants_among_the_inputs_are_constants(tmp_path: Path) -> None:
    """As PyTorch wrote them once."""
    made = net()
    made.ir_version = 3
    for constant in made.graph.initializer:
        made.graph.input.append(
            helper.make_tensor_value_info(constant.name, constant.data_type, constant.dims)
        )
    converted(save(made, tmp_path / "a.onnx"), told("bgr01"))


def test_channels_may_come_last(tmp_path: Path) -> None:
    """As tf2onnx writes graphs: turned by their first op, which is not needed any more."""
    made = net()
    turn = helper.make_node("Transpose", ["picture"], ["input"], perm=[0, 3, 1, 2])
    made.graph.node.insert(0, turn)
    size = (1, INPUT_PX, INPUT_PX, 3)
    value = helper.make_tensor_value_info("picture", onnx.TensorProto.FLOAT, size)
    del made.graph.input[:]
    made.graph.input.append(value)
    assert "Transpose" not in converted(save(made, tmp_path / "a.onnx"), told("bgr01"))


def test_weights_may_lie_beside_the_file(tmp_path: Path) -> None:
    """As PyTorch's newer exporter writes them."""
    onnx.save(net(), str(tmp_path / "a.onnx"), save_as_external_data=True, size_threshold=64)
    converted(tmp_path / "a.onnx", told())


def test_a_tflite_file_goes_the_same_way(tmp_path: Path) -> None:
    path = write_tflite(tmp_path / "a.tflite", None)
    assert tflite_file.read_spec(path) is None
    converted(path, told("grey255"))
