"""What a file computes in: each op, the file by its right name, and islands of float in int8."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from quantize.audit.finding import Finding, few
from quantize.graph import CONVERSIONS, Graph, Op
from quantize.recipe import NO_INT8_KERNEL

INTEGERS = frozenset({"int8", "uint8", "int16"})
PACKED = frozenset({"int8", "uint8", "int4", "int2"})
LEAST_INT8_SHARE = 0.5  # of the multiply-adds, in a file that says int8

# "dynamic": float activations, rounded by the kernel as it runs. "unpack": a constant made float
# once, as the file is opened. "other": shapes and indices.
Arithmetic = Literal["int8", "uint8", "int16", "float", "dynamic", "conversion", "unpack", "other"]
Kind = Literal[
    "int8", "uint8", "int16 activations", "dynamic range", "weight-only", "float16 weights",
    "float32",
]  # fmt: skip


@dataclass(frozen=True)
class Island:
    """Float ops that hand floats to each other, within a file that computes in int8 elsewhere."""

    ops: tuple[str, ...]  # names
    kinds: dict[str, int]
    multiply_adds: int
    edge: bool  # it reads the graph's input or writes its output
    reasons: dict[str, str]  # name of an op -> why it was left float, where somebody said so
    explained: bool


@dataclass(frozen=True)
class Computing:
    """How a file computes."""

    kind: Kind
    ops: dict[str, dict[Arithmetic, int]]  # op kind -> how many compute in what
    multiply_adds: dict[Arithmetic, int]
    islands: list[Island]

    @property
    def is_int8(self) -> bool:
        """In 8 bits, of which uint8 is the older form."""
        return self.kind in ("int8", "uint8")

    @property
    def int8_share(self) -> float:
        """Of the multiply-adds."""
        total = sum(self.multiply_adds.values())
        return sum(self.multiply_adds.get(k, 0) for k in ("int8", "uint8")) / max(total, 1)


def of(graph: Graph, op: Op) -> Arithmetic:
    """What one op computes in: the dtype of what it writes."""
    if not op.outputs:  # it writes a variable
        return "other"
    written = graph.values[op.outputs[0]]
    if op.kind in CONVERSIONS:
        return "conversion" if graph.values[op.inputs[0]].constant is None else "unpack"
    if written.dtype in INTEGERS and written.scales.size:
        return written.dtype  # type: ignore[return-value]
    if not written.is_float:
        return "other"
    packed = op.kind in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "BATCH_MATMUL") and any(
        value.dtype in PACKED and value.constant is not None for value in graph.given(op)
    )
    return "dynamic" if packed else "float"


def computing(graph: Graph, planned: Mapping[str, str]) -> Computing:
    """Looks at every op.

    Args:
        planned: name of an op that was left float on purpose -> why. Where it is empty nobody
            said, and what XNNPACK has no int8 kernel for explains an island.
    """
    ops: dict[str, Counter[Arithmetic]] = {}
    work: Counter[Arithmetic] = Counter()
    for op in graph.ops:
        ops.setdefault(op.kind, Counter())[of(graph, op)] += 1
        work[of(graph, op)] += graph.multiply_adds(op)
    kind = _kind(graph)
    return Computing(
        kind=kind,
        ops={name: dict(counts) for name, counts in ops.items()},
        multiply_adds={name: count for name, count in work.items() if count},
        islands=[_island(graph, group, planned) for group in _groups(graph)]
        if kind in ("int8", "uint8")
        else [],
    )


def _kind(graph: Graph) -> Kind:
    found = {of(graph, op) for op in graph.ops if op.kind not in ("RESHAPE", "TRANSPOSE")}
    unpacked = {graph.values[op.inputs[0]].dtype for op in graph.ops if of(graph, op) == "unpack"}
    if "int8" in found:
        return "int8"
    if "uint8" in found:
        return "uint8"
    if "int16" in found:
        return "int16 activations"
    if "dynamic" in found:
        return "dynamic range"
    if unpacked & PACKED:
        return "weight-only"
    return "float16 weights" if "float16" in unpacked else "float32"


def _groups(graph: Graph) -> list[list[Op]]:
    """Float ops, grouped by the float tensors that they pass on."""
    leader: dict[int, int] = {}

    def root(index: int) -> int:
        while leader[index] != index:
            index = leader[index]
        return index

    for op in graph.ops:  # in the order of execution: who writes comes first
        if of(graph, op) in ("float", "dynamic"):
            leader[op.index] = op.index
            for tensor in op.inputs:
                before = graph.writer.get(tensor)
                if before is not None and before.index in leader:
                    leader[root(before.index)] = op.index
    groups: dict[int, list[Op]] = {}
    for index in leader:
        groups.setdefault(root(index), []).append(graph.ops[index])
    return sorted(groups.values(), key=lambda group: group[0].index)


def _island(graph: Graph, group: list[Op], planned: Mapping[str, str]) -> Island:
    names = [graph.name(op) for op in group]
    touched = {tensor for op in group for tensor in (*op.inputs, *op.outputs)}
    edge = bool(touched & {*graph.inputs, *graph.outputs})
    no_kernel = any(op.kind in NO_INT8_KERNEL for op in group)
    explained = edge or all(name in planned for name in names) or (no_kernel and not planned)
    return Island(
        ops=tuple(names),
        kinds=dict(Counter(op.kind for op in group)),
        multiply_adds=sum(graph.multiply_adds(op) for op in group),
        edge=edge,
        reasons={name: planned[name] for name in names if name in planned},
        explained=explained,
    )


def findings(found: Computing, says_int8: bool) -> Iterator[Finding]:
    """What keeps a file from being called int8."""
    if not found.is_int8:
        if says_int8:
            yield _not_int8(found.kind)
        return
    for island in found.islands:
        if not island.explained:
            left = [name for name in island.ops if name not in island.reasons]
            yield Finding(
                "fault" if says_int8 else "warning", "float-island", few(left),
                f"{len(island.ops)} float ops amid int8 ({island.multiply_adds:,} multiply-adds); "
                "nobody said why.",
                "Quantise them, or keep quantize.json beside the file if they were planned.",
            )  # fmt: skip
    if found.multiply_adds and found.int8_share < LEAST_INT8_SHARE:
        yield Finding(
            "fault" if says_int8 else "warning", "mostly-float", "the graph",
            f"{100 * found.int8_share:.0f} % of the multiply-adds are in int8, "
            f"expected {100 * LEAST_INT8_SHARE:.0f} % or more.",
            "Quantise more of it, or call the file mixed.",
        )  # fmt: skip


_NAMED: dict[Kind, tuple[str, str]] = {
    "dynamic range": (
        "dynamic-range",
        "weights are int8, every activation is float: this is dynamic range, which is slower than "
        "float on small convolutional nets.",
    ),
    "weight-only": (
        "weight-only",
        "weights are int8 and unpacked to float before use: smaller, not faster.",
    ),
}


def _not_int8(kind: Kind) -> Finding:
    code, what = _NAMED.get(kind, ("not-int8", f"no op computes in int8: this is {kind}."))
    todo = "Quantise it with calibration pictures: `python -m quantize`."
    return Finding("fault", code, "the graph", what, todo)
