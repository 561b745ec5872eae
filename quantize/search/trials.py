"""One choice of float ops and calibration, made and measured on held-out training faces."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from efld import metrics, runtime, statistics
from efld.runtime import LandmarkModel
from efld.statistics import LEAST_FACES
from export.steps import Reference
from quantize.calibration import Range
from quantize.making import Maker
from quantize.recipe import FloatOp, Why
from quantize.search.journal import Journal, Result, digest
from quantize.search.units import Ops, Wiring

THREADS = min(4, os.cpu_count() or 1)  # figures are the same on any number; small nets gain no more
QUICK_FACES = 100  # to rank units by pixels; a budget is judged on all held-out faces


@dataclass(frozen=True)
class Plan:
    """What stays float, and how ranges are summed up."""

    floats: Ops
    method: str


@dataclass(frozen=True, eq=False)
class Trials:
    """Makes and measures plans of one model; each once."""

    graph: Wiring
    fp32: LandmarkModel
    maker: Maker
    ranges: Mapping[str, Mapping[str, Range]]  # by method
    held_out: Reference
    journal: Journal
    work: Path
    bar: "tqdm[None]"

    def measure(self, plan: Plan, quick: bool = False) -> Result:
        """The figures of a plan; `quick`: on the first QUICK_FACES alone."""
        reference = self._quick if quick else self.held_out
        key = digest([self.key(plan), len(reference.crops)])
        if key not in self.journal.known:
            path = self.make(plan, self.work / "trial.tflite")
            self.journal.add(key, self._result(path, reference))
            self._show()
            self.bar.update()
        return self.journal.known[key]

    def key(self, plan: Plan) -> str:
        return digest([sorted(self.graph.names[i] for i in plan.floats), plan.method])

    def make(self, plan: Plan, path: Path) -> Path:
        """Writes the int8 file of a plan."""
        self.maker.write(path, self.planned(plan, {}), self.ranges[plan.method])
        return path

    def planned(self, plan: Plan, whys: Mapping[int, Why]) -> list[FloatOp]:
        """The float ops of a plan, in the graph's order; those without a reason: "budget"."""
        return [
            FloatOp(self.graph.names[i], self.graph.kinds[i], whys.get(i, "budget"))
            for i in sorted(plan.floats)
        ]

    def _result(self, path: Path, reference: Reference) -> Result:
        points = runtime.load(path, THREADS)(reference.crops.images)
        errors = metrics.nme_percent(points, reference.crops.truth, reference.scheme)
        exact = self._exact[: len(errors)]
        found = statistics.difference(errors, exact)
        return Result(
            bytes=path.stat().st_size,
            mean_px=float(reference.distance_px(points).mean()),
            drop=found.mean,
            drop_half=found.half if len(errors) >= LEAST_FACES else 0.0,
            nme_percent=float(errors.mean()),
        )

    @cached_property
    def _exact(self) -> NDArray[np.float64]:
        """The float model's error of each held-out face."""
        held = self.held_out
        return metrics.nme_percent(held.points, held.crops.truth, held.scheme)

    @cached_property
    def _quick(self) -> Reference:
        held, crops = self.held_out, self.held_out.crops
        few = replace(
            crops,
            images=crops.images[:QUICK_FACES],
            truth=crops.truth[:QUICK_FACES],
            ids=crops.ids[:QUICK_FACES],
        )
        return replace(held, crops=few, points=held.points[:QUICK_FACES])

    def _show(self) -> None:
        best = min(self.journal.known.values(), key=lambda result: result.mean_px)
        self.bar.set_postfix_str(f"best NME {best.drop:+.3f}, {best.mean_px:.2f} px")


def within(result: Result, budget: float) -> bool:
    """Whether a plan holds a budget of NME points with a margin.

    The margin is half of the interval, since other faces will be measured; where faces scatter so
    much that no plan could prove itself, half of the budget.
    """
    return result.drop + min(result.drop_half, budget / 2) <= budget
