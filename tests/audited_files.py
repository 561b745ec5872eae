"""Int8 files that are right, and files each broken in one way, all of the tiny run's float file."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from efld import runtime, tflite_file
from efld.data.datasets import hold_out, training_faces
from efld.runtime import LandmarkModel
from quantize import calibration, making, recipe
from quantize.calibration import Range
from quantize.graph import Graph
from quantize.making import Maker
from quantize.recipe import FloatOp
from tests import tiny_run

if TYPE_CHECKING:
    from ai_edge_quantizer.quantizer import Quantizer

    Configure = Callable[[Quantizer], object]

NAME = "model.int8.tflite"
TEST_ID = "lfpw/testset/image_0000"


@dataclass(frozen=True, eq=False)
class Source:
    """The float file, the ranges of its activations and what is left float in int8."""

    fp32: LandmarkModel
    ids: tuple[str, ...]
    ranges: Mapping[str, Range]
    planned: Sequence[FloatOp]

    def write(self, path: Path, **changes: Any) -> Path:
        """An int8 file as `python -m quantize` makes it, but for `changes`."""
        given = {"ids": self.ids, "ranges": self.ranges, "planned": self.planned} | changes
        Maker(self.fp32, given["ids"]).write(path, given["planned"], given["ranges"])
        return path

    def write_by(self, path: Path, float_file: Path, configure: "Configure") -> Path:
        """A file by another recipe of ai-edge-quantizer's, with a spec."""
        from ai_edge_quantizer.quantizer import Quantizer

        quantizer = Quantizer(float_file.read_bytes())
        configure(quantizer)
        with making._quiet():
            made = quantizer.quantize(making._statistics(self.ranges))
        model = tflite_file.parse(bytes(made.quantized_model), path.name)
        tflite_file.set_spec(model, self.fp32.spec.calibrated_on(self.ids))
        tflite_file.write(model, path)
        return path


@functools.cache
def source() -> Source:
    """Of the run with the dense head."""
    fp32 = runtime.load(tiny_run.exported("dense") / "model.fp32.tflite")
    faces = hold_out(training_faces(tiny_run.faces_root()), calibration.HELD_OUT_SHARE)[0]
    found = calibration.observe(fp32.path, calibration.cut(faces, fp32.spec).images)
    return Source(
        fp32,
        tuple(face.id for face in faces),
        calibration.ranges(found, calibration.min_max),
        recipe.float_ops(tflite_file.read(fp32.path)),
    )


def dynamic_range(path: Path) -> Path:
    from ai_edge_quantizer.qtyping import TFLOperationName as Op

    def configure(quantizer: "Quantizer") -> None:
        quantizer.add_dynamic_config(".*", Op.ALL_SUPPORTED, num_bits=8)

    return source().write_by(path, source().fp32.path, configure)


def float_island(path: Path) -> Path:
    """A convolution amid int8 that nobody planned to leave float."""
    more = FloatOp("conv_2d_18", "CONV_2D", "gate")
    return source().write(path, planned=[*source().planned, more])


def test_calibration(path: Path) -> Path:
    return source().write(path, ids=(*source().ids, TEST_ID))


test_calibration.__test__ = False  # type: ignore[attr-defined]


def saturated_output(path: Path) -> Path:
    """The landmarks are int8, over half of their range."""
    planned = [op for op in source().planned if op.why != "tail"]
    ranges = dict(source().ranges)
    for name in ("landmarks", "add_38"):
        ranges[name] = (0.0, ranges[name][1] / 2)
    return source().write(path, planned=planned, ranges=ranges)


def per_tensor(path: Path) -> Path:
    """Every layer has one scale, and half of the channels of one are a hundred times smaller."""
    from ai_edge_quantizer.qtyping import QuantGranularity
    from ai_edge_quantizer.qtyping import TFLOperationName as Op

    def configure(quantizer: "Quantizer") -> None:
        how = QuantGranularity.TENSORWISE
        quantizer.add_static_config(".*", Op.ALL_SUPPORTED, 8, 8, weight_granularity=how)
        for edge in (Op.INPUT, Op.OUTPUT):
            quantizer.update_quantization_recipe(".*", edge, algorithm_key="no_quantize")

    return source().write_by(path, uneven(path.with_name("uneven.tflite")), configure)


def uneven(path: Path) -> Path:
    """The float file, but half of the channels of `conv_2d_19` are a hundred times smaller."""
    model = tflite_file.read(source().fp32.path)
    graph = Graph.of(model)
    op = next(op for op in graph.ops if graph.name(op) == "conv_2d_19")
    weights = graph.weights(op)
    assert weights is not None and weights.constant is not None
    changed = weights.constant.copy()
    changed[::2] /= 100
    model.buffers[weights.buffer].data = changed.view(np.uint8).ravel()
    tflite_file.write(model, path)
    return path


def missing_metadata(path: Path) -> Path:
    model = tflite_file.read(source().write(path))
    model.metadata = []
    tflite_file.write(model, path)
    return path


BROKEN: Mapping[str, Callable[[Path], Path]] = MappingProxyType({
    "dynamic-range": dynamic_range,
    "float-island": float_island,
    "test-calibration": test_calibration,
    "saturated-output": saturated_output,
    "per-tensor-weights": per_tensor,
    "missing-metadata": missing_metadata,
})  # fmt: skip
