"""Scales and zero points: those that cannot be right, and those that waste bits.

The rules are TFLite's: https://ai.google.dev/edge/litert/models/quantization_spec (int8 weights
have zero point 0 and a scale for each output channel; -128 is not used).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantize.audit.finding import Finding, few, short
from quantize.graph import OUTPUT_AXIS, Graph, Op, Value

SMALLEST_SCALE = float(np.finfo(np.float32).tiny)  # below it a float32 is denormal
DEAD_SHARE = 1e-6  # of a layer's largest weight
LARGEST_STEP = 127
# A channel that reaches fewer steps than this has lost three of its eight bits to its neighbours.
FEW_STEPS = 16
COARSE_SHARE = 0.1  # of a layer's channels
DEAD_CHANNELS = 7  # in a layer: so many may pad it to a multiple of 8, which kernels like
MOST_COMMON_SHARE = 0.5  # of the layers: a few may share a scale by choice, to save bytes


@dataclass(frozen=True, eq=False)
class Weights:
    """The stored weights of one op."""

    op: str
    kind: str
    dtype: str
    per_channel: bool
    largest: NDArray[np.float64]  # of each output channel, in what they stand for; float: as stored
    steps: NDArray[np.float64] | None  # int8 only: the same in quantised steps

    @property
    def dead(self) -> NDArray[np.bool_]:
        """Which channels are zero for all inputs, but for the bias.

        With a scale in common nobody can tell: what is small has become zero.
        """
        zero = self.largest <= DEAD_SHARE * self.largest.max(initial=0)
        return np.asarray(zero & self.per_channel)

    @property
    def coarse(self) -> float:
        """Share of the channels that a scale in common leaves few steps."""
        if self.steps is None or self.per_channel:
            return 0.0
        return float((self.steps < FEW_STEPS).mean())


def weights(graph: Graph) -> list[Weights]:
    """The weights of every op that has float, float16 or int8 ones."""
    found = []
    for op in graph.ops:
        stored = graph.weights(op)
        if stored is not None and stored.dtype in ("float32", "float16", "int8"):
            found.append(_weights(graph.name(op), op, stored))
    return found


def _weights(name: str, op: Op, stored: Value) -> Weights:
    values = np.abs(np.asarray(stored.constant, np.float64))
    axis = OUTPUT_AXIS[op.kind]
    largest = values.max(axis=tuple(i for i in range(values.ndim) if i != axis), initial=0)
    if stored.dtype != "int8":
        return Weights(name, op.kind, stored.dtype, True, largest, None)
    scale = stored.scales if stored.scales.size else np.ones(1)
    return Weights(name, op.kind, "int8", scale.size > 1, largest * scale, largest)


def findings(graph: Graph, says_int8: bool) -> Iterator[Finding]:
    """What is wrong with numbers that the file stores."""
    yield from _bad_scales(graph)
    yield from _bad_numbers(graph)
    yield from _zero_points(graph)
    stored = weights(graph)
    yield from _per_tensor(stored, says_int8)
    yield from _dead(stored)


def _dead(stored: list[Weights]) -> Iterator[Finding]:
    dead = {w.op: int(w.dead.sum()) for w in stored if w.dead.any()}
    if dead:
        yield Finding(
            "warning" if max(dead.values()) > DEAD_CHANNELS else "note", "dead-channels",
            few([f"{short(name)} ({count})" for name, count in dead.items()]),
            f"{sum(dead.values())} output channels have no weight but zero.",
            "Prune them, unless they pad a layer to a multiple of 8: they cost time and bytes.",
        )  # fmt: skip


def _bad_scales(graph: Graph) -> Iterator[Finding]:
    wrong, tiny = [], []
    for value in graph.values:
        finite = np.isfinite(value.scales) & (value.scales >= 0)
        small = finite & (value.scales < SMALLEST_SCALE)
        # A channel of weights that are all zero may have any scale; an activation may not.
        harmless = value.constant is not None and small.size > 1
        if not finite.all() or (small.any() and not harmless):
            wrong.append(value.name)
        elif small.any():
            tiny.append(value.name)
    if wrong:
        yield Finding(
            "fault", "bad-scale", few(wrong),
            f"{len(wrong)} tensors have a scale that is zero, denormal, negative or no number.",
            "Calibrate on pictures that reach these layers, and quantise again.",
        )  # fmt: skip
    if tiny:
        yield Finding(
            "warning", "tiny-scale", few(tiny),
            f"{len(tiny)} constants have channels whose scale is zero or denormal.",
            "Prune these channels: they are dead, and denormal numbers may be slow.",
        )  # fmt: skip


def _bad_numbers(graph: Graph) -> Iterator[Finding]:
    bad = [v.name for v in graph.values if v.constant is not None and not _is_finite(v.constant)]
    if bad:
        yield Finding(
            "fault", "bad-weights", few(bad),
            f"{len(bad)} constants hold NaN or infinity.",
            "Train or export it again.",
        )  # fmt: skip


def _is_finite(values: NDArray[Any]) -> bool:
    return values.dtype.kind != "f" or bool(np.isfinite(values).all())


def _zero_points(graph: Graph) -> Iterator[Finding]:
    bad = [
        graph.name(op)
        for op in graph.ops
        if (stored := graph.weights(op)) is not None
        and stored.dtype == "int8"
        and stored.zero_points.any()
    ]
    if bad:
        yield Finding(
            "fault", "weight-zero-point", few(bad),
            f"{len(bad)} layers have int8 weights with a zero point other than 0, which kernels do "
            "not subtract.",
            "Quantise the weights symmetrically.",
        )  # fmt: skip


def _per_tensor(stored: list[Weights], says_int8: bool) -> Iterator[Finding]:
    common = [w for w in stored if w.dtype == "int8" and not w.per_channel and w.largest.size > 1]
    if not common:
        return
    coarse = sorted((w for w in common if w.coarse > COARSE_SHARE), key=lambda w: -w.coarse)
    if not coarse:
        return
    what = f"{len(common)} of {len(stored)} layers have one scale for all channels"
    whole = says_int8 and len(common) > MOST_COMMON_SHARE * len(stored)
    yield Finding(
        "fault" if whole else "warning", "per-tensor-weights", few([w.op for w in coarse]),
        f"{what}; in {len(coarse)} of them that leaves some channels fewer than {FEW_STEPS} of "
        f"{LARGEST_STEP} steps ({100 * coarse[0].coarse:.0f} % of those of {coarse[0].op}).",
        "Quantise with a scale for each channel.",
    )  # fmt: skip
