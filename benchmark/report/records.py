"""What a run's folder, and the project around it, know of a model."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from benchmark import accuracy_report, beside, card, compare_kinds
from benchmark.android import record as android
from benchmark.claims import audit
from benchmark.commands import claims, emulated, host
from benchmark.emulated import gate
from benchmark.estimate import estimating
from benchmark.report.blocks import Missing, Text
from efld import files
from efld.data import datasets
from efld.errors import InputError
from efld.run_files import CONFIG, EXPORT, FILES, HISTORY, PRETRAINED, QUANTIZE, SPEC
from efld.spec import ModelSpec

Record = Mapping[str, Any]
STEPS = tuple(FILES)
TFLITE = " ".join(f"{{run}}/{FILES[step]}" for step in STEPS[2:])


class Part(NamedTuple):
    """A record that a run may have."""

    file: str
    schema: int
    what: str
    command: str  # that makes it


PARTS = {
    "config": Part(
        CONFIG.file, CONFIG.schema, "how it was trained",
        "python -m train 300w --model {model} --data 300W",
    ),
    "export": Part(EXPORT.file, EXPORT.schema, "the exported files", EXPORT.command + " {run}"),
    "quantize": Part(QUANTIZE.file, QUANTIZE.schema, "the int8 file", QUANTIZE.command + " {run}"),
    "accuracy": Part(
        "bench/accuracy*.json", accuracy_report.SCHEMA, "errors with intervals",
        f"python -m benchmark accuracy {TFLITE} --data 300W",
    ),
    "host": Part(
        "bench/host.json", host.SCHEMA, "time and memory on this kind of machine",
        f"python -m benchmark host {TFLITE} --peer PEER",
    ),
    "beside": Part(
        "bench/beside.json", beside.SCHEMA, "other people's files on the same faces",
        f"python -m benchmark beside {TFLITE} --peer PEER --peer-spec PEER.json --data 300W",
    ),
    "emulated": Part(
        "bench/emulated.json", emulated.SCHEMA, "ARM instructions",
        f"python -m benchmark emulated {TFLITE} --peer PEER --layers",
    ),
    "estimate": Part(
        "bench/estimate.json", estimating.SCHEMA, "estimated milliseconds on a phone",
        "python -m benchmark estimate {run}/model.fp32.tflite {run}/model.int8.tflite",
    ),
}  # fmt: skip
ANDROID = f"python -m benchmark android {TFLITE}"
KINDS = {  # and its mark
    "emulated": compare_kinds.KINDS["emulated"].mark,
    "beside": "peer_specs",
    "host": compare_kinds.KINDS["host"].mark,
}


@dataclass(frozen=True)
class Run:
    """A run and its records; those that nobody made are absent."""

    folder: Path
    spec: ModelSpec
    records: Mapping[str, Record]  # by the names of PARTS, but accuracy
    accuracies: Mapping[str, Record]  # by their files' names; each on other faces
    history: Sequence[Mapping[str, float]]  # a row an epoch
    phones: Sequence[Record]
    claims: Record | None
    cards: Sequence[Record]  # of pretrained/
    arm_cost: Record | None
    peers: Sequence[tuple[str, Record]]  # kind and record, given by the user
    sha256: Mapping[str, str]  # of the run's files by name, as they are now

    def get(self, name: str) -> Record | None:
        """A record of PARTS."""
        return self.records.get(name)

    def command(self, name: str) -> str:
        """The line that makes a record of PARTS."""
        made = PARTS[name].command.format(run=self.folder, model=self.spec.model)
        export = self.get("export")
        return made + on_faces(export) if export and name == "quantize" else made

    def missing(self, name: str) -> Missing:
        return Missing(PARTS[name].what, self.command(name))

    def both(self, kind: str) -> list[Record]:
        """The run's own record of a kind of KINDS, then the given ones."""
        own = self.records.get(kind)
        return [*([own] if own else []), *(record for name, record in self.peers if name == kind)]

    @property
    def int8_step(self) -> Record | None:
        """The step to int8, where it was measured on the faces of the export."""
        export, quantize = self.get("export"), self.get("quantize")
        if export is None or quantize is None or quantize["data"] != export["data"]:
            return None
        step: Record = quantize["step"]
        return step

    def is_own(self, row: Record) -> bool:
        """Whether a row of a record is about one of the run's files, as it is now."""
        return row["sha256"] in self.sha256.values()

    def fresh(self, rows: Sequence[Record]) -> list[Record]:
        """Rows about the run's files as they are now, and about peers."""
        return [row for row in rows if row.get("peer") or self.is_own(row)]

    def stale(self, rows: Sequence[Record], record: Record) -> list[Text]:
        """A warning if rows are about other bytes than the run's files have now.

        A record that was given for its peers may be about another run.
        """
        if any(record is given for _, given in self.peers):
            return []
        fresh = self.fresh(rows)
        old = sorted({name(row["file"]) for row in rows if row not in fresh})
        if not old:
            return []
        return [Text(f"Left out, measured before the file changed: {', '.join(old)}. "
                     f"Run again: {record['command']}", "warn")]  # fmt: skip


