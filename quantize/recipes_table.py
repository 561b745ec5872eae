"""One model by every recipe that people use, measured side by side."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from tqdm import tqdm

from efld import tflite_file
from efld.errors import InputError, StepError, one_line
from efld.evaluate import Crops
from efld.runtime import LandmarkModel, in_range
from efld.sessions import open_session
from export.steps import Reference
from quantize import calibration, equalize, recipe
from quantize.calibration import METHODS, Seen
from quantize.float_edges import FloatEdges
from quantize.making import Maker
from quantize.recipe import FloatOp
from quantize.search.cost import latency_ratios

if TYPE_CHECKING:
    from ai_edge_quantizer.qtyping import TFLOperationName
    from ai_edge_quantizer.quantizer import Quantizer

Make = Callable[[Path], None]  # makes a file there
CURVE = (8, 16, 32, 64, 128, 256)  # calibration pictures


@dataclass(frozen=True)
class Row:
    """A recipe's file, measured; None where it could not be made or run."""

    recipe: str
    bytes: int | None = None
    nme_percent: float | None = None
    mean_px: float | None = None  # distance from the float model's points
    largest_px: float | None = None
    partitions: int | None = None
    outside: dict[str, int] | None = None  # op kind -> ops that XNNPACK refused
    time_ratio: float | None = None  # to float32, taking turns with it
    failed: str = ""  # why there are no figures


@dataclass(frozen=True)
class Point:
    """What calibration on so many pictures gives on the held-out training faces."""

    pictures: int
    nme_percent: float
    mean_px: float


@dataclass(frozen=True, eq=False)
class Recipes:
    """The recipes of one model; their files go to `work`."""

    fp32: LandmarkModel
    made: Mapping[str, Path]  # files that exist, by the name of their recipe
    pictures: Crops  # that calibrate
    held_out: Reference  # the float model on training faces that do not calibrate
    work: Path

    def rows(self, reference: Reference, method: str) -> list[Row]:
        """Every recipe on the faces of `reference`, in the order in which they are told."""
        recipes = self._recipes(method)
        bar = tqdm(recipes.items(), unit="recipe", leave=False, disable=None)
        return [self._row(name, make, reference) for name, make in bar]

    def best_method(self) -> str:
        """The calibration method that `quantize` takes: nearest to the float model, held out."""
        bar = tqdm(METHODS, unit="method", leave=False, disable=None)
        distances_px = {name: self._mixed(self._seen, name)[1] for name in bar}
        return min(distances_px, key=lambda name: distances_px[name])

    def curve(self, method: str) -> Iterator[Point]:
        """The mixed recipe by calibration pictures."""
        counts = [count for count in CURVE if count <= len(self.pictures)]
        for count in tqdm(counts, unit="calibration", leave=False, disable=None):
            yield Point(count, *self._mixed(self._see(count), method))

    @cached_property
    def _seen(self) -> dict[str, Seen]:
        return self._see(len(self.pictures))

    def _see(self, count: int) -> dict[str, Seen]:
        # Pictures of exact boxes come first: a few must be of all boxes, too.
        spread = np.linspace(0, len(self.pictures) - 1, count).astype(int)
        images = in_range(self.pictures.images[spread], self.fp32.spec)
        return calibration.observe(self.fp32.path, images)

    def _mixed(self, seen: dict[str, Seen], method: str) -> tuple[float, float]:
        """NME in percent, and mean distance in pixels, on the held-out faces."""
        maker = Maker(self.fp32, self.pictures.ids, calibration.means(seen))
        path = self.work / "trial.tflite"
        maker.write(path, self._planned, calibration.ranges(seen, METHODS[method]))
        points = self._load(path)(self.held_out.crops.images)
        return self.held_out.nme_percent(points), float(self.held_out.distance_px(points).mean())

    @cached_property
    def _planned(self) -> list[FloatOp]:
        return recipe.float_ops(tflite_file.read(self.fp32.path))

    @property
    def _without_kernel(self) -> list[FloatOp]:
        return [op for op in self._planned if op.why == "kernel"]

    def _recipes(self, method: str) -> dict[str, Make]:
        ranges = calibration.ranges(self._seen, METHODS[method])
        plain = Maker(self.fp32, self.pictures.ids, share_scales=False)
        ours = Maker(self.fp32, self.pictures.ids, calibration.means(self._seen))

        def by(configure: Callable[["Quantizer"], None]) -> Make:
            return lambda path: plain.write_as(path, configure, ranges)

        return {
            "float32": partial(_copy, self.fp32.path),
            **{name: partial(_copy, path) for name, path in self.made.items()},
            "int8 weights": by(lambda q: q.add_weight_only_config(".*", _everything(), num_bits=8)),
            "dynamic range": by(lambda q: q.add_dynamic_config(".*", _everything(), num_bits=8)),
            "int16 activations": by(partial(_static, bits=16)),
            "int8 everywhere": by(_static),
            "int8, scale per tensor": by(partial(_static, granularity="TENSORWISE")),
            "int8, int8 edges": by(partial(_static, edges=True)),
            "HARD_SWISH float": lambda path: plain.write(path, self._without_kernel, ranges),
            "mixed": lambda path: plain.write(path, self._planned, ranges),
            "mixed, slim, corrected": lambda path: ours.write(path, self._planned, ranges),
            "the same, equalised": partial(self._equalized, method),
        }

    def _equalized(self, method: str, path: Path) -> None:
        """Made of a float file that computes the same with channels of like size."""
        images = in_range(self.pictures.images, self.fp32.spec)
        floats = self.work / "equalized.tflite"
        equalize.equalize(self.fp32.path, images, floats)
        seen = calibration.observe(floats, images)
        fp32 = LandmarkModel(self.fp32.spec, floats, open_session(floats))
        maker = Maker(fp32, self.pictures.ids, calibration.means(seen))
        maker.write(path, self._planned, calibration.ranges(seen, METHODS[method]))

    def _row(self, name: str, make: Make, reference: Reference) -> Row:
        path = self.work / "recipe.tflite"
        try:
            make(path)
            model = self._load(path)
            points = model(reference.crops.images)
        except (StepError, InputError, RuntimeError) as error:  # of making it, and of the runtime
            return Row(name, failed=one_line(error))
        distance_px = reference.distance_px(points)
        delegation = model.session.delegation()
        return Row(
            name,
            bytes=path.stat().st_size,
            nme_percent=reference.nme_percent(points),
            mean_px=float(distance_px.mean()),
            largest_px=float(distance_px.max()),
            partitions=delegation.partitions if delegation else None,
            outside=delegation.outside if delegation else None,
            time_ratio=latency_ratios(self.fp32, [model])[0],
        )

    def _load(self, path: Path) -> LandmarkModel:
        return LandmarkModel(self.fp32.spec, path, FloatEdges(path))


