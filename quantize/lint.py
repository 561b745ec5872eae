"""What is known to break int8, found in a float file before it is quantised.

The rules are what went wrong with nets that were measured; `quantize.recipe` knows some of them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efld import tflite_file
from efld.errors import InputError
from efld.tflite_file import Model
from quantize import recipe
from quantize.audit import arithmetic, scales
from quantize.audit.bounds import UNKNOWN, bounds
from quantize.audit.finding import Finding, few, sorted_by_severity
from quantize.audit.reached import Reached, reached
from quantize.graph import Graph, Op
from quantize.recipe import Why

PICTURES = 32  # are enough to see a factor of two
RANGE_RATIO = 2.0  # of inputs that share a scale: the narrower one loses a bit
OUTLIER_RATIO = 16.0  # largest value over what 99.9 % stay below: four bits for 0.1 % of the values
WEIGHT_RATIO = 100.0  # of the largest weights of a layer's channels
COORDINATES = (-0.5, 1.5)  # points of a face that leaves its crop; beyond it they are no 0..1
OUTPUT_RATIO = 4.0  # of the largest value of an output to that of its middle column

# Ops that TFLite computes with one scale for what they read and write.
_CARRIES_SCALE = frozenset({"AVERAGE_POOL_2D", "MAX_POOL_2D", "RESHAPE", "TRANSPOSE", "PAD"})
_POOLS = frozenset({"AVERAGE_POOL_2D", "MAX_POOL_2D"})


@dataclass(frozen=True, eq=False)
class Net:
    """A float file: its graph, what the recipe will do with it, and what was measured of it."""

    graph: Graph
    left_float: Mapping[str, Why]  # name of an op -> why `python -m quantize` leaves it float
    measured: Reached | None

    def action(self, ops: list[Op]) -> str:
        """What becomes of these ops."""
        names = [self.graph.name(op) for op in ops]
        kept = [name for name in names if name in self.left_float]
        if len(kept) == len(names):
            return f"`python -m quantize` leaves it float ({self.left_float[kept[0]]})."
        return (
            "`python -m quantize` makes it int8 and measures the cost; leave it float if the "
            "limit is missed."
        )


def findings(file: Path, crops: NDArray[Any] | None = None) -> list[Finding]:
    """Looks for trouble in a float .tflite; a fraction of a second for the nets of the zoo.

    Args:
        crops: `(pictures, input_px, input_px, channels)`, in the input range of the graph; None:
            ranges are not measured, and rules that need them say what they can without.

    Raises:
        InputError: no float file.
    """
    model = tflite_file.read(file)
    graph = Graph.of(model)
    kind = arithmetic.computing(graph, {}).kind
    if kind not in ("float32", "float16 weights"):
        raise InputError(
            f"{file}: computes in {kind}, expected a float file. Run `python -m quantize audit` on "
            "what is quantised already."
        )
    measured = None if crops is None else reached(file, graph, crops[:PICTURES])
    return check(Net(graph, left_float(model), measured))


def check(net: Net) -> list[Finding]:
    """Applies every rule."""
    return sorted_by_severity(chain.from_iterable(rule(net) for rule in RULES))


def left_float(model: Model) -> dict[str, Why]:
    """Name of an op -> why the rules of `recipe` leave it float; {} where they do not apply."""
    try:
        return {op.name: op.why for op in recipe.float_ops(model)}
    except ValueError:  # they were written for other graphs than this one
        return {}


def _no_int8_kernel(net: Net) -> Iterator[Finding]:
    """XNNPACK leaves such ops, and int8 becomes slower than float."""
    ops = [op for op in net.graph.ops if op.kind in recipe.NO_INT8_KERNEL]
    if ops:
        yield Finding(
            "warning", "no-int8-kernel", few([net.graph.name(op) for op in ops]),
            f"{len(ops)} {ops[0].kind}: XNNPACK has no int8 kernel, so int8 would fall into about "
            f"{len(ops) + 1} pieces and run slower than float.",
            net.action(ops),
        )  # fmt: skip


def _gated(net: Net) -> Iterator[Finding]:
    """Squeeze-excite behind a float activation: MEAN and MUL would convert there and back."""
    graph = net.graph
    ops = [
        op for op in graph.ops
        if op.kind in ("MEAN", "MUL")
        and any(
            (writer := graph.writer.get(i)) is not None and writer.kind in recipe.NO_INT8_KERNEL
            for i in op.inputs
        )
    ]  # fmt: skip
    if ops:
        yield Finding(
            "note", "squeeze-excite", few([graph.name(op) for op in ops]),
            f"{len(ops)} MEAN and MUL read an activation that stays float: in int8 each costs a "
            "conversion, and their ranges differ most from face to face.",
            net.action(ops),
        )  # fmt: skip


def _concatenations(net: Net) -> Iterator[Finding]:
    """Inputs of a concatenation share its scale, and pools carry that back to what they read."""
    for op in net.graph.ops:
        if op.kind == "CONCATENATION":
            yield from _pooled(net, op)
            yield from _different_ranges(net, op)


def _pooled(net: Net, op: Op) -> Iterator[Finding]:
    paths = [path for i in op.inputs if (path := _carriers(net.graph, i))]
    pools = [step for path in paths for step in path if step.kind in _POOLS]
    if not pools:
        return
    if net.measured is None:
        how = "Their ranges were not measured: give pictures."
    else:
        whole = net.measured.width(net.graph.name(op))
        ratios = [
            net.measured.width(net.graph.values[path[-1].inputs[0]].name) / max(whole, 1e-9)
            for path in paths
        ]
        if max(ratios) < RANGE_RATIO:
            return
        how = f"A map is up to {max(ratios):.0f} times wider than the concatenation."
    yield Finding(
        "warning", "pool-into-concat", few([net.graph.name(pool) for pool in pools]),
        f"{len(pools)} {pools[0].kind} write into {few([net.graph.name(op)])}: some converters "
        f"carry its scale back onto the feature maps, which then saturate. {how}",
        net.action(pools),
    )  # fmt: skip


def _carriers(graph: Graph, tensor: int) -> list[Op]:
    """The ops, last first, through which a tensor's scale is carried back."""
    path = []
    while (op := graph.writer.get(tensor)) is not None and op.kind in _CARRIES_SCALE:
        path.append(op)
        tensor = op.inputs[0]
    return path


