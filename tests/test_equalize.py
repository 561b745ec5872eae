"""Channels of like size: the float file computes the same, and int8 rounds less."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from efld import tflite_file
from efld.runtime import LandmarkModel, load
from efld.sessions import open_session
from efld.tflite_file import Model
from quantize import calibration, equalize, recipe
from quantize.calibration import METHODS
from quantize.float_edges import FloatEdges
from quantize.graph import Graph, Op, Value
from quantize.making import Maker
from tests import tiny_run

SPREAD = np.array([1 / 30, 30])


@pytest.fixture(scope="module")
def fp32() -> Path:
    return tiny_run.exported("heatmap") / "model.fp32.tflite"


@pytest.fixture(scope="module")
def crops(fp32: Path) -> NDArray[np.float32]:
    return tiny_run.evaluation().crops(load(fp32).spec).images.astype(np.float32)


def answers(path: Path, crops: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.concatenate([open_session(path).run({"image": crop[None]})[0] for crop in crops])


def spread(fp32: Path, out: Path) -> Path:
    """The same function, channels of every group far apart."""
    model = tflite_file.read(fp32)
    for one in equalize.groups(Graph.of(model)):
        channels = Graph.of(model).values[next(iter(one.tensors))].shape[-1]
        equalize._scale(model, one, np.resize(SPREAD, channels))
    tflite_file.write(model, out)
    return out


def int8(fp32: Path, crops: NDArray[np.float32], out: Path) -> NDArray[np.float32]:
    """What the int8 file of a float file answers."""
    seen = calibration.observe(fp32, crops)
    model = LandmarkModel(tiny_run.SPEC, fp32, open_session(fp32))
    planned = recipe.float_ops(tflite_file.read(fp32))
    maker = Maker(model, ("lfpw/trainset/image_0001",), calibration.means(seen))
    maker.write(out, planned, calibration.ranges(seen, METHODS["min-max"]))
    return np.concatenate([FloatEdges(out).run({"image": crop[None]})[0] for crop in crops])


def test_the_float_file_computes_the_same(
    fp32: Path, crops: NDArray[np.float32], tmp_path: Path
) -> None:
    assert equalize.equalize(fp32, crops, tmp_path / "out.tflite") > 0
    assert tmp_path.joinpath("out.tflite").read_bytes() != fp32.read_bytes()
    # Sums of float32 with other factors.
    np.testing.assert_allclose(
        answers(tmp_path / "out.tflite", crops), answers(fp32, crops), atol=1e-5
    )


def test_int8_of_channels_far_apart_gets_better(
    fp32: Path, crops: NDArray[np.float32], tmp_path: Path
) -> None:
    exact, apart = answers(fp32, crops), spread(fp32, tmp_path / "apart.tflite")
    np.testing.assert_allclose(answers(apart, crops), exact, atol=1e-5)
    equalize.equalize(apart, crops, tmp_path / "equal.tflite")
    before = np.abs(int8(apart, crops, tmp_path / "a.tflite") - exact).mean()
    after = np.abs(int8(tmp_path / "equal.tflite", crops, tmp_path / "b.tflite") - exact).mean()
    assert after < 0.8 * before


def test_the_picture_itself_is_never_scaled() -> None:
    def value(index: int, side: int, constant: NDArray[np.int32] | None = None) -> Value:
        shape, none = (1, side, side, 3), np.array([])
        return Value(index, str(index), "float32", shape, constant, none, none, 0)

    pad = Op(0, "PAD", (0, 1), (2,), "")
    values = (value(0, 8), value(1, 0, np.zeros((4, 2), np.int32)), value(2, 10))
    assert not list(equalize.groups(Graph(values, (pad,), (0,), (2,))))


def test_what_an_addition_ties_is_one_group_and_h_swish_is_in_none(fp32: Path) -> None:
    model: Model = tflite_file.read(fp32)
    graph = Graph.of(model)
    found = list(equalize.groups(graph))
    group_of = {tensor: i for i, one in enumerate(found) for tensor in one.tensors}
    assert len(group_of) == sum(len(one.tensors) for one in found)
    sums = [op for op in graph.ops if op.kind == "ADD" and op.outputs[0] in group_of]
    assert sums
    for op in sums:
        assert len({group_of[i] for i in (*op.inputs, *op.outputs)}) == 1
    curved = [op for op in graph.ops if op.kind in ("HARD_SWISH", "LOGISTIC", "SOFTMAX")]
    assert curved
    assert not group_of.keys() & {i for op in curved for i in (*op.inputs, *op.outputs)}
