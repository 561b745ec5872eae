"""What was measured on a device: `bench/<device>.json`, and a table for people.

Fields that mean the same as in `bench/host.json` have the same names.
"""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmark.android.facts import Phone, State
from benchmark.android.heat import CoolDown
from benchmark.android.runner import Delegate, Taken
from efld import files
from efld.errors import InputError

SCHEMA = 1
Key = tuple[str, str, Delegate]  # sha256, path, delegate asked for
MEMORY_MEANS = (
    "growth of the runner's memory from before the file is opened to after the last inference, as "
    "it prints it"
)
EMULATED = "EMULATED: these times are the emulator's, they say nothing about a phone"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What changes a measurement."""

    length: str  # LENGTHS
    repeats: int
    threads: int
    delegates: tuple[Delegate, ...]
    fp16: bool  # float32 files in half precision, on the CPU
    sustained_s: float  # 0: no curve
    cool_down_s: float  # limit of each wait


@dataclass(frozen=True, kw_only=True)
class Run:
    """One start of the runner."""

    inferences: int
    long_enough: bool  # False: the length's time limit came before its inferences
    init_ms: float
    first_ms: float
    mean_ms: float
    median_ms: float
    p90_ms: float | None  # benchmark_model prints none
    p95_ms: float | None
    cool_down: CoolDown  # before it
    slowdown: float | None  # after it, as `CoolDown.slowdown`
    throttled: bool | None  # before or after it; None: not measured
    before: State
    after: State


@dataclass(frozen=True, kw_only=True)
class Point:
    """A few seconds of a long load."""

    at_s: float  # since its start
    median_ms: float
    cpu_celsius: float | None
    mhz: float | None


@dataclass(frozen=True, kw_only=True)
class Latency:
    """One file on one device. Times are medians over the repeats of each repeat's own."""

    file: str
    sha256: str
    file_bytes: int
    peer: bool
    runtime: str | None  # the library's version; None: the runner does not say
    threads: int
    asked: Delegate
    delegate: Delegate  # what ran: "cpu" where the one asked for took nothing
    taken: Taken | None  # how much of the graph it took; None: the runner does not say
    partitions: int | None  # pieces of the graph that it took
    runs: int  # timed inferences, all repeats
    median_ms: float
    mean_ms: float
    p90_ms: float | None
    p95_ms: float | None
    spread_percent: float | None  # (largest - smallest median of a repeat) / median; None: 1 repeat
    fps: float | None  # 1000 / median_ms; None on an emulated device
    memory_bytes: int | None  # MEMORY_MEANS
    throttled: bool | None  # the last try of a repeat still was; None: not measured
    discarded: int  # throttled tries that were repeated
    repeats: tuple[Run, ...]
    sustained: tuple[Point, ...]
    sustained_cool_down: CoolDown | None = None  # before it; None: no curve, or an earlier version

    @property
    def key(self) -> Key:
        return self.sha256, self.file, self.asked


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A file that a delegate did not run."""

    file: str
    asked: Delegate
    why: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """A device and the files measured on it."""

    command: str
    complete: bool  # False: files are still to be measured
    phone: Phone
    plan: Plan
    pinned: tuple[int, ...] | None  # cores that the runner was kept on; None: all
    start: State
    runner: str
    pushed: dict[str, str]  # name -> sha256 of the runner's files
    files: tuple[Latency, ...] = ()
    failures: tuple[Failure, ...] = ()

    def record(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "command": self.command,
            "complete": self.complete,
            "emulated": self.phone.emulated,
            "cpu": self.phone.soc,
            "cores": self.phone.cores,
            "system": self.phone.system,
            "load_average": self.start.load_average,
            "memory_means": MEMORY_MEANS,
            **{name: asdict(self)[name] for name in ("phone", "plan", "pinned", "start")},
            "runner": self.runner,
            "pushed": self.pushed,
            "files": [asdict(row) for row in self.files],
            "failures": [asdict(row) for row in self.failures],
        }


def middle(values: Sequence[float | None]) -> float | None:
    """The median; None where a value is unknown."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known and len(known) == len(values) else None


