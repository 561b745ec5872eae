"""What calibration pictures say of a float file, and `calibration.json`, which keeps it.

The numbers are not the pictures: kept beside published weights, with what stayed float, they give
the int8 file that real faces chose, where only rendered ones are at hand.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from efld import files, tflite_file
from efld.errors import InputError
from efld.runtime import LandmarkModel
from efld.tflite_file import Model
from quantize import calibration
from quantize.calibration import METHODS, Range
from quantize.recipe import WITH_WEIGHTS, Why
from quantize.search.units import Wiring
from quantize.weighted import Floats

SCHEMA = 4
DIGITS = 9  # a float32 is the same after them
ROUNDING = 0.01  # of a file's distance from the float file, between processors


@dataclass(frozen=True)
class KeptChoice:
    """The file that was written with the numbers: what stayed float, and what it cost."""

    floats: Mapping[str, Why]  # by the op's name
    int8_sha256: str
    max_nme_drop: float  # the budget that it held
    nme_drop: float
    measured_on: str
    # Mean distance of its points from the float file's on the embedded faces, pixels of the crop;
    # None: these have other points.
    rendered_px: float | None

    def cost_of(self, int8_sha256: str, rendered_px: float) -> str | None:
        """What a file made by this choice cost where it was measured; None: it is another file.

        Processors differ in the last bit of `1 / sqrt(x)`, and with it float weights and scales of
        int8 ones: such a file has other bytes, and its points are as far from the float file's.
        """
        cost = f"{self.nme_drop:+.3f} on {self.measured_on}, limit +{self.max_nme_drop:g}"
        if int8_sha256 == self.int8_sha256:
            return f"the same bytes cost {cost}"
        if self.rendered_px and math.isclose(rendered_px, self.rendered_px, rel_tol=ROUNDING):
            return f"but for rounding the same file cost {cost}"
        return None


@dataclass(frozen=True, eq=False)
class Calibrated:
    """Numbers of a float file over calibration pictures, rounded to what is kept of them."""

    data: str  # the dataset's label
    ids: tuple[str, ...]  # of the pictures
    ranges: Mapping[str, Mapping[str, Range]]  # by method and tensor
    channel_means: Mapping[str, list[float]]  # by tensor that a layer with weights reads
    choice: KeptChoice | None = None  # None: just observed

    @classmethod
    def observed(
        cls, fp32: LandmarkModel, images: NDArray[Any], ids: tuple[str, ...], data: str
    ) -> Self:
        """Runs the float file on pictures in its input range, `(pictures, px, px, channels)`."""
        found = calibration.observe(fp32.path, images)
        ranges = {
            method: {
                name: (_rounded(low), _rounded(high))
                for name, (low, high) in calibration.ranges(found, sum_up).items()
            }
            for method, sum_up in METHODS.items()
        }
        read = _read_by_layers(tflite_file.read(fp32.path))
        means = {name: [_rounded(value) for value in _by_channel(found[name].mean)]
                 for name in sorted(read)}  # fmt: skip
        return cls(data, ids, ranges, means)

    def means(self, fp32: Path) -> dict[str, Floats]:
        """For `bias.correct`: pictures of the size of each tensor, the same at every place."""
        tensors = tflite_file.read(fp32).subgraphs[0].tensors
        shapes = {tflite_file.tensor_name(tensor): tuple(tensor.shape[1:]) for tensor in tensors}
        return {
            name: np.broadcast_to(np.array(mean), shapes[name])
            for name, mean in self.channel_means.items()
        }

    def keep(self, path: Path, method: str, choice: KeptChoice, fp32: LandmarkModel) -> None:
        """Writes what one method of summing up needs, and what stayed float with it."""
        files.write_json(path, {
            "schema": SCHEMA,
            "weights_sha256": fp32.spec.weights_sha256,
            "data": self.data,
            "ids": list(self.ids),
            "method": method,
            **asdict(choice),
            "ranges": {name: _text(ends) for name, ends in self.ranges[method].items()},
            "channel_means": {name: _text(mean) for name, mean in self.channel_means.items()},
        })  # fmt: skip

    @classmethod
    def read(cls, path: Path, fp32: LandmarkModel) -> Self:
        """
        Raises:
            InputError: numbers of other weights, or not of all tensors of the float file.
        """
        record = files.read_json(path, SCHEMA, "python -m quantize RUN --data DATA")
        if record["weights_sha256"] != fp32.spec.weights_sha256:
            raise InputError(
                f"{path}: is of the weights {record['weights_sha256'][:8]}, expected those of "
                f"{fp32.path}, {fp32.spec.weights_sha256[:8]}. Remove it, or give --data."
            )
        ranges = {name: _numbers(text) for name, text in record["ranges"].items()}
        means = {name: _numbers(text) for name, text in record["channel_means"].items()}
        model = tflite_file.read(fp32.path)
        names = {*Wiring.of(model).names}
        lacking = (
            names - {*ranges} | _read_by_layers(model) - {*means} | {*record["floats"]} - names
        )
        if lacking:
            raise InputError(
                f"{path}: {min(lacking)} is in it or in {fp32.path}, expected in both: another "
                "version of the converter named it. Give --data."
            )
        pairs = {name: (low, high) for name, (low, high) in ranges.items()}
        method = {record["method"]: pairs}
        choice = KeptChoice(**{field.name: record[field.name] for field in fields(KeptChoice)})
        return cls(record["data"], tuple(record["ids"]), method, means, choice)


def _read_by_layers(model: Model) -> set[str]:
    """The tensors that convolutions and dense layers read."""
    graph = model.subgraphs[0]
    return {
        tflite_file.tensor_name(graph.tensors[op.inputs[0]])
        for op in graph.operators
        if tflite_file.op_name(model, op) in WITH_WEIGHTS
    }


def _by_channel(mean: Floats) -> Floats:
    return np.asarray(mean.mean(axis=tuple(range(mean.ndim - 1))))


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _text(values: Any) -> str:
    """Numbers on one line: a record of a number a line has thousands of lines."""
    return " ".join(f"{value:.{DIGITS}g}" for value in values)


def _numbers(text: str) -> list[float]:
    return [float(word) for word in text.split()]
