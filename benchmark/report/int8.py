"""What int8 costs, and where: calibration, what stayed float and why, each part, the finalists."""

from collections.abc import Iterator, Sequence

from benchmark.report import drawing
from benchmark.report.blocks import Block, Command, Figures, Missing, Section, Table, Text
from benchmark.report.model import quantize_command
from benchmark.report.records import Record, Run
from efld.run_files import FILES

TITLE = "int8: what it costs where"
CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")
WORST_LAYERS = 10
PART = ("part", "work %", "int8 px", "float px", "gain px", "float ops", "back px", "back NME")
FINALIST = ("method", "float ops", "bytes", "px", "NME", "±", "time to float32")


def section(run: Run) -> Section:
    """The record of `python -m quantize`, while it is about the files that are here."""
    quantize = run.get("quantize")
    if quantize is None:
        return Section(TITLE, [run.missing("quantize")])
    command = quantize_command(run, quantize)
    float32 = {"file": FILES["fp32"], "sha256": quantize["fp32_sha256"]}
    if old := run.stale([float32, quantize["step"]], {"command": command}):
        return Section(TITLE, old)
    blocks: list[Block] = [*_calibration(quantize), *_floats(quantize["audit"])]
    search = quantize["search"]
    if search is None:
        wanted = quantize_command(run, quantize, objective="host-latency")
        blocks += _layers(quantize)
        blocks.append(Missing("what each part costs in int8, and files to choose from", wanted))
    else:
        blocks += [*_parts(search), *_finalists(search)]
    return Section(TITLE, [*blocks, Command(command)])


def _calibration(quantize: Record) -> Iterator[Block]:
    if quantize["as_kept"]:
        how = "The method and what stays float are those kept with the weights."
    elif quantize["search"] is None:
        how = "The one nearest to float32 is chosen: a few faces move an NME."
    else:
        how = "The search chose the method together with what stays float."
    yield Text(
        f"Ways to set the scales from the same {len(quantize['calibration_ids'])} training faces "
        f"of {quantize['calibration_data']}, on {quantize['held_out_faces']} other training faces "
        f"of {quantize['data']['root']}. "
        f"px: mean distance from float32's points, in pixels of the crop. {how}"
    )
    rows = [
        (
            _marked(row["method"], is_chosen=row["method"] == quantize["method"]),
            f"{row['nme_percent']:.3f}",
            f"{row['mean_px']:.3f}",
        )
        for row in quantize["trials"]
    ]
    yield Table(("calibration method", "NME %", "px"), rows)


def _floats(audit: Record) -> Iterator[Block]:
    """How much is int8, and the float ops by the reason for them."""
    by_why: dict[str, list[Record]] = {}
    for row in audit["float_ops"]:
        by_why.setdefault(row["why"], []).append(row)
    conversions = sum(audit["ops"].get(kind, 0) for kind in CONVERSIONS)
    stored = ", ".join(f"{own['bytes']:,} bytes {t}" for t, own in audit["constants"].items())
    yield Text(
        f"{sum(audit['int8_ops'].values())} ops compute in int8, "
        f"{sum(row['ops'] for row in audit['float_ops'])} in float, {conversions} convert between "
        f"them; {audit['partitions']} XNNPACK partition{'s'[: audit['partitions'] != 1]}. "
        f"Constants: {stored}."
    )
    rows = [
        (
            why,
            ", ".join(f"{row['ops']} {row['kind']}" for row in own),
            str(sum(row["ops"] for row in own)),
            own[0]["reason"],
        )
        for why, own in by_why.items()
    ]
    if rows:
        head = ("float for", "which", "ops", "why")
        yield Table(head, rows, words=len(head))


