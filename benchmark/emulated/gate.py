"""The counts of what we ship, and whether new files cost more.

Counts depend on the graph, not on its weights: an untrained model of the zoo, exported, stands for
the trained one. (Where the converter leaves out an addition of zeros, to 0.03 %.)
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmark.emulated import toolchain
from benchmark.emulated.measure import Counts, Emulated
from efld import files
from efld.errors import InputError

SCHEMA = 1
RECORD = Path("benchmark/arm_cost.json")
RENEW = "python -m benchmark emulated FILES --gate --write"
MAX_RISE = 0.01


@dataclass(frozen=True)
class Verdict:
    """One count beside the recorded one."""

    name: str  # model, file, processor
    recorded: int | None  # None: not in the record
    found: int

    @property
    def rise(self) -> float | None:
        return self.found / self.recorded - 1 if self.recorded else None

    @property
    def passed(self) -> bool:
        return self.recorded is not None and self.found <= self.recorded * (1 + MAX_RISE)

    def __str__(self) -> str:
        if self.rise is None:
            return f"FAIL {self.name}: {self.found:,}, not in the record. To accept: {RENEW}"
        line = f"{self.name}: {self.found:,}, recorded {self.recorded:,} ({self.rise:+.2%})"
        return f"ok   {line}" if self.passed else f"FAIL {line}, at most {MAX_RISE:+.0%} is allowed"


def key(model: str, file: str, cpu: str) -> str:
    """What the record calls a count: the same from run to run."""
    return f"{model}/{file} {cpu}"


def read(path: Path) -> Mapping[str, int]:
    """The record's counts by `key`.

    Raises:
        InputError: no tools, no record, or one made with another library than theirs.
    """
    record = _read(path)
    if record["tools"]["library_sha256"] != toolchain.tools().library_sha256:
        raise InputError(
            f"{path}: made with another library than .arm/'s, so counts cannot be compared. Run "
            f"`make setup-arm`; if benchmark/native/requirements.txt has changed: {RENEW}"
        )
    return _instructions(record)


def recorded(path: Path = RECORD) -> Mapping[str, int]:
    """The record's counts by `key`, to cite: nothing that is here is compared with them.

    Raises:
        InputError: no record.
    """
    return _instructions(_read(path))


def _read(path: Path) -> dict[str, Any]:
    return files.read_json(path, SCHEMA, RENEW)


def _instructions(record: Mapping[str, Any]) -> Mapping[str, int]:
    counts: Mapping[str, int] = record["instructions"]
    return counts


def judge(found: Emulated, recorded: Mapping[str, int]) -> list[Verdict]:
    """Compares with a record that was read.

    Raises:
        InputError: a file that names no model.
    """
    return [
        Verdict(name, recorded.get(name), count.instructions)
        for name, count in _named(found.counts).items()
    ]


def write(found: Emulated, path: Path) -> None:
    """Writes these counts into the record; others stay, if the same library was counted.

    Raises:
        InputError: a file that names no model.
    """
    counted = {name: count.instructions for name, count in _named(found.counts).items()}
    instructions = {**_others(path, found.tools.library_sha256), **counted}
    record = {"command": RENEW, "tools": asdict(found.tools), "instructions": instructions}
    files.write_json(path, {"schema": SCHEMA, **record})


def _others(path: Path, library_sha256: str) -> Mapping[str, int]:
    """What the record has already. One that cannot be read is replaced as a whole."""
    try:
        record = _read(path)
    except InputError:
        return {}
    return _instructions(record) if record["tools"]["library_sha256"] == library_sha256 else {}


def _named(counts: Sequence[Counts]) -> dict[str, Counts]:
    """Counts of our files by what stays the same from run to run."""
    named: dict[str, Counts] = {}
    for count in counts:
        if count.peer:
            continue
        name = count.model and key(count.model, Path(count.file).name, count.cpu)
        if not name or name in named:
            raise InputError(
                f"{count.file}: expected a file of efld that names its model, each once, found "
                f"{f'{name} twice' if name else 'no name'}. Gate exported files."
            )
        named[name] = count
    return named
