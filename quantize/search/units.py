"""What is switched between int8 and float together, from the graph alone.

A *layer* is an op and what belongs to it: a convolution with its padding and activation, a
squeeze-excite from its mean to its product. A *unit* is a layer, or a block: a depthwise
convolution with the layers before and after it. Switching less would only add conversions, since a
value is rounded unless the op that writes it and all ops that read it are float.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from efld import tflite_file
from efld.errors import InputError
from efld.tflite_file import Model
from quantize.graph import Graph, Op
from quantize.recipe import WITH_WEIGHTS

Ops = frozenset[int]

# They change a value in place, or only its shape: they go with the op that wrote it.
FOLLOWERS = frozenset({
    "HARD_SWISH", "RELU", "RELU6", "RELU_N1_TO_1", "LEAKY_RELU", "PRELU", "ELU", "GELU", "LOGISTIC",
    "TANH", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE", "ADD", "SUB", "MUL", "DIV",
})  # fmt: skip
LEADERS = frozenset({"PAD", "PADV2", "MIRROR_PAD"})  # they go with the op that reads them
MEANS = frozenset({"MEAN", "AVERAGE_POOL_2D"})


@dataclass(frozen=True, eq=False)
class Wiring:
    """The ops of a float graph: kinds, names of outputs, and who reads whom; by index."""

    kinds: tuple[str, ...]
    names: tuple[str, ...]
    sources: tuple[tuple[int, ...], ...]  # ops whose outputs an op reads; -1: the graph's input
    values: tuple[int, ...]  # that an op writes
    work: tuple[int, ...]  # multiply-adds of convolutions and dense layers, `values` of others
    pinned: Ops  # that cannot be float: their constants would be stored as floats

    @classmethod
    def of(cls, model: Model) -> Self:
        """
        Raises:
            InputError: custom ops, or sizes that are not fixed: they cannot be int8 here.
        """
        graph = Graph.of(model)
        _check(graph, model)
        writers = {tensor: op.index for tensor, op in graph.writer.items()}
        writers |= dict.fromkeys(graph.inputs, -1)
        sizes = tuple(math.prod(graph.values[op.outputs[0]].shape) for op in graph.ops)
        return cls(
            kinds=tuple(op.kind for op in graph.ops),
            names=tuple(map(graph.name, graph.ops)),
            sources=tuple(tuple(writers[t] for t in op.inputs if t in writers) for op in graph.ops),
            values=sizes,
            work=tuple(graph.multiply_adds(op) or sizes[op.index] for op in graph.ops),
            pinned=frozenset(op.index for op in graph.ops if _holds_matrix(graph, op)),
        )

    @cached_property
    def readers(self) -> tuple[tuple[int, ...], ...]:
        found: list[list[int]] = [[] for _ in self.kinds]
        for i, sources in enumerate(self.sources):
            for source in set(sources) - {-1}:
                found[source].append(i)
        return tuple(map(tuple, found))

    def closed(self, chosen: Iterable[int]) -> Ops:
        """`chosen` and the ops without weights that only float ops feed and read.

        In int8 they would round twice and save nothing.
        """
        found = set(chosen) - self.pinned
        for i, kind in enumerate(self.kinds):
            around = {*self.sources[i], *self.readers[i]}
            if kind not in WITH_WEIGHTS and around and around <= found:
                found.add(i)
        return frozenset(found - self.pinned)


def _check(graph: Graph, model: Model) -> None:
    if custom := [op.kind for op in graph.ops if op.kind.startswith("CUSTOM")]:
        raise InputError(
            f"the graph has {custom[0]} ops, expected builtin ones: the quantiser knows no others. "
            "Export the model without them."
        )
    for tensor in model.subgraphs[0].tensors:
        signature = tensor.shapeSignature
        if signature is not None and any(int(side) < 0 for side in signature):
            raise InputError(
                f"the graph's tensor {tflite_file.tensor_name(tensor)} has sizes "
                f"{[int(side) for side in signature]}, expected fixed ones (-1: any). "
                "Export the model with a fixed batch of 1."
            )


def _holds_matrix(graph: Graph, op: Op) -> bool:
    """Whether an op without int8 weights of its own reads a constant of more than one axis."""
    return op.kind not in WITH_WEIGHTS and any(
        value.dtype == "float32"
        and value.constant is not None
        and sum(side > 1 for side in value.shape) > 1
        for value in graph.given(op)
    )


@dataclass(frozen=True)
class Unit:
    """Ops that are switched together."""

    name: str  # of its first and last op
    ops: Ops
    layers: tuple[Ops, ...]  # what may be switched alone, to refine

    @classmethod
    def of(cls, graph: Wiring, layers: Iterable[Ops]) -> "Unit":
        parts = tuple(sorted(layers, key=min))
        ops = frozenset().union(*parts)
        first, last = graph.names[min(ops)], graph.names[max(ops)]
        return cls(first if first == last else f"{first}..{last}", ops, parts)


def layers(graph: Wiring) -> list[Ops]:
    """Every op in exactly one layer, in the graph's order."""
    owner = list(range(len(graph.kinds)))
    for i, kind in enumerate(graph.kinds):
        computed = [source for source in graph.sources[i] if source >= 0]
        if kind in FOLLOWERS and computed and i not in graph.pinned:
            owner[i] = owner[max(computed)]
    for gate in _gates(graph):
        for i in gate:
            owner[i] = min(gate)
    for i in range(len(owner) - 1, -1, -1):
        if graph.kinds[i] in LEADERS and len(graph.readers[i]) == 1:
            owner[i] = owner[graph.readers[i][0]]
    groups: dict[int, set[int]] = {}
    for i, own in enumerate(owner):
        groups.setdefault(own, set()).add(i)
    return [frozenset(group) for group in sorted(groups.values(), key=min)]


