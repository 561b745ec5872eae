"""Estimates for files, and the calibration that they rest on."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from benchmark import compare_kinds
from benchmark.emulated.measure import count
from benchmark.emulated.toolchain import Tools, tools
from benchmark.emulated.toolchain import run as run_emulated
from benchmark.estimate import fitting, nets, published
from benchmark.estimate.fitting import Fit, Point
from benchmark.estimate.published import PHONE, PHONES, RUNTIMES, Kind, Net
from efld import files
from efld.errors import InputError

SCHEMA = 2
CALIBRATION_SCHEMA = 1
CALIBRATION = Path(__file__).with_name("calibration.json")
CPU = "a72"  # a Snapdragon 845 has no int8 dot product either; its half precision is not calibrated
KINDS: dict[str, Kind] = {"fmla_f32": "float32", "smull": "int8"}  # by main class of instructions
MEANS = "ESTIMATE, not measured"
CALIBRATE = "python -m benchmark estimate --calibrate"
GOALS_FPS = {"efld-nano": 700, "efld-small": 280, "efficientnet-w0.5-d1.1": 120}  # ours, on PHONE


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Of one file with one runtime, milliseconds."""

    file: str
    sha256: str
    peer: bool
    kind: Kind
    instructions: int
    runtime: str
    ms: float
    low_ms: float | None  # None where extrapolated: how far off it is, nobody knows
    high_ms: float | None
    extrapolated: bool  # fewer or more instructions than any net of the calibration
    goal_fps: int | None  # GOALS_FPS of its model

    @property
    def fps(self) -> float:
        return 1000 / self.ms


@dataclass(frozen=True)
class Counted:
    """What an estimate needs of a file."""

    file: str
    instructions: int
    main_class: str
    sha256: str = ""
    model: str | None = None  # the zoo name that the file carries
    peer: bool = False


def calibrate(counted: Sequence[tuple[Net, int]], made_by: Tools, command: str) -> dict[str, Any]:
    """The record of a calibration: counts, the tools that made them, and the fit."""
    counts = {str(net): instructions for net, instructions in counted}
    return {
        "schema": CALIBRATION_SCHEMA,
        "command": command,
        "cpu": CPU,
        "tools": asdict(made_by),
        "instructions": counts,
        "fits": {kind: asdict(fitting.fit(points(counts, kind))) for kind in RUNTIMES},
    }


def count_nets() -> Iterator[tuple[Net, int]]:
    """Builds and counts each net, minutes altogether; nets that are there are not built again.

    Raises:
        InputError: no emulator or no Keras.
    """
    for net in published.nets():
        yield net, run_emulated(nets.tflite(net), CPU).instructions


def points(counts: dict[str, int], kind: Kind) -> list[Point]:
    """Published latencies of a kind of nets, and counts, together."""
    return [
        Point(str(net), runtime, phone, ms, counts[str(net)])
        for net, runtime, phone, ms in published.latencies()
        if net.kind == kind
    ]


@dataclass(frozen=True)
class Calibration:
    """What estimates rest on."""

    fits: dict[Kind, Fit]
    library_sha256: str  # of the runtime whose instructions were counted

    def check(self, library_sha256: str, where: str) -> None:
        """Raises InputError for counts of another library: its kernels may be others."""
        if library_sha256 != self.library_sha256:
            raise InputError(
                f"{where}: counted with library {library_sha256[:8]}, expected the calibration's, "
                f"{self.library_sha256[:8]}. Run `make setup-arm` and `{CALIBRATE}`."
            )


def load(path: Path = CALIBRATION) -> Calibration:
    """The calibration that was recorded."""
    record = files.read_json(path, CALIBRATION_SCHEMA, CALIBRATE)
    fits = {kind: _fit(record["fits"][kind]) for kind in RUNTIMES}
    return Calibration(fits, record["tools"]["library_sha256"])


def _fit(record: dict[str, Any]) -> Fit:
    cells = tuple((str(runtime), str(phone)) for runtime, phone in record["cells"])
    return Fit(**record | {"cells": cells, "instructions": tuple(record["instructions"])})