def _different_ranges(net: Net, op: Op) -> Iterator[Finding]:
    if net.measured is None:
        return
    given = [value for value in net.graph.given(op) if value.constant is None]
    widths = {value.name: net.measured.width(value.name) for value in given}
    if len(widths) > 1 and max(widths.values()) > RANGE_RATIO * min(widths.values()):
        yield Finding(
            "warning", "concat-ranges", few([net.graph.name(op)]),
            "one scale for inputs whose ranges are "
            f"{', '.join(f'{width:.3g}' for width in widths.values())} wide.",
            net.action([op]),
        )  # fmt: skip


def _outputs(net: Net) -> Iterator[Finding]:
    """Coordinates want 0..1 and an output of their own: one int8 step spans 1/255 of the range."""
    if (measured := net.measured) is None:
        return
    for name, largest in measured.columns.items():
        low, high = measured.low[name], measured.high[name]
        middle = float(np.median(largest))
        if len(largest) > 2 and largest.max() > OUTPUT_RATIO * middle > 0:
            yield Finding(
                "warning", "mixed-output", few([name]),
                f"its columns reach {middle:.3g} in the middle and {largest.max():.3g} at most: "
                "more than one quantity shares a scale.",
                "Give each quantity an output of its own, and leave the output float.",
            )  # fmt: skip
        elif len(largest) > 2 and not COORDINATES[0] <= low <= high <= COORDINATES[1]:
            yield Finding(
                "warning", "output-range", few([name]),
                f"values from {low:.3g} to {high:.3g}, expected coordinates of 0..1.",
                "Divide by the crop's side inside the graph, or leave the output float.",
            )  # fmt: skip


def _relu6_beside_linear(net: Net) -> Iterator[Finding]:
    """A sum of 0..6 and of something without bounds spends its steps on the latter."""
    ops = []
    for op in net.graph.ops:
        if op.kind in ("ADD", "CONCATENATION"):
            read = [bounds(net.graph, v.index) for v in net.graph.given(op) if v.constant is None]
            if (0, 6) in read and UNKNOWN in read:
                ops.append(op)
    if ops:
        yield Finding(
            "note", "relu6-and-linear", few([net.graph.name(op) for op in ops]),
            f"{len(ops)} ops join a ReLU6's 0..6 with a linear layer's output under one scale.",
            net.action(ops),
        )  # fmt: skip


def _weight_ranges(net: Net) -> Iterator[Finding]:
    ratios = {}
    for weights in scales.weights(net.graph):
        alive = weights.largest[~weights.dead]
        if alive.size and alive.max() > WEIGHT_RATIO * alive.min():
            ratios[weights.op] = float(alive.max() / alive.min())
    if ratios:
        yield Finding(
            "note", "weight-ranges", few(sorted(ratios, key=lambda name: -ratios[name])),
            f"{len(ratios)} layers have channels whose weights differ by up to "
            f"{max(ratios.values()):,.0f} times.",
            "`python -m quantize` gives each channel a scale; a device that has one scale for all "
            "will lose the small ones.",
        )  # fmt: skip


def _outliers(net: Net) -> Iterator[Finding]:
    if net.measured is None:
        return
    ratios = {
        name: net.measured.largest(name) / max(float(np.median(common)), 1e-9)
        for name, common in net.measured.common.items()
    }
    wide = sorted((n for n, r in ratios.items() if r > OUTLIER_RATIO), key=lambda n: -ratios[n])
    if wide:
        yield Finding(
            "warning", "outliers", few(wide),
            f"{len(wide)} activations reach up to {ratios[wide[0]]:.0f} times what 99.9 % of their "
            "values stay below: the steps go to a few values.",
            "`python -m quantize` measures calibration methods that clip them.",
        )  # fmt: skip


def _stored(net: Net) -> Iterator[Finding]:
    return scales.findings(net.graph, says_int8=False)


def _custom_ops(net: Net) -> Iterator[Finding]:
    ops = [op for op in net.graph.ops if op.kind.startswith("CUSTOM:")]
    if ops:
        yield Finding(
            "warning", "custom-op", few([net.graph.name(op) for op in ops]),
            f"{len(ops)} custom ops ({few(sorted({op.kind for op in ops}))}): no quantiser knows "
            "them.",
            "Replace them by builtin ops before the export.",
        )  # fmt: skip


RULES: tuple[Callable[[Net], Iterator[Finding]], ...] = (
    _no_int8_kernel, _gated, _concatenations, _outputs, _relu6_beside_linear, _weight_ranges,
    _outliers, _stored, _custom_ops,
)  # fmt: skip
