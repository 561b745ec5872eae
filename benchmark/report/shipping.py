"""The section that says which file to ship."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from benchmark.report import frontier, ship
from benchmark.report.blocks import Block, Command, Section, Table, Text
from benchmark.report.model import kind
from benchmark.report.records import Run
from efld.run_files import FILES

TITLE = "Which file to ship"


class Errors(NamedTuple):
    """Errors of the run's files, by kind, all on the same faces."""

    nme_percent: dict[str, float]
    where: str
    command: str


class Judged(NamedTuple):
    """The advice for each class of phone, and what it rests on."""

    advice: list[ship.Advice]  # empty: errors or instructions are not known
    kinds: set[str]  # of files that were judged
    limit: float  # points of NME
    errors: Errors


def judge(run: Run) -> Judged:
    """Asks `ship` for every class of phone."""
    errors = _errors(run)
    candidates = _candidates(run, errors)
    quantize = run.get("quantize")
    limit = quantize["options"]["max_nme_drop"] if quantize else ship.MOST_WORSE
    found = [ship.advise(candidates, phone, limit) for phone in ship.PHONES]
    kinds = {own.kind for own in candidates}
    return Judged([own for own in found if own is not None], kinds, limit, errors)


def in_short(run: Run) -> list[Text]:
    """The advice alone."""
    found = judge(run).advice
    phones = {
        kind: [f"{own.phone.features} ({own.phone.examples})" for own in found if own.kind == kind]
        for kind in dict.fromkeys(own.kind for own in found)
    }
    return [
        Text(f"Ship {FILES[kind]} where /proc/cpuinfo says: {'; '.join(own)}.")
        for kind, own in phones.items()
    ]


def section(run: Run) -> Section:
    """The advice for each class of phone, and for each measured device."""
    found, kinds, limit, errors = judge(run)
    if not found:
        return Section(
            TITLE, [run.missing("emulated" if "fp32" in errors.nme_percent else "export")]
        )
    head = ("words in /proc/cpuinfo", "ship", "why", "traded, against float32")
    rows = [
        (f"{own.phone.features}: {own.phone.examples}", FILES[own.kind], own.why, own.traded)
        for own in found
    ]
    blocks: list[Block] = [
        Text(
            f"The fewest ARM instructions among files whose NME is at most {limit:g} points above "
            f"float32's. Counts within {ship.TIE:.0%} of each other are equal: then the least "
            f"error decides, then the size. Errors: {errors.where}."
        ),
        Table(head, rows, words=len(head)),
        Text(
            "Instructions are not time: with a phone at hand, its milliseconds decide. float16 "
            "computes in half precision only where the runtime is told to (XNNPACK: FORCE_FP16); "
            "else it costs what float32 does."
        ),
        *_left_out(kinds),
        *_for_devices(run, found),
    ]
    used = [errors.command, *(record["command"] for record in run.both("emulated")[:1])]
    return Section(TITLE, [*blocks, *map(Command, used)])


def _errors(run: Run) -> Errors:
    """Measured ones of as many kinds as there are; else what the chain measured."""
    own = [error for error in frontier.errors(run) if error.sha256 in run.sha256.values()]
    measured = [
        [error for error in own if error.faces == faces and error.kind in ship.KINDS]
        for faces in dict.fromkeys(error.faces for error in own)
    ]
    with_float32 = [found for found in measured if any(error.kind == "fp32" for error in found)]
    if not with_float32:
        return _of_the_chain(run)
    best = max(with_float32, key=lambda found: (len(found), found[0].faces.faces))
    split, faces, normaliser = best[0].faces
    where = f"{faces:,} faces, split {split}, {normaliser}"
    return Errors({e.kind: e.nme_percent for e in best}, where, best[0].command)


def _of_the_chain(run: Run) -> Errors:
    """On the faces that export and quantize were given."""
    export, int8 = run.get("export"), run.int8_step
    steps = [*(export["steps"] if export else ()), *([int8] if int8 else ())]
    errors = {
        step["step"]: step["nme_percent"]
        for step in steps
        if step["step"] in ship.KINDS and run.is_own(step)
    }
    data = export["data"] if export else {"faces": 0, "root": "nothing"}
    where = f"{data['faces']:,} faces of {data['root']}, as the chain measured them"
    return Errors(errors, where, run.command("quantize"))


def _candidates(run: Run, errors: Errors) -> list[ship.Candidate]:
    """The run's files whose error and instructions are known."""
    rows = {
        (kind(row["file"]), row["cpu"]): row
        for record in run.both("emulated")
        for row in record["counts"]
        if run.is_own(row)
    }
    counts = frontier.instructions(run)
    moves = (rows.get(("fp16", "a76")) or {}).get("half_moves")
    return [
        ship.Candidate(
            kind=own,
            file_bytes=found[0]["file_bytes"],
            nme_percent=error,
            instructions=counts.get(found[0]["sha256"], {}),
            fp16_moves_px=(moves["mean_px"], moves["largest_px"]) if moves else None,
        )
        for own, error in errors.nme_percent.items()
        if (found := [row for (name, _), row in rows.items() if name == own])
    ]


def _left_out(known: set[str]) -> Iterator[Text]:
    names = [FILES[kind] for kind in ship.KINDS if kind not in known]
    if names:
        yield Text(f"Not judged, its error or its count is missing: {', '.join(names)}.", "warn")


def _for_devices(run: Run, found: Sequence[ship.Advice]) -> Iterator[Text]:
    for record in run.phones:
        phone = record["phone"]
        features = phone["cpu_features"]
        for own in found if features else ():
            if own.phone == ship.phone_of(features):
                name = phone["model"] or phone["serial"]
                yield Text(f"{name}: by its cpuinfo, {FILES[own.kind]}.")
