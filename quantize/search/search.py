"""The cheapest plan whose accuracy is within a budget.

From the best of several plans, layers become float one after the other, the one that helps most for
its cost first, until the budget holds; then those that turn out not to be needed become int8 again.
Gains are looked up lazily: an old one stands in for the new one until it comes out on top (Minoux,
Accelerated greedy algorithms, 1978).
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from quantize.recipe import WITH_WEIGHTS
from quantize.search.cost import Objective, estimate
from quantize.search.journal import Result
from quantize.search.trials import Plan, Trials, within
from quantize.search.units import Ops, Unit

LEAST_GAIN_PX = 0.002  # below it a unit's gain cannot be told from none
LEAST_SAVING = 0.002  # of a plan's work: less is not worth a trial


@dataclass(frozen=True, eq=False)
class Search:
    """A search of one model."""

    trials: Trials
    units: Sequence[Unit]
    kernel: Ops  # float in any case
    budget: float  # points of NME
    objective: Objective

    def holds(self, plan: Plan) -> bool:
        """Whether a plan is within the budget and rounds anything."""
        return self.rounds(plan) and within(self.trials.measure(plan), self.budget)

    def rounds(self, plan: Plan) -> bool:
        """Whether anything with weights computes in int8."""
        int8 = (i for i in range(len(self.trials.graph.kinds)) if i not in plan.floats)
        return any(self.trials.graph.kinds[i] in WITH_WEIGHTS for i in int8)

    def forward(self, start: Plan) -> Iterator[Plan]:
        """Plans with ever more float units, until one holds the budget or none is left."""
        plan, queue = start, self._first_gains(start)
        while not self.holds(plan) and queue:
            taken = self._best(plan, queue)
            if taken is None:
                return
            plan = self._with(plan, taken.ops)
            yield plan

    def _first_gains(self, plan: Plan) -> list[tuple[float, int]]:
        """A heap of `(-gain per cost, unit)`."""
        open_units = [i for i, unit in enumerate(self.units) if unit.ops - plan.floats]
        queue = [(-self._gain(plan, self.units[i]), i) for i in open_units]
        heapq.heapify(queue)
        return queue

    def _best(self, plan: Plan, queue: list[tuple[float, int]]) -> Unit | None:
        """Takes the unit that helps `plan` most for its cost off the queue."""
        fresh: set[int] = set()
        while queue:
            _, i = heapq.heappop(queue)
            unit = self.units[i]
            if i in fresh:
                return unit
            if unit.ops - plan.floats:
                fresh.add(i)
                heapq.heappush(queue, (-self._gain(plan, unit), i))
        return None

    def _gain(self, plan: Plan, unit: Unit) -> float:
        """Pixels gained for each percent of work that float adds; what adds none is best."""
        more = self._with(plan, unit.ops)
        gain = self._px(plan) - self._px(more)
        if gain < LEAST_GAIN_PX:
            return gain - 1  # after all that help, the least harmful first
        return gain / max(-self._saving(plan, more), 1e-3)

    def _px(self, plan: Plan) -> float:
        return self.trials.measure(plan, quick=True).mean_px

    def _with(self, plan: Plan, ops: Iterable[int]) -> Plan:
        return Plan(self.trials.graph.closed(plan.floats | set(ops)), plan.method)

    def lighter(self, plan: Plan) -> Iterator[Plan]:
        """Plans with ever more float units that cost less all the same: conversions go."""

        def saved(unit: Unit) -> float:
            return self._saving(plan, self._with(plan, unit.ops))

        for unit in sorted(self.units, key=saved, reverse=True):
            more = self._with(plan, unit.ops)
            if self._saving(plan, more) >= LEAST_SAVING and self.holds(more):
                plan = more
                yield plan

    def backward(self, plan: Plan) -> Iterator[Plan]:
        """Plans with ever fewer float layers, all of which hold the budget."""
        for part in self._by_saving(plan):
            fewer = self._without(plan, part)
            if self._saving(plan, fewer) >= LEAST_SAVING and self.holds(fewer):
                plan = fewer
                yield plan

    def _by_saving(self, plan: Plan) -> list[Ops]:
        """Float units and layers, those whose work shrinks most in int8 first."""
        whole = [unit.ops for unit in self.units]
        parts = [layer for unit in self.units for layer in unit.layers if layer != unit.ops]
        chosen = [part for part in [*whole, *parts] if part & plan.floats - self.kernel]
        return sorted(chosen, key=lambda p: -self._saving(plan, self._without(plan, p)))

    def _without(self, plan: Plan, part: Ops) -> Plan:
        return Plan((plan.floats - part) | self.kernel, plan.method)

    def _saving(self, plan: Plan, fewer: Plan) -> float:
        """Share of the work of `plan` that `fewer` saves."""
        before, after = (
            estimate(self.trials.graph, one.floats, self.objective) for one in (plan, fewer)
        )
        return 1 - after / before

    def gains(self, plan: Plan) -> dict[Unit, tuple[float, float]]:
        """What each float unit of a plan brings: by how many px and NME points int8 is worse."""
        found, best = {}, self.trials.measure(plan, quick=True)
        for unit in self.units:
            if unit.ops & plan.floats - self.kernel:
                worse: Result = self.trials.measure(self._without(plan, unit.ops), quick=True)
                found[unit] = (worse.mean_px - best.mean_px, worse.drop - best.drop)
        return found
