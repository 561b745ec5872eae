"""Error against cost of all models at hand, and the line that no other file beats."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from benchmark.emulated import gate
from benchmark.emulated.toolchain import CPUS
from benchmark.report.blocks import Block, Command, Figures, Section, Table, Text
from benchmark.report.drawing import KIND_NAMES, Spot, errors_over_cost, frontier
from benchmark.report.model import kind
from benchmark.report.records import Record, Run, name
from efld.run_files import FILES

TITLE = "Error against cost, beside all models"


class Faces(NamedTuple):
    """On which faces, and how, an error was measured: only within one can errors be compared."""

    split: str
    faces: int
    normaliser: str


class Error(NamedTuple):
    """A file's error."""

    model: str
    kind: str
    sha256: str
    nme_percent: float
    file_bytes: int
    faces: Faces
    zoo: str  # its name in arm_cost.json; "" for a file of no zoo
    command: str


def errors(run: Run) -> list[Error]:
    """Of the run's files, of peers and of the published models, each file once."""
    published = list(_published(run))
    zoo = {error.sha256: error.zoo for error in published}
    found: dict[tuple[str, Faces], Error] = {}
    for error in (*_own(run), *_beside(run), *published):
        known = error._replace(zoo=zoo.get(error.sha256, ""))
        found.setdefault((error.sha256, error.faces), known)
    return list(found.values())


def _own(run: Run) -> Iterator[Error]:
    for record in run.accuracies.values():
        for row in run.fresh(record["files"]):
            yield _error(row, record, run.folder.name, record["command"])


def _beside(run: Run) -> Iterator[Error]:
    for record in run.both("beside"):
        where, command = record["accuracy"], record["command"]
        peers = {row["sha256"] for row in record["host"]["files"] if row["peer"]}
        for row in where["files"]:
            if row["sha256"] in peers:
                yield _error(row, where, row["model"], command, peer=True)
            elif run.is_own(row):
                yield _error(row, where, run.folder.name, command)


def _published(run: Run) -> Iterator[Error]:
    for card in run.cards:
        for split, rows in card["accuracy"].items():
            for row in rows:
                where = {"split": split, "normaliser": card["normaliser"]}
                yield _error(row, where, card["name"], card["command"], card["spec"]["model"])


def _error(
    row: Record, where: Record, model: str, command: str, zoo: str = "", peer: bool = False
) -> Error:
    faces, own = Faces(where["split"], row["faces"], where["normaliser"]), _kind(row, peer)
    return Error(
        model, own, row["sha256"], row["nme_percent"], row["file_bytes"], faces, zoo, command
    )


def _kind(row: Record, peer: bool) -> str:
    """Of KIND_NAMES for every peer; a file of ours may have another."""
    own = kind(row["file"])
    return "" if peer and own not in KIND_NAMES else own


def instructions(run: Run) -> dict[str, dict[str, int]]:
    """By sha256 and processor. A file that was told to compute in half precision is not what its
    name says and left out."""
    found: dict[str, dict[str, int]] = {}
    for record in run.both("emulated"):
        told = "--fp16" in record["command"].split()
        for row in record["counts"]:
            if not (told and row["fp16"]) or kind(row["file"]) == "fp16":
                found.setdefault(row["sha256"], {}).setdefault(row["cpu"], row["instructions"])
    return found


