"""What the audit knows of single tensors, names and calibration ids."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from efld import tflite_file
from efld.tflite_file import Model
from quantize.audit import arithmetic, pictures, provenance, scales
from quantize.audit.bounds import bounds
from quantize.audit.report import Options, Report, report
from quantize.graph import Graph, Op
from tests import tiny_run
from tests.audited_files import NAME, TEST_ID, source


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """A right int8 file, to be spoiled."""
    return tflite_file.read(source().write(tmp_path / "right" / NAME))


def look(model: Model, path: Path) -> Report:
    tflite_file.write(model, path)
    return report(path, Options(data=tiny_run.faces_root()))


def faults(found: Report) -> set[str]:
    return {finding.code for finding in found.findings if finding.severity == "fault"}


def op_named(graph: Graph, name: str) -> Op:
    return next(op for op in graph.ops if graph.name(op) == name)


def weights_of(model: Model, name: str) -> int:
    """Index of the tensor that holds an op's weights."""
    graph = Graph.of(model)
    found = graph.weights(op_named(graph, name))
    assert found is not None
    return found.index


def test_one_constant_output_of_several_may_be_meant_so() -> None:
    seen = pictures.Seen("2 faces", 2, [], ["count"], outputs=2)
    assert [found.severity for found in pictures.findings(seen)] == ["warning"]
    alone = replace(seen, outputs=1)
    assert [found.severity for found in pictures.findings(alone)] == ["fault"]


def test_an_op_that_writes_nothing_is_called_by_its_kind(model: Model) -> None:
    graph = Graph.of(model)
    op = Op(0, "ASSIGN_VARIABLE", (0, 1), (), "")
    assert arithmetic.of(graph, op) == "other"
    assert graph.name(op) == "ASSIGN_VARIABLE"


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf])
def test_a_scale_that_cannot_be_right_is_a_fault(scale: float, model: Model) -> None:
    graph = Graph.of(model)
    tensor = model.subgraphs[0].tensors[op_named(graph, "conv_2d_18").outputs[0]]
    tensor.quantization.scale = np.array([scale], np.float32)
    found = {finding.code for finding in scales.findings(Graph.of(model), says_int8=True)}
    assert found == {"bad-scale"}


def test_a_dead_channel_may_have_a_denormal_scale(model: Model) -> None:
    graph = Graph.of(model)
    several = next(w for op in graph.ops if (w := graph.weights(op)) and w.scales.size > 1)
    tensor = model.subgraphs[0].tensors[several.index]
    tensor.quantization.scale = tensor.quantization.scale.copy()
    tensor.quantization.scale[0] = 1e-42
    found = {one.code: one.severity for one in scales.findings(Graph.of(model), says_int8=True)}
    assert found == {"tiny-scale": "warning", "dead-channels": "note"}


def test_a_zero_point_of_weights_is_a_fault(model: Model) -> None:
    tensor = model.subgraphs[0].tensors[weights_of(model, "conv_2d_18")]
    tensor.quantization.zeroPoint = np.full(len(tensor.quantization.scale), 3, np.int64)
    found = [one.code for one in scales.findings(Graph.of(model), says_int8=True)]
    assert found == ["weight-zero-point"]


def test_int8_without_calibration_ids_is_a_fault_of_ours(tmp_path: Path) -> None:
    assert faults(look(tflite_file.read(source().write(tmp_path / "x", ids=())), tmp_path / NAME)) \
        == {"unknown-calibration"}  # fmt: skip


def test_a_spec_that_its_graph_does_not_fit_is_a_fault(model: Model, tmp_path: Path) -> None:
    spec = replace(source().fp32.spec, scheme="98", calibration=source().ids)
    tflite_file.set_spec(model, spec)
    assert faults(look(model, tmp_path / NAME)) == {"wrong-metadata"}


@pytest.mark.parametrize("change", [{"input_px": 64}, {"channels": "rgb"}])
def test_a_spec_of_another_input_is_a_fault_and_no_crash(
    model: Model, tmp_path: Path, change: dict[str, Any]
) -> None:
    spec = replace(source().fp32.spec, calibration=source().ids, **change)
    tflite_file.set_spec(model, spec)
    assert faults(look(model, tmp_path / NAME)) == {"wrong-metadata"}


def test_a_spec_that_cannot_be_read_is_a_fault(model: Model, tmp_path: Path) -> None:
    for entry in model.metadata:
        model.buffers[entry.buffer].data = np.frombuffer(b"{}", np.uint8)
    assert faults(look(model, tmp_path / NAME)) == {"wrong-metadata"}


def test_a_missing_spec_is_a_fault_only_of_our_files(model: Model, tmp_path: Path) -> None:
    model.metadata = []
    graph = model.subgraphs[0]
    graph.tensors[graph.inputs[0]].name = "input_1"
    path = tmp_path / "foreign.tflite"
    tflite_file.write(model, path)
    options = Options(data=tiny_run.faces_root())
    found = report(path, options)
    assert [(one.severity, one.code) for one in found.findings if one.severity != "note"] == [
        ("warning", "missing-metadata")
    ]
    assert "as its own input scale spans" not in found.seen.pictures  # its first layers are float
    assert faults(report(path, replace(options, ours=True))) == {"missing-metadata"}


def test_test_faces_are_known_by_their_names_or_by_the_dataset() -> None:
    names = ("helen/testset/1", "lfpw/testset/1", "ibug/1", "test/0007", "synthetic/test/00000000")
    assert all(map(provenance.is_test_id, names))
    train = ("helen/trainset/test", "afw/1", "synthetic/train/00000000", "a/contest/1", "ibug_1")
    assert not any(map(provenance.is_test_id, train))
    spec = replace(source().fp32.spec, calibration=("a/1", "b/2"))
    found = list(provenance.calibration(spec, claimed=True, test_ids={"b/2"}))
    assert [(one.code, one.where) for one in found] == [("test-calibration", "b/2")]
    assert provenance.is_test_id(TEST_ID)


def test_what_an_op_can_write_at_all() -> None:
    graph = Graph.of(tflite_file.read(source().fp32.path))
    ends = {graph.name(op): bounds(graph, op.outputs[0]) for op in graph.ops}
    assert ends["conv_2d_2"] == (0, 6)  # ReLU6
    assert ends["conv_2d_14"] == (0, math.inf)  # ReLU
    assert ends["hard_swish_1"] == (-0.375, math.inf)
    assert ends["logistic_27"] == (0, 1)
    assert ends["mul_16"] == pytest.approx((0, 1))  # a ReLU6 times a sixth
    assert ends["mean_11"] == (-0.375, math.inf)
    assert ends["conv_2d_18"] == (-math.inf, math.inf)


def test_multiply_adds_are_counted_by_layer() -> None:
    graph = Graph.of(tflite_file.read(source().fp32.path))
    work = {graph.name(op): graph.multiply_adds(op) for op in graph.ops}
    assert work["conv_2d_0"] == 16 * 16 * 3 * 3 * 1 * 8
    assert work["depthwise_conv_2d_3"] == 8 * 8 * 3 * 3 * 16
    assert work["fully_connected_34"] == 256 * 136
    assert work["hard_swish_1"] == 0