def _copy(source: Path, path: Path) -> None:
    shutil.copyfile(source, path)


def _everything() -> "TFLOperationName":
    from ai_edge_quantizer.qtyping import TFLOperationName

    return TFLOperationName.ALL_SUPPORTED


def _static(
    quantizer: "Quantizer",
    bits: int = 8,
    edges: bool = False,
    granularity: Literal["CHANNELWISE", "TENSORWISE"] = "CHANNELWISE",
) -> None:
    """Integers everywhere, or everywhere but for the edges of the graph."""
    from ai_edge_quantizer.qtyping import QuantGranularity, TFLOperationName

    quantizer.add_static_config(
        ".*", _everything(), activation_num_bits=bits, weight_num_bits=8,
        weight_granularity=QuantGranularity[granularity],
    )  # fmt: skip
    for edge in () if edges else (TFLOperationName.INPUT, TFLOperationName.OUTPUT):
        quantizer.update_quantization_recipe(".*", edge, algorithm_key="no_quantize")


COLUMNS = ("recipe", "bytes", "of float32", "NME", "difference", "largest", "partitions", "time")


def text(rows: Sequence[Row]) -> str:
    """One line a recipe; differences in pixels, times as ratios to float32, the first row."""
    cells = [COLUMNS, *(_cells(row, rows[0]) for row in rows)]
    widths = [max(len(row[i]) for row in cells if len(row) > i) for i in range(len(COLUMNS))]
    return "\n".join(_line(row, widths) for row in cells)


def _cells(row: Row, exact: Row) -> tuple[str, ...]:
    if row.bytes is None or exact.bytes is None:
        return row.recipe, f"failed: {row.failed}"
    outside = "" if not row.outside else f" + {sum(row.outside.values())} ops outside"
    return (
        row.recipe,
        f"{row.bytes:,}",
        f"{row.bytes / exact.bytes:.3f}",
        f"{row.nme_percent:.3f} %",
        f"{row.mean_px:.3f} px",
        f"{row.largest_px:.2f} px",
        f"{row.partitions}{outside}",
        f"{row.time_ratio:.2f}",
    )


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    if len(cells) < len(widths):
        return "  ".join((cells[0].ljust(widths[0]), *cells[1:]))
    name, *numbers = (
        cell.rjust(width) if i else cell.ljust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join((name, *numbers))