def _gates(graph: Wiring) -> Iterator[Ops]:
    """Squeeze-excites: a mean, what follows it, and the product with what was averaged."""
    for start, kind in enumerate(graph.kinds):
        if kind in MEANS and graph.sources[start]:
            path, scaled = [start], graph.sources[start][0]
            while len(graph.readers[path[-1]]) == 1:
                path.append(graph.readers[path[-1]][0])
                if graph.kinds[path[-1]] == "MUL" and scaled in graph.sources[path[-1]]:
                    yield frozenset(path)
                    break


def units(graph: Wiring) -> list[Unit]:
    """Every op in exactly one unit, in the graph's order."""
    parts = layers(graph)
    home = {op: part for part in parts for op in part}
    found, taken = [], set[Ops]()
    for i, kind in enumerate(graph.kinds):
        if kind == "DEPTHWISE_CONV_2D" and home[i] not in taken:
            block = [part for part in _block(graph, home, i) if part not in taken]
            taken.update(block)
            found.append(Unit.of(graph, block))
    found += [Unit.of(graph, [part]) for part in parts if part not in taken]
    return sorted(found, key=lambda unit: min(unit.ops))


def _block(graph: Wiring, home: dict[int, Ops], depthwise: int) -> list[Ops]:
    """The depthwise layer, the one before it, a squeeze-excite, and the convolution after them."""
    block = [home[depthwise]]
    before = [source for source in graph.sources[min(block[0])] if source >= 0]
    if before and graph.kinds[min(home[before[0]])] in {"CONV_2D", *LEADERS}:
        block.insert(0, home[before[0]])
    while (after := _only_reader(graph, home, block[-1])) is not None:
        block.append(after)
        kinds = {graph.kinds[i] for i in after}
        if not kinds & MEANS:
            break
    return block


def _only_reader(graph: Wiring, home: dict[int, Ops], part: Ops) -> Ops | None:
    """The layer that alone reads a layer, if it is a convolution or a squeeze-excite."""
    readers = {home[reader] for i in part for reader in graph.readers[i]} - {part}
    if len(readers) != 1:
        return None
    (reader,) = readers
    kinds = {graph.kinds[i] for i in reader}
    is_gate = bool(kinds & MEANS) and "MUL" in kinds
    return reader if is_gate or ("CONV_2D" in kinds and "DEPTHWISE_CONV_2D" not in kinds) else None