def _counted(run: Run, error: Error, own: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """Of a file, else of the graph that the zoo builds under its name: weights do not matter."""
    if error.sha256 in own:
        return dict(own[error.sha256])
    if not (run.arm_cost and error.zoo and error.kind):
        return {}
    recorded = run.arm_cost["instructions"]
    keys = {cpu: gate.key(error.zoo, FILES[error.kind], cpu) for cpu in CPUS}
    return {cpu: recorded[key] for cpu, key in keys.items() if key in recorded}


def section(run: Run) -> Section:
    """Charts of error over ARM instructions, bytes and time, and the numbers behind them."""
    found = errors(run)
    if not found:
        return Section(TITLE, [run.missing("accuracy")])
    faces = _most(run, found)
    same = [error for error in found if error.faces == faces]
    counts = instructions(run)
    counted = [(error, own) for error in same if (own := _counted(run, error, counts))]
    blocks: list[Block] = [
        Text(
            f"NME in % of the {faces.normaliser} distance on {faces.faces:,} faces (split "
            f"{faces.split}), each file by its own crop. The line is the frontier: no other file "
            "is both cheaper and better than one on it. Errors that differ by less than 0.01 count "
            "as the same."
        )
    ]
    blocks += [*_arm(counted), *_commands(run, counted)] if counted else [run.missing("emulated")]
    blocks += _size(same)
    blocks += _host(run, faces)
    known = {error.sha256 for error in same}
    others = sorted({error.model for error in found if error.sha256 not in known})
    if others:
        blocks.append(Text(f"Left out, measured on other faces: {', '.join(others)}.", "note"))
    return Section(TITLE, blocks)


def _most(run: Run, found: Sequence[Error]) -> Faces:
    """Those on which the most files were measured, the run's own among them if they were at all."""
    own = [error.faces for error in found if error.sha256 in run.sha256.values()]
    every = [error.faces for error in found]
    return max(own or every, key=lambda faces: (every.count(faces), faces.faces))


def _commands(run: Run, counted: Sequence[tuple[Error, object]]) -> list[Command]:
    """That measured the errors, then that counted."""
    lines = [error.command for error, _ in counted]
    lines += [record["command"] for record in run.both("emulated")]
    lines += [run.arm_cost["command"]] if run.arm_cost and any(e.zoo for e, _ in counted) else []
    return [Command(line) for line in dict.fromkeys(lines)]


def _arm(counted: Sequence[tuple[Error, Mapping[str, int]]]) -> Iterator[Block]:
    cpus = list(dict.fromkeys(cpu for _, own in counted for cpu in own))
    spots = {
        cpu: [
            Spot(error.model, error.kind, own[cpu] / 1e6, error.nme_percent)
            for error, own in counted
            if cpu in own
        ]
        for cpu in cpus
    }
    models = list(dict.fromkeys(error.model for error, _ in counted))
    yield Figures([
        (f"error over instructions on {cpu}",
         errors_over_cost(spots[cpu], f"million instructions on {cpu}", models))
        for cpu in cpus
    ])  # fmt: skip
    best = {cpu: frontier(spots[cpu]) for cpu in cpus}
    rows = []
    for error, own in sorted(counted, key=lambda pair: pair[0].nme_percent):
        cells = [error.model, KIND_NAMES[error.kind], f"{error.nme_percent:.3f}"]
        for cpu in cpus:
            spot = Spot(error.model, error.kind, own.get(cpu, 0) / 1e6, error.nme_percent)
            cells.append(f"{own[cpu]:,}{' *' if spot in best[cpu] else ''}" if cpu in own else "-")
        rows.append(tuple(cells))
    yield Table(("model", "file", "NME %", *(f"{cpu} instructions" for cpu in cpus)), rows, words=2)
    yield Text("*: on the frontier.", "note")


def _size(same: Sequence[Error]) -> Iterator[Block]:
    """Of files for phones, and of peers as they are."""
    spots = [
        Spot(error.model, error.kind, error.file_bytes / 1e6, error.nme_percent)
        for error in same
        if error.kind in KIND_NAMES
    ]
    return _charted(spots, "megabytes of the file")


def _charted(spots: Sequence[Spot], cost: str) -> Iterator[Block]:
    """A chart of error over a cost, and its numbers."""
    models = list(dict.fromkeys(spot.model for spot in spots))
    yield Figures([(f"error over {cost}", errors_over_cost(spots, cost, models))])
    best = frontier(spots)
    rows = [
        (spot.model, KIND_NAMES[spot.kind], f"{spot.nme_percent:.3f}",
         f"{spot.cost:.3f}{' *' if spot in best else ''}")
        for spot in sorted(spots, key=lambda spot: spot.nme_percent)
    ]  # fmt: skip
    yield Table(("model", "file", "NME %", cost), rows, words=2)


def _host(run: Run, faces: Faces) -> Iterator[Block]:
    """A chart for each record of files beside peers: ratios are to its own reference."""
    for record in run.both("beside"):
        times = {row["sha256"]: row for row in record["host"]["files"]}
        spots = []
        for row in record["accuracy"]["files"]:
            peer = times[row["sha256"]]["peer"]
            where = Faces(
                record["accuracy"]["split"], row["faces"], record["accuracy"]["normaliser"]
            )
            own = _kind(row, peer)
            if where == faces and own in KIND_NAMES and (peer or run.is_own(row)):
                model = f"{row['model']} (peer)" if peer else run.folder.name
                spots.append(Spot(model, own, times[row["sha256"]]["ratio"], row["nme_percent"]))
        if len(spots) > 1:
            against = f"time, as a ratio to {name(record['host']['reference'])}"
            yield from _charted(spots, against)
            yield Command(record["command"])