def on_faces(made: Record) -> str:
    """The flags that name the faces of an export or a quantisation; the embedded ones need none."""
    data = made["data"]
    embedded = data["root"] == datasets.label(None)
    return "" if embedded else f" --data {data['root']} --split {data['split']}"


def read(folder: Path, peer_records: Sequence[Path] = ()) -> Run:
    """Reads all that is there.

    Raises:
        InputError: no run, or a record that cannot be read.
    """
    if not folder.is_dir():
        raise InputError(
            f"{folder}: no such run. Make it: `make export MODEL={folder.name}` of a pretrained "
            "model, else `python -m train`."
        )
    spec = ModelSpec.read(folder / SPEC)
    records = {
        key: files.read_json(
            folder / part.file, part.schema, part.command.format(run=folder, model=spec.model)
        )
        for key, part in PARTS.items()
        if key != "accuracy" and (folder / part.file).exists()
    }
    steps = [*records.get("export", {}).get("steps", ())]
    steps += [records["quantize"]["step"]] if "quantize" in records else []
    here = [folder / name for name in FILES.values() if (folder / name).is_file()]
    return Run(
        folder=folder,
        spec=spec,
        records=records,
        accuracies=_accuracies(folder, spec.model),
        history=_history(folder / HISTORY),
        phones=_phones(folder / "bench"),
        claims=_optional(claims.RECORD, audit.SCHEMA, "python -m benchmark claims"),
        cards=[
            files.read_json(path, card.SCHEMA, "python -m benchmark card")
            for path in sorted(PRETRAINED.glob(f"*/{card.RECORD}"))
        ],
        arm_cost=_optional(gate.RECORD, gate.SCHEMA, gate.RENEW),
        peers=[_peer(path) for path in peer_records],
        sha256={step["file"]: step["sha256"] for step in steps}
        | {path.name: files.sha256(path) for path in here},
    )


def _optional(path: Path, schema: int, command: str) -> Record | None:
    return files.read_json(path, schema, command) if path.exists() else None


def _history(path: Path) -> list[dict[str, float]]:
    if not path.exists():
        return []
    with path.open(newline="") as file:
        try:
            return [
                {key: float(value) for key, value in row.items()} for row in csv.DictReader(file)
            ]
        except (TypeError, ValueError) as error:
            raise InputError(
                f"{path}: expected a number in each column, found another ({error}). Train again."
            ) from None


def _accuracies(folder: Path, model: str) -> dict[str, Record]:
    """The last one of each split, by name: those of an earlier version did not name theirs."""
    part, found = PARTS["accuracy"], {}
    command = part.command.format(run=folder, model=model)
    for path in sorted(folder.glob(part.file), reverse=True):
        record = files.read_json(path, part.schema, command)
        found[record["data"], record["split"], record["normaliser"]] = path.stem, record
    return dict(sorted(found.values()))


def _phones(folder: Path) -> list[Record]:
    """Records of devices: their names are the devices'."""
    known = {Path(part.file).name for part in PARTS.values()}
    paths = [path for path in sorted(folder.glob("*.json")) if path.name not in known]
    found = [(path, compare_kinds.read(path)) for path in paths]
    return [
        files.read_json(path, android.SCHEMA, "python -m benchmark android")
        for path, record in found
        if "phone" in record
    ]


def _peer(path: Path) -> tuple[str, Record]:
    record = compare_kinds.read(path)
    found = [kind for kind, mark in KINDS.items() if mark in record]
    if not found:
        raise InputError(
            f"{path}: expected a record of `python -m benchmark` {', '.join(KINDS)}, found keys "
            f"{', '.join(sorted(record)[:6])}. Give bench/*.json of a run, or a file of results/."
        )
    part = PARTS[found[0]]
    command = part.command.format(run="runs/NAME", model="NAME")
    return found[0], files.read_json(path, part.schema, command)


def name(path: str) -> str:
    """A file's name: what its folder was called is nobody's business."""
    return Path(path).name
