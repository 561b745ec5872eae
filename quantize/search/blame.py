"""What each unit costs: when only it is int8, and what is left when only it stays float."""

from collections.abc import Sequence
from dataclasses import dataclass

from quantize.search.trials import Plan, Trials
from quantize.search.units import Ops, Unit


@dataclass(frozen=True)
class Blame:
    """Pixels are mean distances from the float model's points, on held-out training faces."""

    unit: str
    kinds: tuple[str, ...]  # of its ops with weights, or of all
    work_percent: float  # of the graph's multiply-adds
    only_int8_px: float | None  # None: nothing in it can be int8
    only_float_px: float | None  # None: it is float in any case
    gain_px: float  # by which float lessens the error of the plan without it


def blame(trials: Trials, units: Sequence[Unit], kernel: Ops, method: str) -> list[Blame]:
    """The blame of each unit, in the graph's order.

    Args:
        kernel: ops that are float in any case.
    """
    graph = trials.graph
    total = sum(graph.work)
    everything = frozenset(range(len(graph.kinds)))
    plain = trials.measure(Plan(kernel, method), quick=True).mean_px
    found = []
    for unit in units:
        only_int8 = only_float = None
        if unit.ops - kernel:
            alone = Plan(everything - (unit.ops - kernel), method)
            only_int8 = trials.measure(alone, quick=True).mean_px
            rest = Plan(graph.closed(kernel | unit.ops), method)
            only_float = trials.measure(rest, quick=True).mean_px
        kinds = tuple(dict.fromkeys(graph.kinds[i] for i in sorted(unit.ops)))
        share = 100 * sum(graph.work[i] for i in unit.ops) / total
        gain = 0.0 if only_float is None else plain - only_float
        found.append(Blame(unit.name, kinds, share, only_int8, only_float, gain))
    return found
