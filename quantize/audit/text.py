"""A report for people: the verdict, what was found, then tables."""

from collections import Counter
from collections.abc import Iterator, Sequence

from quantize.audit.arithmetic import Island
from quantize.audit.finding import counted, few, lines, short
from quantize.audit.report import Report

SHOWN_TENSORS = 3  # the most saturated ones
Row = Sequence[str]


def text(report: Report) -> str:
    """All of it."""
    blocks = [_verdict(report), lines(report.findings), _tensors(report), _ops(report)]
    blocks += [_islands(report), _facts(report), _bytes(report)]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _verdict(report: Report) -> list[str]:
    found = report.computing
    share = f", {100 * found.int8_share:.0f} % of its multiply-adds" if found.kind == "int8" else ""
    claim = "taken for an int8 file" if report.says_int8 else "not taken for an int8 file"
    return [
        f"{report.path}: {found.kind}{share}. {counted(report.findings)}.",
        f"{claim}: {report.says_why}.",
    ]


def _tensors(report: Report) -> list[str]:
    rows = [("dtype", "constants", "bytes", "activations")]
    for dtype in sorted({*report.constants, *report.activations}):
        stored = report.constants.get(dtype, {"tensors": 0, "bytes": 0})
        computed = report.activations.get(dtype, 0)
        rows.append((dtype, f"{stored['tensors']}", f"{stored['bytes']:,}", f"{computed}"))
    return table(rows)


def _ops(report: Report) -> list[str]:
    found = report.computing
    columns = sorted({name for counts in found.ops.values() for name in counts})
    rows: list[Row] = [("op", *columns)]
    for kind, counts in sorted(found.ops.items(), key=lambda item: -sum(item[1].values())):
        rows.append((kind, *(str(counts.get(name, "")) for name in columns)))
    work = [f"{found.multiply_adds.get(name, 0):,}" for name in columns]
    return table([*rows, ("multiply-adds", *work)])


def _islands(report: Report) -> list[str]:
    if not report.computing.islands:
        return []
    alike: dict[Row, list[Island]] = {}
    for island in report.computing.islands:
        alike.setdefault(_what_and_why(island), []).append(island)
    rows: list[Row] = [("float among int8", "times", "multiply-adds", "why", "first")]
    for (kinds, why), group in alike.items():
        work = f"{sum(island.multiply_adds for island in group):,}"
        rows.append((kinds, f"{len(group)}", work, why, group[0].ops[0]))
    return [*table(rows), f"who says why: {report.planned_by}"]


def _what_and_why(island: Island) -> Row:
    kinds = ", ".join(f"{n} {kind}" if n > 1 else kind for kind, n in island.kinds.items())
    said = Counter(island.reasons.values())
    place = "at an edge of the graph" if island.edge else "no int8 kernel"
    why = next(iter(said), place) if island.explained else "NOBODY SAID"
    return kinds, why.split(":")[0]


def _facts(report: Report) -> list[str]:
    return [*_delegation(report), *_calibration(report), *_pictures(report)]


def _delegation(report: Report) -> Iterator[str]:
    if (taken := report.delegation) is None:
        yield "XNNPACK: not asked, this runtime refuses the file"
    else:
        outside = ", ".join(f"{n} {kind}" for kind, n in taken.outside.items())
        pieces = f"{taken.partitions} partition{'' if taken.partitions == 1 else 's'}"
        yield f"XNNPACK: {pieces}, outside it {outside or 'nothing'}"


def _calibration(report: Report) -> Iterator[str]:
    ids = report.spec.calibration if report.spec is not None else ()
    folders = Counter(name.rpartition("/")[0] or "no folder" for name in ids)
    where = ", ".join(f"{n} of {folder}" for folder, n in folders.most_common())
    yield f"calibrated on: {f'{len(ids)} pictures, {where}' if ids else 'unknown'}"


def _pictures(report: Report) -> Iterator[str]:
    seen = report.seen
    yield f"pictures: {seen.pictures}"
    if seen.count:
        worst = [
            f"{short(s.tensor)} {100 * s.share:.1f} %" for s in seen.saturations[:SHOWN_TENSORS]
        ]
        yield f"most values stuck at an end of their range: {few(worst)}"


def _bytes(report: Report) -> list[str]:
    sizes = report.sizes
    parts = {
        "weights": sizes.weights,
        "biases": sizes.biases,
        "other constants": sizes.other_constants,
        "scales and zero points": sizes.scales,
        "tensor names": sizes.names,
        **{f"metadata {name}": size for name, size in sizes.metadata.items()},
        "graph structure": sizes.structure,
        "unused buffers": sizes.unused,
        "the file": sizes.total,
    }
    rows: list[Row] = [("bytes of", "bytes", "share")]
    rows += [(name, f"{n:,}", f"{100 * n / sizes.total:.1f} %") for name, n in parts.items() if n]
    again = (
        [f"{sizes.duplicates:,} bytes of constants are stored twice"] if sizes.duplicates else []
    )
    return [*table(rows), *again]


def table(rows: Sequence[Row]) -> list[str]:
    """Columns as wide as they need; numbers to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    numbers = [all(_is_number(row[i]) for row in rows[1:]) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(row, widths, numbers, strict=True)
        ).rstrip()
        for row in rows
    ]


def _is_number(cell: str) -> bool:
    return not cell or cell[0].isdigit()
