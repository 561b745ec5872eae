"""What XNNPACK takes of a file, and what the rest costs."""

from collections.abc import Iterator

from efld.sessions import Delegation
from quantize.audit import arithmetic
from quantize.audit.finding import Finding, few
from quantize.graph import Graph
from quantize.recipe import NO_INT8_KERNEL


def findings(graph: Graph, delegation: Delegation | None) -> Iterator[Finding]:
    """Ops that run outside XNNPACK."""
    if delegation is None or not delegation.outside:
        return
    outside = [f"{count} {kind}" for kind, count in delegation.outside.items()]
    slow = [
        graph.name(op) for op in graph.ops
        if op.kind in NO_INT8_KERNEL and arithmetic.of(graph, op) == "int8"
    ]  # fmt: skip
    if slow:
        yield Finding(
            "warning", "no-int8-kernel", few(slow),
            f"XNNPACK has no int8 kernel for {', '.join(sorted(NO_INT8_KERNEL))}: the graph falls "
            f"into {delegation.partitions} pieces, and nets of this size ran 4 to 6 times slower "
            "than in float.",
            "Leave these ops float, as `python -m quantize` does.",
        )  # fmt: skip
    else:
        yield Finding(
            "warning", "outside-xnnpack", few(outside),
            f"run outside XNNPACK, which takes the rest in {delegation.partitions} pieces.",
            "Measure it: `python -m benchmark host FILE`. A few may cost nothing.",
        )  # fmt: skip
