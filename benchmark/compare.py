"""Two records of one kind, before and after a change: what got worse, and whether it is noise."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmark.compare_kinds import EXACT, KINDS, Kind, Range, Row, Verdict, kind_of, read
from efld.errors import InputError

SCHEMA = 1
Pair = tuple[Row, Row]
MEANING: Mapping[Verdict, str] = {
    "worse": "WORSE",
    "better": "better",
    "noise": "within noise",
    "same": "",
}


@dataclass(frozen=True, kw_only=True)
class Change:
    """One figure of one file, before and after."""

    file: str
    metric: str
    old: Range
    new: Range
    verdict: Verdict

    @property
    def percent(self) -> float | None:
        """By how much it rose; None from 0."""
        return 100 * (self.new.middle / self.old.middle - 1) if self.old.middle else None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two records of one kind."""

    kind: str
    paths: tuple[str, str]
    across: str  # what differs between the devices; empty: one device
    changes: tuple[Change, ...]
    only: tuple[tuple[str, ...], tuple[str, ...]]  # rows in the first alone, in the second alone

    @property
    def worse(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.verdict == "worse")

    def record(self, command: str) -> dict[str, Any]:
        """For a JSON file."""
        return {"schema": SCHEMA, "command": command, **asdict(self)}


def compare(old: Path, new: Path, across_devices: bool = False) -> Comparison:
    """Compares row by row; rows are matched by the file's name.

    Raises:
        InputError: no record of a known kind, two kinds, other devices (unless `across_devices`),
            other faces, other references of ratios, or no row in common.
    """
    paths, records = (old, new), (read(old), read(new))
    name = _one_kind(records, paths)
    kind = KINDS[name]
    across = _differences(kind.device, *records)
    if across and not across_devices:
        raise InputError(
            f"{new}: measured elsewhere than {old} ({across}), expected one device. Measure again "
            "there, or say --across-devices."
        )
    _check_setting(kind, records, paths)
    before, after = _rows(kind, records)
    shared = [row for row in before if row in after]
    if not shared:
        raise InputError(
            f"{new}: holds {', '.join(after) or 'nothing'}, expected a file of {old} "
            f"({', '.join(before) or 'nothing'}). Measure files of the same names."
        )
    return Comparison(
        kind=name,
        paths=(str(old), str(new)),
        across=across,
        changes=tuple(_changes(kind, shared, before, after)),
        only=(
            tuple(row for row in before if row not in after),
            tuple(row for row in after if row not in before),
        ),
    )


def _one_kind(records: Pair, paths: Sequence[Path]) -> str:
    names = [kind_of(record, path) for record, path in zip(records, paths, strict=True)]
    if names[0] != names[1]:
        raise InputError(
            f"{paths[1]}: a record of {names[1]}, expected one of {names[0]} as {paths[0]}. "
            "Compare two records of one command."
        )
    return names[0]


def _differences(keys: Sequence[str], old: Row, new: Row) -> str:
    """ "cpu A and B", for each of the keys that differ."""
    found = [(key, _at(old, key), _at(new, key)) for key in keys]
    return "; ".join(f"{key} {a} and {b}" for key, a, b in found if a != b)


def _at(record: Any, key: str) -> Any:
    for name in key.split("."):
        record = record.get(name) if isinstance(record, dict) else None
    return record


def _check_setting(kind: Kind, records: Pair, paths: Sequence[Path]) -> None:
    found = [_differences(kind.setting, *records)]
    for name, read_setting in (("faces", _faces), ("ratios to", _reference)):
        old, new = (read_setting(record[kind.rows], record) for record in records)
        found += [f"{name} {old} and {new}"] if old != new else []
    different = "; ".join(filter(None, found))
    if different:
        raise InputError(
            f"{paths[1]}: measured otherwise than {paths[0]} ({different}), expected the same. "
            f"Run `python -m benchmark {kind.made_by}` alike for both, with one --peer where it "
            "takes one."
        )


def _faces(rows: Sequence[Row], _: Row) -> int | None:
    """How many faces the files were measured on."""
    return rows[0].get("faces") if rows else None


def _reference(rows: Sequence[Row], record: Row) -> str | None:
    """Name and content of the file that ratios refer to."""
    found = [row for row in rows if row["file"] == record.get("reference")]
    return f"{Path(found[0]['file']).name} ({found[0]['sha256'][:8]})" if found else None


def _rows(kind: Kind, records: Pair) -> list[dict[str, Row]]:
    """Rows by their file's name, or by its path where a record has the name twice."""
    named = [_keyed(kind, record[kind.rows], lambda file: Path(file).name) for record in records]
    if [len(own) for own in named] == [len(record[kind.rows]) for record in records]:
        return named
    return [_keyed(kind, record[kind.rows], str) for record in records]


def _keyed(kind: Kind, rows: Iterable[Row], name: Callable[[str], str]) -> dict[str, Row]:
    return {
        ", ".join([name(row["file"]), *(f"{key} {row[key]}" for key in kind.key)]): row
        for row in rows
    }


def _changes(
    kind: Kind, shared: Sequence[str], old: Mapping[str, Row], new: Mapping[str, Row]
) -> Iterable[Change]:
    for name in shared:
        for metric in kind.metrics:
            a, b = metric.read(old[name]), metric.read(new[name])
            if a is not None and b is not None:
                verdict = metric.verdict(a, b)
                yield Change(file=name, metric=metric.name, old=a, new=b, verdict=verdict)


def text(found: Comparison) -> str:
    """The comparison for a terminal: a line a figure, then what has no counterpart."""
    rows = [("", "before", "after", "change", "")]
    rows += [_line(change) for change in found.changes]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join([name.ljust(widths[0]), *map(str.rjust, values, widths[1:])]).rstrip()
        for name, *values in rows
    ]
    lines += [f"across devices: {found.across}"] if found.across else []
    for path, names in zip(found.paths, found.only, strict=True):
        lines += [f"only in {path}: {name}" for name in names]
    worse = len({change.file for change in found.worse})
    files = len({change.file for change in found.changes})
    return "\n".join([*lines, f"{worse} of {files} files got worse"])


def _line(change: Change) -> tuple[str, str, str, str, str]:
    percent = "-" if change.percent is None else f"{change.percent:+.1f} %"
    shown = (f"{change.file}: {change.metric}", _shown(change.old), _shown(change.new), percent)
    exact = change.old.low == change.old.high and change.verdict == "noise"
    return (*shown, f"within {EXACT:.0%}" if exact else MEANING[change.verdict])


def _shown(value: Range) -> str:
    if value.low == value.high:
        return f"{value.middle:,.10g}"
    return f"{value.middle:.3f} ({value.low:.3f}-{value.high:.3f})"
