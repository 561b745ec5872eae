"""Counts as a Markdown file, a table a processor."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmark.emulated.measure import Counts, Emulated
from benchmark.emulated.tables import reference
from benchmark.emulated.toolchain import CPUS

FMLA = ("fmla_f32", "fmla_f16")
INTEGER = ("sdot", "smmla", "smull")
HEAD = (
    "file", "computed in", "bytes", "multiply-adds", "instructions", "ratio", "FMLA",
    "integer multiply", "efficiency",
)  # fmt: skip
WORDS = 2  # columns of words; numbers follow


def document(found: Emulated, command: str) -> str:
    """Everything that was counted, with what the columns mean and how it was made."""
    tools = found.tools
    return "\n\n".join([
        "# ARM instructions of one inference",
        f"Exact counts on one thread under QEMU {tools.qemu}, TensorFlow Lite with XNNPACK "
        f"(library {tools.library_sha256[:12]}). No milliseconds: memory, caches and clock are "
        "not emulated.",
        "- ratio: to the row with 1.000\n- FMLA, integer multiply: the share of all instructions "
        "that multiply and add floats, or bytes (SDOT, SMMLA, SMULL)\n- efficiency: the part of "
        "the instructions that would do, were there none but those which do most multiply-adds",
        *(block for cpu in CPUS for block in _processor(found.counts, cpu)),
        *_half(found.counts),
        f"Command: `{command}`",
    ]) + "\n"  # fmt: skip


def _processor(counts: Sequence[Counts], cpu: str) -> Iterator[str]:
    rows = [row for row in counts if row.cpu == cpu]
    if rows:
        first = reference(counts, cpu)
        sides = ["---"] * WORDS + ["---:"] * (len(HEAD) - WORDS)
        yield f"## {cpu}: {CPUS[cpu].means}"
        yield "\n".join(map(_line, [HEAD, sides, *(_cells(row, first) for row in rows)]))


def _cells(row: Counts, first: Counts) -> Sequence[str]:
    return (
        name(row), _computed_in(row), f"{row.file_bytes:,}", f"{row.multiply_adds:,}",
        f"{row.instructions:,}", f"{row.instructions / first.instructions:.3f}",
        _share(row, FMLA), _share(row, INTEGER), f"{row.efficiency:.1%}",
    )  # fmt: skip


def name(row: Counts) -> str:
    """The file's name; of ours with the model's, since all are called alike."""
    own = Path(row.file).name
    return f"{row.model}/{own}" if row.model and not row.peer else own


def _computed_in(row: Counts) -> str:
    if row.main_class in INTEGER:
        return "int8"
    return "half precision" if row.fp16 else "float32"


def _share(row: Counts, classes: Sequence[str]) -> str:
    return f"{sum(row.classes[own] for own in classes) / row.instructions:.1%}"


def _half(counts: Sequence[Counts]) -> Iterator[str]:
    for row in counts:
        if row.half_moves is not None:
            yield f"{name(row)}: half precision on {row.cpu} moves the points by {row.half_moves}."


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