def _layers(quantize: Record) -> Iterator[Block]:
    """The layers that differ most from float32's."""
    found = sorted(quantize["layers"], key=lambda row: -row["relative_error"])[:WORST_LAYERS]
    names = [row["layer"] for row in found]
    errors = [100 * row["relative_error"] for row in found]
    floats = {name for row in quantize["audit"]["float_ops"] for name in row["names"]}
    yield Text(
        f"The {len(found)} of {len(quantize['layers'])} layers that differ most from float32's: "
        "length of the difference, in % of the length of float32's values. A layer passes on the "
        "error of those before it. Bold: float."
    )
    axis = "relative error, %"
    yield Figures([(axis, drawing.costs_by_part(names, {axis: errors}, axis, floats))])
    rows = [(name, f"{own:.2f}") for name, own in zip(names, errors, strict=True)]
    yield Table(("layer", axis), rows)


def _parts(search: Record) -> Iterator[Block]:
    """Each part of the network alone, in the graph's order."""
    floats = {row["unit"]: row for row in search["float_units"]}
    yield Text(
        f"Each part of the network alone, by method {search['blame_method']}, on the same other "
        "training faces. Work: its multiply-adds. int8 px: the error when nothing but it is in "
        "int8. float px: the error when all is in int8 but it and what has no int8 kernel; gain "
        "px: how much less that is than with it."
    )
    yield Text(
        "Of the chosen file (float_units in quantize.json), where float is a choice, in bold: how "
        "many ops are float, and how much worse the file is with the part back in int8, in px and "
        "in points of NME."
    )
    parts = search["units"]
    costs = {
        "only it in int8": [row["only_int8_px"] for row in parts],
        "gain of float": [row["gain_px"] for row in parts],
    }
    names, axis = [row["unit"] for row in parts], "mean distance from float32's points, px"
    yield Figures([
        ("what each part costs in int8", drawing.costs_by_part(names, costs, axis, set(floats)))
    ])  # fmt: skip
    yield Table(PART, [_part(row, floats.get(row["unit"])) for row in parts])


def _part(row: Record, chosen: Record | None) -> tuple[str, ...]:
    """A row of PART; `chosen` where float is a choice."""
    can_be_int8 = row["only_int8_px"] is not None
    return (
        row["unit"],
        f"{row['work_percent']:.1f}",
        f"{row['only_int8_px']:.3f}" if can_be_int8 else "no kernel",
        f"{row['only_float_px']:.3f}" if can_be_int8 else "-",
        _signed(row["gain_px"]) if can_be_int8 else "-",
        f"{chosen['float_ops']} of {chosen['of_ops']}" if chosen else "-",
        _signed(chosen["gain_px"]) if chosen else "-",
        _signed(chosen["gain_nme"]) if chosen else "-",
    )


def _finalists(search: Record) -> Iterator[Block]:
    """The files that the search chose from."""
    frontier: Sequence[Record] = search["frontier"]
    yield Text(
        f"Searched for the least {search['objective']} within {search['budget']:+g} points of NME, "
        f"less a margin ({search['margin']}): {search['trials']} trials. The cheapest that hold "
        "it, measured; of equally cheap ones the most exact is chosen. What needs no search stands "
        "beside them, and whether it holds. NME: points above float32's, with half of the 95 % "
        "interval."
    )
    counted = search["objective"] == "arm-instructions"
    head = (*FINALIST, *(("ARM instructions",) if counted else ()))
    yield Table(head, [_finalist(row, counted=counted) for row in frontier])


def _finalist(row: Record, *, counted: bool) -> tuple[str, ...]:
    return (
        _marked(_finalist_name(row), is_chosen=row["chosen"]),
        str(row["float_ops"]),
        f"{row['bytes']:,}",
        f"{row['mean_px']:.3f}",
        _signed(row["drop"]),
        f"{row['drop_half']:.3f}",
        f"{row['latency_ratio']:.3f}",
        *((f"{row['cost']:,.0f}",) if counted else ()),
    )


def _finalist_name(row: Record) -> str:
    words = filter(
        None, (row["baseline"], row["method"], "" if row["holds"] else "over the budget")
    )
    return ", ".join(words)


def _marked(method: str, *, is_chosen: bool) -> str:
    return f"{method}, chosen" if is_chosen else method


def _signed(value: float) -> str:
    return f"{round(value, 3) + 0.0:+.3f}"  # no "-0.000"
