"""Counts as tables for people."""

import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from benchmark.emulated import work
from benchmark.emulated.layers import Layer
from benchmark.emulated.measure import Counts, Emulated
from benchmark.emulated.toolchain import CPUS

HEAD = ("instructions", "share", "main class", "ld/st", "multiply-adds", "efficiency")


def text(found: Emulated) -> str:
    """All files, and what the columns mean."""
    width = max(len(row.file) for row in found.counts)
    head = (
        f"{'file':<{width}} {'bytes':>11} {'cpu':>3} {'instructions':>13} {'ratio':>6} "
        f"{'multiply-adds':>13} {'main class':>15} {'efficiency':>10} {'difference':>10}"
    )
    lines = [
        f"instructions per inference, one thread, QEMU {found.tools.qemu}; ratio to "
        f"{reference(found.counts, found.counts[0].cpu).file}",
        head,
        *(_line(row, reference(found.counts, row.cpu), width) for row in found.counts),
        "",
        *(
            f"{row.file}: half precision on {row.cpu} moves the points by {row.half_moves}"
            for row in found.counts
            if row.half_moves is not None
        ),
        *(f"{name}: {CPUS[name].means}" for name in sorted({row.cpu for row in found.counts})),
        "main class: which instructions do most multiply-adds, and their share of all; fp16: all "
        "computed in half precision",
        "efficiency: part of the instructions that would do, were there none but those",
        f"difference: largest, to {found.host_runtime} on this machine, relative to the result",
    ]
    return "\n".join(lines)


def reference(counts: Sequence[Counts], cpu: str) -> Counts:
    """The first peer on a class of processors, or the first file."""
    same = [row for row in counts if row.cpu == cpu]
    return next((row for row in same if row.peer), same[0])


def _line(row: Counts, first: Counts, width: int) -> str:
    main = f"{row.main_class} {row.shares[row.main_class]:.1%}"
    return (
        f"{row.file:<{width}} {row.file_bytes:>11,} {row.cpu:>3} {row.instructions:>13,} "
        f"{row.instructions / first.instructions:>6.3f} {row.multiply_adds:>13,} {main:>15} "
        f"{row.efficiency:>10.1%} {row.host_difference:>10.1e}"
    )


def layers(path: Path, cpu: str, found: Sequence[Layer]) -> str:
    """A file's layers, summed up by kind and one by one."""
    total = sum(layer.instructions for layer in found)
    kinds: defaultdict[str, list[Layer]] = defaultdict(list)
    for layer in found:
        kinds[layer.kind].append(layer)
    by_cost = sorted(kinds.items(), key=lambda item: -_instructions(item[1]))
    changed = [layer for layer in found if layer.partitions != found[-1].partitions]
    return "\n".join(
        [
            f"\n{path} on {cpu}, by layer: differences of cut files. Below 0: XNNPACK fuses the op "
            f"with those before, add them up. *: other partitions than the whole ({len(changed)})",
            _row("", "kind", ("number", ""), HEAD),
            *(_row("", kind, (str(len(same)), ""), _cells(same, total)) for kind, same in by_cost),
            "",
            _row("#", "op", ("input", "output"), HEAD),
            *(
                _row(
                    f"{layer.index}{'*' if layer in changed else ''}",
                    f"{layer.kind} {layer.activation}".rstrip(),
                    (_sides(layer.inputs[0]), _sides(layer.output)),
                    _cells([layer], total),
                )
                for layer in found
            ),
        ]
    )


def _instructions(found: Sequence[Layer]) -> int:
    return sum(layer.instructions for layer in found)


def _cells(found: Sequence[Layer], total: int) -> tuple[str, ...]:
    instructions = _instructions(found)
    part_of = max(instructions, 0) or math.nan
    classes = {name: sum(layer.classes[name] for layer in found) for name in found[0].classes}
    multiply_adds = sum(layer.multiply_adds for layer in found)
    main = work.main_class(classes)
    part = work.efficiency(multiply_adds, classes, main) if multiply_adds else math.nan
    return (
        f"{instructions:,}",
        _percent(instructions / total),
        f"{main} {_percent(classes[main] / part_of)}" if classes[main] > 0 else "-",
        _percent(classes["load_store"] / part_of),
        f"{multiply_adds:,}" if multiply_adds else "-",
        _percent(part),
    )


def _percent(part: float) -> str:
    return "-" if math.isnan(part) else f"{part:.1%}"


def _row(index: str, name: str, sides: tuple[str, str], cells: Sequence[str]) -> str:
    instructions, share, main, memory, multiply_adds, part = cells
    return (
        f"{index:>5} {name:<30} {sides[0]:>12} {sides[1]:>12} {instructions:>12} {share:>6} "
        f"{main:>15} {memory:>6} {multiply_adds:>13} {part:>10}"
    ).rstrip()


def _sides(shape: tuple[int, ...]) -> str:
    """Without the batch."""
    return "x".join(map(str, shape[1:])) or "-"