def unfinished(path: Path, report: Report) -> tuple[Latency, ...]:
    """Rows of an interrupted measurement at `path` that was as `report`'s is; else none."""
    try:
        old = files.read_json(path, SCHEMA, report.command)
    except InputError:
        return ()
    new = json.loads(json.dumps(report.record()))  # tuples are lists there
    same = all(old.get(name) == new[name] for name in ("phone", "plan", "pinned", "pushed"))
    return tuple(map(_latency, old["files"])) if same and not old["complete"] else ()


def _latency(row: dict[str, Any]) -> Latency:
    waited = row.get("sustained_cool_down")
    read: dict[str, Any] = {
        "repeats": tuple(map(_run, row["repeats"])),
        "sustained": tuple(Point(**point) for point in row["sustained"]),
        "sustained_cool_down": CoolDown(**waited) if waited else None,
    }
    return Latency(**row | read)


def _run(run: dict[str, Any]) -> Run:
    states = {name: State(**run[name]) for name in ("before", "after")}
    return Run(**run | states | {"cool_down": CoolDown(**run["cool_down"])})


def ran_on(asked: str, delegate: str, taken: str | None) -> str:
    """What computed the graph, in words; arguments as the fields of `Latency`."""
    if delegate != asked:
        return f"{delegate}, {asked} refused"
    return f"{asked} in part" if taken == "part" else asked


def precision(fp16: bool) -> str | None:
    """A word about a plan's half precision; None: files are computed as their names say."""
    return "float32 files in half precision on the CPU" if fp16 else None


def heading(report: Report) -> str:
    """The device and how it was used."""
    phone, plan = report.phone, report.plan
    cores = "all cores" if report.pinned is None else f"cores {_joined(report.pinned)}"
    known = [phone.model or phone.serial, phone.soc, phone.system, f"{plan.threads} on {cores}"]
    start = report.start
    known.append(None if start.cpu_celsius is None else f"{start.cpu_celsius:.0f} °C at the start")
    how = [f"{plan.repeats} x {plan.length}", report.runner, precision(plan.fp16)]
    lines = [", ".join(filter(None, known)), ", ".join(filter(None, how))]
    return "\n".join(lines + ([EMULATED] if phone.emulated else []))


def table(rows: Sequence[Latency]) -> str:
    """The files for people to read, and how each slowed down under a long load."""
    width = max((len(row.file) for row in rows), default=4)
    head = (
        f"{'file':<{width}} {'bytes':>11} {'delegate':<18} {'ms':>8} {'p90':>8} {'p95':>8} "
        f"{'spread':>7} {'fps':>6} {'throttled':>9} {'parts':>5}"
    )
    curves = [_curve(row) for row in rows if row.sustained]
    return "\n".join([head, *(_line(row, width) for row in rows), *curves])


def _curve(row: Latency) -> str:
    first, last = row.sustained[0], row.sustained[-1]
    slower_percent = 100 * (last.median_ms / first.median_ms - 1)
    return (
        f"{row.file}, {row.asked}, under load: {first.median_ms:.3f} ms at first, "
        f"{last.median_ms:.3f} ms after {last.at_s:.0f} s ({slower_percent:+.0f} %)"
    )


def _line(row: Latency, width: int) -> str:
    spread = "-" if row.spread_percent is None else f"{row.spread_percent:.1f}%"
    throttled = {None: "-", True: "yes", False: "no"}[row.throttled]
    ran = ran_on(row.asked, row.delegate, row.taken)
    return (
        f"{row.file:<{width}} {row.file_bytes:>11,} {ran:<18} {row.median_ms:>8.3f} "
        f"{_ms(row.p90_ms):>8} {_ms(row.p95_ms):>8} {spread:>7} "
        f"{'-' if row.fps is None else f'{row.fps:.0f}':>6} {throttled:>9} "
        f"{'-' if row.partitions is None else row.partitions:>5}"
    )


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _joined(cores: Sequence[int]) -> str:
    return ",".join(map(str, cores))