def counted(path: Path, calibration: Calibration) -> list[Counted]:
    """Instructions of a `.tflite` file, or of all files in a record of `benchmark emulated`.

    Raises:
        InputError: neither, no emulator, no count for `CPU` in the record, or another library.
    """
    if path.suffix == ".json":
        record = compare_kinds.read(path)
        rows = [row for row in record.get("counts", ()) if row["cpu"] == CPU and not row["fp16"]]
        if not rows:
            raise InputError(
                f"{path}: expected a record of `python -m benchmark emulated` with counts for "
                f"{CPU}, found none. Count again with --cpu {CPU}."
            )
        calibration.check(record["tools"]["library_sha256"], str(path))
        return [
            Counted(**{field.name: row[field.name] for field in fields(Counted)}) for row in rows
        ]
    calibration.check(tools().library_sha256, str(path))
    found = count(path, CPU)
    return [Counted(**{field.name: getattr(found, field.name) for field in fields(Counted)})]


def estimate(counted: Counted, fits: dict[Kind, Fit], extrapolate: bool = False) -> list[Estimate]:
    """Estimates for `PHONE`, one a runtime.

    Raises:
        InputError: a file whose main class of instructions is none of KINDS, or, unless
            `extrapolate`, one outside the range of the calibration.
    """
    if counted.main_class not in KINDS:
        raise InputError(
            f"{counted.file}: most of its work is {counted.main_class}, expected "
            f"{' or '.join(KINDS)}: nothing else is calibrated. Measure it with `python -m "
            "benchmark android`."
        )
    kind = KINDS[counted.main_class]
    fit = fits[kind]
    covered = fit.covers(counted.instructions)
    if not covered and not extrapolate:
        low, high = fit.instructions
        raise InputError(
            f"{counted.file}: {counted.instructions:,} instructions, expected {low:,} to {high:,}, "
            f"the range of the calibration for {kind}. Measure it with `python -m benchmark "
            "android`, or say --extrapolate."
        )
    return [_estimate(counted, kind, runtime, fit, not covered) for runtime in RUNTIMES[kind]]


def _estimate(counted: Counted, kind: Kind, runtime: str, fit: Fit, extrapolated: bool) -> Estimate:
    ms, *interval = fit.ms(counted.instructions, runtime, PHONE)
    low_ms, high_ms = (None, None) if extrapolated else interval
    return Estimate(
        file=counted.file,
        sha256=counted.sha256,
        peer=counted.peer,
        kind=kind,
        instructions=counted.instructions,
        runtime=runtime,
        ms=ms,
        low_ms=low_ms,
        high_ms=high_ms,
        extrapolated=extrapolated,
        goal_fps=GOALS_FPS.get(counted.model or ""),
    )


def text(rows: Sequence[Estimate], fits: dict[Kind, Fit]) -> str:
    """Estimates for a terminal."""
    width = max(len(row.file) for row in rows)
    head = (
        f"{'file':<{width}} {'kind':<7} {'instructions':>13} {'runtime':<13} {'ms':>6}  "
        f"{'interval':<12} {'fps':>6} {'goal':>5}"
    )
    lines = [
        f"{row.file:<{width}} {row.kind:<7} {row.instructions:>13,} {row.runtime:<13} "
        f"{row.ms:>6.2f}  {_interval(row):<12} {row.fps:>6.0f} {row.goal_fps or '-':>5}"
        for row in rows
    ]
    return "\n".join([heading(fits), "", head, *lines])


def _interval(row: Estimate) -> str:
    return "EXTRAPOLATED" if row.extrapolated else f"{row.low_ms:.2f}-{row.high_ms:.2f}"


def heading(fits: dict[Kind, Fit]) -> str:
    """What the figures mean."""
    lines = [f"{MEANS}: one big core of a {PHONES[PHONE]} ({PHONE}), one thread."]
    for kind, fit in fits.items():
        low, high = (count / 1e6 for count in fit.instructions)
        errors = [f"{fit.error_percent(name, PHONE):.0f} % {name}" for name in RUNTIMES[kind]]
        lines.append(
            f"{kind}: from {fit.points} published latencies, {low:.1f} to {high:.0f} M "
            f"instructions; error up to {', '.join(errors)}"
        )
    lines.append(
        "Error: the largest on a figure left out of the fit; outside its range it is unknown."
    )
    return "\n".join(lines)
