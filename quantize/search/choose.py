"""From a float file and training faces to the float ops of the int8 file, and why."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from efld import runtime
from efld.errors import StepError
from quantize.recipe import FloatOp, Why
from quantize.search import cost
from quantize.search.blame import blame
from quantize.search.cost import DEFAULT, Objective
from quantize.search.search import Search
from quantize.search.trials import Plan, Trials, within
from quantize.search.units import Ops, Unit, units

MOST_FINALISTS = 6
Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Choice:
    """What stays float in the file to write, and how it was found."""

    plan: Plan
    planned: list[FloatOp]
    search: dict[str, Any] | None  # for quantize.json; None: there was none
    as_kept: bool = False  # with the weights, in calibration.json


@dataclass(frozen=True, eq=False)
class Chooser:
    """Chooses for one model.

    Args:
        by_hand: the hand recipe's float ops and its reasons, by index; with those that have no int8
            kernel.
        budget: points of NME.
    """

    trials: Trials
    by_hand: Mapping[int, Why]
    budget: float
    say: Say

    def choose(self, objective: Objective | None) -> Choice:
        """The hand recipe if it holds the budget and nobody asks for more, else the search's find.

        Raises:
            StepError: no plan holds the budget.
        """
        hand = self._best(self._starts(frozenset(self.by_hand)))
        found = self.trials.measure(hand)
        if objective is None and within(found, self.budget):
            return Choice(hand, self.trials.planned(hand, self.by_hand), None)
        if objective is None:
            self.say(
                f"the hand recipe costs NME {found.drop:+.3f} ± {found.drop_half:.3f} on held-out "
                f"training faces, too near to the limit +{self.budget:g}: searching"
            )
        return self._search(hand, objective or DEFAULT)

    @cached_property
    def _kernel(self) -> Ops:
        return frozenset(i for i, why in self.by_hand.items() if why == "kernel")

    def _starts(self, floats: Ops) -> list[Plan]:
        return [Plan(floats, method) for method in self.trials.ranges]

    def _best(self, plans: Iterable[Plan]) -> Plan:
        """The plan nearest to the float model: its NME alone is at the mercy of a few faces."""
        return min(plans, key=lambda plan: self.trials.measure(plan).mean_px)

    def _search(self, hand: Plan, objective: Objective) -> Choice:
        started = time.perf_counter()
        first = self.trials.make(hand, self.trials.work / "first.tflite")
        cost.measure(objective, [first])  # that there is no emulator is said before the search
        parts = units(self.trials.graph)
        search = Search(self.trials, parts, self._kernel, self.budget, objective)
        plain = self._best(self._starts(self._kernel))
        blames = blame(self.trials, parts, self._kernel, plain.method)
        found = self._path(search, [plain, hand])
        finalists = self._finalists(filter(search.holds, found), objective)
        baselines = {plain: "int8 wherever possible", hand: "the hand recipe"}
        shown = [*finalists, *(plan for plan in baselines if plan not in finalists)]
        frontier = self._frontier(shown, objective)
        plan = finalists[cost.cheapest(frontier[: len(finalists)], objective)]
        self.say(self._gained(plan, {name: one for one, name in baselines.items()}))
        record = {
            "objective": objective,
            "budget": self.budget,
            "margin": "half of the 95 % interval of the drop, at most half of the budget",
            "trials": len(self.trials.journal.known),
            "seconds": round(time.perf_counter() - started, 1),
            "blame_method": plain.method,
            "units": [asdict(row) for row in blames],
            "frontier": [
                {
                    **row,
                    "holds": search.holds(one),
                    "chosen": one is plan,
                    "baseline": baselines.get(one),
                }
                for one, row in zip(shown, frontier, strict=True)
            ],
            "float_units": _kept(search.gains(plan), plan),
        }
        return Choice(plan, self.trials.planned(plan, self._whys()), record)

    def _path(self, search: Search, starts: Sequence[Plan]) -> list[Plan]:
        """All plans on the way to the cheapest one; some hold the budget.

        Raises:
            StepError: none does.
        """
        start = self._best(starts)
        passed = [start, *search.forward(start)]
        passed += self._starts(passed[-1].floats)
        holding = [plan for plan in passed if search.holds(plan)]
        if not holding:
            tried = [*starts, *passed]
            raise StepError(self._missed([*filter(search.rounds, tried)] or tried))
        best = self._best(holding)
        fewer = [best, *search.backward(best)]
        return [*starts, *passed, *fewer, *search.lighter(fewer[-1])]

    def _whys(self) -> dict[int, Why]:
        return {i: why for i, why in self.by_hand.items() if why == "kernel"}

    def _finalists(self, plans: Iterable[Plan], objective: Objective) -> list[Plan]:
        """A few of `plans`: the cheapest by estimate.

        Of those that differ in their calibration alone, only the best is one.
        """
        held: dict[Ops, Plan] = {}
        for plan in plans:
            held[plan.floats] = self._best([held.get(plan.floats, plan), plan])

        def price(plan: Plan) -> float:
            if objective == "size":
                return self.trials.measure(plan).bytes
            return cost.estimate(self.trials.graph, plan.floats, objective)

        return sorted(held.values(), key=price)[:MOST_FINALISTS]

    def _frontier(self, plans: Sequence[Plan], objective: Objective) -> list[dict[str, Any]]:
        """What each file costs, in the same order."""
        work, measured = self.trials.work, map(self.trials.measure, plans)
        paths = [self.trials.make(p, work / f"finalist{i}.tflite") for i, p in enumerate(plans)]
        ratios = cost.latency_ratios(self.trials.fp32, [runtime.load(path) for path in paths])
        costs = ratios if objective == "host-latency" else cost.measure(objective, paths)
        return [
            {
                "float_ops": len(plan.floats),
                "method": plan.method,
                **asdict(result),
                "latency_ratio": ratio,
                "cost": own,
            }
            for plan, result, ratio, own in zip(plans, measured, ratios, costs, strict=True)
        ]

    def _gained(self, plan: Plan, others: Mapping[str, Plan]) -> str:
        """The search's find beside what needs no search."""
        rows = {f"{len(plan.floats)} float ops chosen": plan, **others}
        found = {name: self.trials.measure(one) for name, one in rows.items()}
        return "on held-out training faces: " + "; ".join(
            f"{name}: NME {result.drop:+.3f}, {result.mean_px:.3f} px, {result.bytes:,} bytes"
            for name, result in found.items()
        )

    def _missed(self, plans: Sequence[Plan]) -> str:
        best = min((self.trials.measure(plan) for plan in plans), key=lambda result: result.drop)
        return (
            f"step int8: no choice of float layers keeps the NME within +{self.budget:g} of "
            f"float32's on {len(self.trials.held_out.crops)} held-out training faces; the best of "
            f"{len(self.trials.journal.known)} trials is {best.drop:+.3f} ± {best.drop_half:.3f}. "
            "The ± counts. Give a larger --max-nme-drop, or train on with `python -m train PRESET "
            "--init ... --rounding int8`; `python -m quantize recipes` with this run shows other "
            "ways."
        )


def _kept(gains: Mapping[Unit, tuple[float, float]], plan: Plan) -> list[dict[str, Any]]:
    """Units that are float in whole or part, and how much worse the file is with them in int8."""
    return [
        {
            "unit": unit.name,
            "float_ops": len(unit.ops & plan.floats),
            "of_ops": len(unit.ops),
            "gain_px": px,
            "gain_nme": nme,
        }
        for unit, (px, nme) in gains.items()
    ]


def unsupported(trials: Trials, known: Ops) -> Ops:
    """The ops that XNNPACK does not take in int8: `known` ones and those that a trial shows.

    Raises:
        StepError: the file ran without XNNPACK.
    """
    kinds, found = trials.graph.kinds, known
    while True:
        path = trials.make(Plan(found, next(iter(trials.ranges))), trials.work / "kernels.tflite")
        delegation = runtime.load(path).session.delegation()
        if delegation is None:
            raise StepError("step int8: ran without XNNPACK, so nothing can be said of it.")
        more = {i for i, kind in enumerate(kinds) if kind in delegation.outside}
        if more <= found | trials.graph.pinned:
            return found
        found = found | (more - trials.graph.pinned)
