"""Which records can be compared, and what of them should not rise."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from efld.errors import InputError

EXACT = 0.01  # a count or a size may rise by this share: a runtime's new version moves it a little

Row = Mapping[str, Any]
Verdict = Literal["worse", "better", "noise", "same"]


@dataclass(frozen=True)
class Range:
    """A measured value and where it lies when measured again; an exact one has no width."""

    middle: float
    low: float
    high: float


@dataclass(frozen=True)
class Metric:
    """Something of a file that should not rise."""

    name: str
    read: Callable[[Row], Range | None]  # None: this record does not have it
    tolerance: float = 0.0  # share of the old value

    def verdict(self, old: Range, new: Range) -> Verdict:
        """Worse or better only where the two ranges are apart by more than the tolerance."""
        if new.low > old.high * (1 + self.tolerance):
            return "worse"
        if new.high < old.low * (1 - self.tolerance):
            return "better"
        return "same" if new == old else "noise"


@dataclass(frozen=True)
class Kind:
    """A kind of record."""

    mark: str  # a key that only this kind has
    made_by: str
    device: tuple[str, ...]  # where it was measured: keys, dots between levels
    setting: tuple[str, ...]  # what else must agree
    key: tuple[str, ...]  # of a row, beside its file
    metrics: tuple[Metric, ...]
    rows: str = "files"  # where they stand


def _exact(field: str) -> Callable[[Row], Range | None]:
    def read(row: Row) -> Range | None:
        value = row.get(field)
        return None if value is None else Range(value, value, value)

    return read


def _between(field: str, ends: str) -> Callable[[Row], Range | None]:
    return lambda row: Range(row[field], *row[ends])


def _repeated_ms(row: Row) -> Range:
    """From the fastest to the slowest repeat."""
    medians = [run["median_ms"] for run in row["repeats"]]
    if len(medians) < 2:
        raise InputError(
            f"{row['file']}: {len(medians)} repeat, expected two or more, which tell how much "
            "times vary by themselves. Measure both again with --repeats 3."
        )
    return Range(row["median_ms"], min(medians), max(medians))


_SIZE = Metric("bytes", _exact("file_bytes"), EXACT)


def _pieces(row: Row) -> Range | None:
    """Nothing: 0 is a file that its delegate refused, not one in fewer pieces than 1."""
    return _exact("partitions")(row) if row.get("partitions") else None


_PARTITIONS = Metric("partitions", _pieces)

KINDS: Mapping[str, Kind] = MappingProxyType({
    "host": Kind(
        "seconds_per_file", "host", ("cpu", "cores", "system"), (), ("threads",),
        (Metric("time ratio", _between("ratio", "ratio_quartiles")), _SIZE, _PARTITIONS),
    ),
    "accuracy": Kind(
        "normaliser", "accuracy", (), ("data", "split", "box", "normaliser"), (),
        (Metric("NME %", _between("nme_percent", "nme_interval")), _SIZE),
    ),
    "android": Kind(
        "phone", "android", ("phone.model", "phone.soc", "phone.system", "emulated"),
        ("plan.fp16", "pinned"), ("asked", "threads"),
        (Metric("ms", _repeated_ms), _SIZE, _PARTITIONS),
    ),
    "emulated": Kind(
        "counts", "emulated", ("tools.library_sha256",), (), ("cpu", "fp16"),
        (Metric("instructions", _exact("instructions"), EXACT), _SIZE, _PARTITIONS), "counts",
    ),
})  # fmt: skip


def read(path: Path) -> dict[str, Any]:
    """A record, of whatever kind.

    Raises:
        InputError: not JSON, or a list of something else.
    """
    try:
        record = json.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file, expected a record of `python -m benchmark`. Measure first."
        ) from None
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}). Measure again.") from None
    if not isinstance(record, dict):
        raise InputError(f"{path}: expected a record of `python -m benchmark`, found a list.")
    return record


def kind_of(record: Row, path: Path) -> str:
    """Which command wrote a record.

    Raises:
        InputError: none of `KINDS`.
    """
    found = [name for name, kind in KINDS.items() if {kind.mark, kind.rows} <= record.keys()]
    if len(found) != 1:
        raise InputError(
            f"{path}: expected a record of `python -m benchmark` {' or '.join(KINDS)}, found keys "
            f"{', '.join(sorted(record)[:6])}. Give bench/*.json of a run."
        )
    return found[0]
