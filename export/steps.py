"""What a step of the chain cost: the record, the gate and the table that every step ends in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from efld import files, metrics
from efld.errors import InputError, StepError
from efld.evaluate import Crops, Landmarker
from efld.geometry import Points


@dataclass(frozen=True)
class Limit:
    """What a conversion may cost."""

    largest_px: float  # any point of any face, pixels of the crop
    mean_px: float  # over all points
    transposes: int | None  # in the graph, but for the model's own; None: not counted


# Float conversions only reorder sums. fp16 weights have 11 significant bits: at most 0.06 px on the
# 689 real faces for efld-nano, but a quarter of a pixel on a rendered one that it misreads by 43 %:
# there heat maps waver between far places.
LIMITS = MappingProxyType({
    "onnx": Limit(0.01, 0.001, None),   # NCHW maps are transposed once before they are flattened
    "fp32": Limit(0.01, 0.001, 0),
    "fp16": Limit(1.0, 0.05, 0),
})  # fmt: skip


def with_transposes(limits: Mapping[str, Limit], count: int) -> dict[str, Limit]:
    """`limits` for a model that has so many transposes of its own, beside those of heat maps."""
    return {
        step: replace(one, transposes=None if one.transposes is None else one.transposes + count)
        for step, one in limits.items()
    }


def with_fp16(limits: Mapping[str, Limit], largest_px: float) -> dict[str, Limit]:
    """`limits` with another one for how far float16 weights may move a point.

    Raises:
        InputError: no length.
    """
    if not largest_px >= 0:
        raise InputError(f"{largest_px:g} px as the limit of float16, expected 0 or more.")
    return {**limits, "fp16": replace(limits["fp16"], largest_px=largest_px)}


@dataclass(frozen=True, kw_only=True)
class Step:
    """One artefact: what it is and what making it cost."""

    step: str
    file: str
    bytes: int
    sha256: str
    largest_px: float  # of any point against the reference, pixels of the crop
    mean_px: float
    nme_percent: float  # inter-ocular, mean over the evaluation faces
    seconds: float
    ops: dict[str, int]
    verdict: str


class LandmarkFile(Landmarker, Protocol):
    """A file that finds points: ours, or a foreign one."""

    path: Path


@dataclass(frozen=True, eq=False)
class Reference:
    """What an artefact is compared with: a model's points on the evaluation faces."""

    crops: Crops
    points: Points  # (faces, points, 2), 0..1 over the crop
    input_px: int
    scheme: str

    @classmethod
    def of(cls, model: Landmarker, crops: Crops) -> "Reference":
        return cls(crops, model(crops.images), model.spec.input_px, model.spec.scheme)

    def distance_px(self, points: Points) -> NDArray[np.float64]:
        """How far each of `points` is from the reference's, `(faces, points)` pixels."""
        return np.linalg.norm(points - self.points, axis=-1).astype(np.float64) * self.input_px

    def nme_percent(self, points: Points) -> float:
        """Mean NME of `points` over the faces, percent."""
        return float(metrics.nme_percent(points, self.crops.truth, self.scheme).mean())


def measure(
    step: str,
    model: LandmarkFile,
    reference: Reference,
    *,
    seconds: float,
    ops: dict[str, int],
    verdict: str,
) -> Step:
    """Runs `model` over the reference's faces."""
    points = model(reference.crops.images)
    distance_px = reference.distance_px(points)
    return Step(
        step=step,
        file=model.path.name,
        bytes=model.path.stat().st_size,
        sha256=files.sha256(model.path),
        largest_px=float(distance_px.max()),
        mean_px=float(distance_px.mean()),
        nme_percent=reference.nme_percent(points),
        seconds=round(seconds, 2),
        ops=ops,
        verdict=verdict,
    )


def check(step: Step, limit: Limit, source: str) -> None:
    """The gate of a conversion of `source`.

    Raises:
        StepError: it cost more than its limit.
    """
    if not step.mean_px <= limit.mean_px:
        raise StepError(
            f"step {step.step}: points are {step.mean_px:.4g} px from {source} on average, limit "
            f"{limit.mean_px:g} px (largest {step.largest_px:.4g} px)."
        )
    if not step.largest_px <= limit.largest_px:
        raise StepError(
            f"step {step.step}: a point is {step.largest_px:.4g} px from {source}, limit "
            f"{limit.largest_px:g} px (mean {step.mean_px:.4g} px, NME {step.nme_percent:.3f} %)."
        )
    # Heat maps are turned before their softmax: a row of places for each point.
    found = step.ops.get("TRANSPOSE", 0) - step.ops.get("SOFTMAX", 0)
    if limit.transposes is not None and found > limit.transposes:
        raise StepError(
            f"step {step.step}: {found} TRANSPOSE ops in the graph, limit {limit.transposes}."
        )


COLUMNS = ("step", "file", "bytes", "largest", "mean difference", "NME", "verdict")


def table(steps: Sequence[Step]) -> str:
    """One row a step."""
    rows = [COLUMNS, *map(_row, steps)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    return "\n".join(_line(row, widths) for row in rows)


def _row(step: Step) -> tuple[str, ...]:
    return (
        step.step,
        step.file,
        f"{step.bytes:,}",
        f"{step.largest_px:.5f}",
        f"{step.mean_px:.5f} px",
        f"{step.nme_percent:.3f} %",
        step.verdict,
    )


def _line(row: tuple[str, ...], widths: Sequence[int]) -> str:
    numbers = range(2, 6)
    cells = [
        cell.rjust(width) if i in numbers else cell.ljust(width)
        for i, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()
