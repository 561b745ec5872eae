"""Files timed on a device: each file, delegate and repeat from the same temperature.

A record is written after each file, and an interrupted command goes on where it stopped.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmark.android import facts, runner
from benchmark.android.adb import Device, DeviceError
from benchmark.android.facts import Phone
from benchmark.android.heat import CoolDown, Heat, throttled
from benchmark.android.record import (
    Failure,
    Key,
    Latency,
    Plan,
    Point,
    Report,
    Run,
    middle,
    unfinished,
)
from benchmark.android.runner import LENGTHS, Delegate, Length, Order, Runner, RunnerError, Said
from efld import files
from efld.errors import InputError

TRIES = 3  # of a repeat, while it is throttled
WINDOW = Length(inferences=1, least_s=5, most_s=60)  # a point of the sustained curve
OWN_ABI = "arm64-v8a"
FP16_FEATURE = "asimdhp"

Tell = Callable[[str], None]  # what is going on now, for a bar
Try = tuple[Run, Said]
Curve = tuple[CoolDown | None, tuple[Point, ...]]  # how long it was waited before, if at all


@dataclass(frozen=True)
class Job:
    """One file to be measured with one delegate."""

    path: Path
    sha256: str
    peer: bool
    delegate: Delegate

    @property
    def key(self) -> Key:
        return self.sha256, str(self.path), self.delegate


@dataclass(frozen=True)
class _Bench:
    """A device made ready."""

    device: Device
    runner: Runner
    plan: Plan
    heat: Heat
    prefix: str  # of what is timed: it keeps to the big cores
    emulated: bool
    tell: Tell


def jobs(paths: Sequence[Path], peers: Sequence[Path], plan: Plan) -> list[Job]:
    """What is to be measured, in order.

    Raises:
        InputError: a file that is none, or a plan out of range.
    """
    for path in (*paths, *peers):
        if path.suffix != ".tflite" or not path.is_file():
            raise InputError(f"{path}: expected a .tflite file. Export the model first.")
    if plan.repeats < 1 or plan.threads < 1 or min(plan.sustained_s, plan.cool_down_s) < 0:
        raise InputError(
            f"repeats {plan.repeats}, threads {plan.threads}, sustained {plan.sustained_s:g} s, "
            f"cool-down {plan.cool_down_s:g} s: expected at least 1, 1, 0 and 0."
        )
    marked = [(path, False) for path in paths] + [(path, True) for path in peers]
    return [
        Job(path, files.sha256(path), peer, delegate)
        for path, peer in marked
        for delegate in plan.delegates
    ]


def measure(
    device: Device,
    todo: Sequence[Job],
    plan: Plan,
    program: Runner,
    *,
    place: Callable[[Phone], Path],
    command: str,
    tell: Tell,
    done: Callable[[], object],
) -> Report:
    """Measures on one device and writes the record to `place` after each file.

    Args:
        done: called after each file.

    Raises:
        DeviceError: the device refuses or went away; what is finished is recorded.
        InputError: the device cannot do what the plan asks for.
    """
    bench, report = _ready(device, plan, program, command, tell)
    path = place(report.phone)
    wanted = [job.key for job in todo]
    kept = [row for row in unfinished(path, report) if row.key in wanted]
    report = _ordered(report, kept, wanted)
    for job in todo:
        if job.key not in [row.key for row in report.files]:
            try:
                report = _with(report, bench, job, wanted)
            except DeviceError as error:
                count = f"{len(report.files)} of {len(todo)} are finished, in {path}."
                raise DeviceError(f"{error} {count}") from None
            files.write_json(path, report.record())
        done()
    report = replace(report, complete=True)
    files.write_json(path, report.record())
    return report


def _with(report: Report, bench: _Bench, job: Job, wanted: list[Key]) -> Report:
    """The report with one more file: its times, or why it did not run."""
    try:
        return _ordered(report, [*report.files, _latency(bench, job)], wanted)
    except RunnerError as error:
        failure = Failure(file=str(job.path), asked=job.delegate, why=str(error))
        return replace(report, failures=(*report.failures, failure))


def _ordered(report: Report, rows: Sequence[Latency], wanted: list[Key]) -> Report:
    return replace(report, files=tuple(sorted(rows, key=lambda row: wanted.index(row.key))))


def _check(phone: Phone, plan: Plan, program: Runner) -> None:
    if program.own and phone.abi not in (OWN_ABI, None):
        raise InputError(
            f"{phone.serial}: ABI {phone.abi}, expected {OWN_ABI}, which our runner is built for. "
            f"Download Google's benchmark_model for it and name it by --runner."
        )
    if plan.fp16 and phone.cpu_features is not None and FP16_FEATURE not in phone.cpu_features:
        raise InputError(
            f"{phone.serial}: --fp16 needs the processor feature {FP16_FEATURE}, found "
            f"{' '.join(phone.cpu_features)}. Leave --fp16 out."
        )
    if phone.cores is not None and plan.threads > phone.cores:
        raise InputError(
            f"{phone.serial}: threads {plan.threads}, expected 1 to {phone.cores}, its cores."
        )


def _ready(
    device: Device, plan: Plan, program: Runner, command: str, tell: Tell
) -> tuple[_Bench, Report]:
    device.require_ready()
    phone = facts.phone(device)
    _check(phone, plan, program)
    tell("installing the runner")
    pushed = runner.install(device, program)
    big = phone.big_cores(plan.threads) if phone.can_pin else None
    prefix = f"taskset {sum(1 << core for core in big):x}" if big else ""
    tell("timing it cold")
    heat = Heat(device, phone, big or (), prefix)
    report = Report(
        command=command,
        complete=False,
        phone=phone,
        plan=plan,
        pinned=big,
        start=heat.start,
        runner=program.program.name,
        pushed=pushed,
    )
    return _Bench(device, program, plan, heat, prefix, phone.emulated, tell), report


def _latency(bench: _Bench, job: Job) -> Latency:
    name = f"{job.sha256[:16]}.tflite"
    bench.tell(f"pushing {job.path.name}")
    runner.put(bench.device, job.path, name)
    remove = f"rm {runner.FOLDER}/{name}"
    try:
        repeats = [_repeat(bench, job, name) for _ in range(bench.plan.repeats)]
        curve = _sustained(bench, job, name)
    except RunnerError:
        bench.device.check(remove)
        raise
    bench.device.check(remove)
    return _row(bench, job, repeats, curve)


def _row(bench: _Bench, job: Job, repeats: list[list[Try]], curve: Curve) -> Latency:
    runs, said = tuple(tries[-1][0] for tries in repeats), repeats[-1][-1][1]
    medians = [run.median_ms for run in runs]
    memory_mb = said.text.overall_mb
    return Latency(
        file=str(job.path),
        sha256=job.sha256,
        file_bytes=job.path.stat().st_size,
        peer=job.peer,
        runtime=said.runtime,
        threads=bench.plan.threads,
        asked=job.delegate,
        delegate="cpu" if said.taken == "none" else job.delegate,
        taken=said.taken,
        partitions=said.partitions,
        runs=sum(run.inferences for run in runs),
        median_ms=statistics.median(medians),
        mean_ms=statistics.median(run.mean_ms for run in runs),
        p90_ms=middle([run.p90_ms for run in runs]),
        p95_ms=middle([run.p95_ms for run in runs]),
        spread_percent=_spread_percent(medians),
        fps=None if bench.emulated else 1000 / statistics.median(medians),
        memory_bytes=None if memory_mb is None else round(memory_mb * 2**20),
        throttled=_worst([run.throttled for run in runs]),
        discarded=sum(len(tries) - 1 for tries in repeats),
        repeats=runs,
        sustained=curve[1],
        sustained_cool_down=curve[0],
    )


def _worst(throttled: list[bool | None]) -> bool | None:
    return None if None in throttled else True in throttled


def _spread_percent(medians: list[float]) -> float | None:
    width = max(medians) - min(medians)
    return 100 * width / statistics.median(medians) if len(medians) > 1 else None


def _repeat(bench: _Bench, job: Job, name: str) -> list[Try]:
    """The tries of one repeat: all but the last were throttled."""
    found: list[Try] = []
    while len(found) < TRIES and (not found or found[-1][0].throttled):
        waited = bench.heat.cool_down(bench.plan.cool_down_s, bench.tell)
        bench.tell(f"{job.path.name}, {job.delegate}")
        before = bench.heat.state()
        length = LENGTHS[bench.plan.length]
        said = _start(bench, job, name, length)
        after, slowdown = bench.heat.state(), bench.heat.slowdown()
        states = {"before": before, "after": after}
        found.append((_run(said, length, waited, slowdown, states), said))
    return found


def _start(bench: _Bench, job: Job, name: str, length: Length) -> Said:
    order = Order(
        model=name,
        delegate=job.delegate,
        length=length,
        threads=bench.plan.threads,
        fp16=bench.plan.fp16,
    )
    return runner.run(bench.device, bench.runner, order, bench.prefix)


def _run(
    said: Said, length: Length, waited: CoolDown, slowdown: float | None, states: dict[str, Any]
) -> Run:
    text = said.text
    return Run(
        inferences=text.count,
        long_enough=text.count >= length.inferences,
        init_ms=text.init_us / 1000,
        first_ms=text.first_us / 1000,
        mean_ms=text.mean_us / 1000,
        median_ms=said.median_us / 1000,
        p90_ms=None if said.p90_us is None else said.p90_us / 1000,
        p95_ms=None if said.p95_us is None else said.p95_us / 1000,
        cool_down=waited,
        slowdown=slowdown,
        throttled=None if slowdown is None else throttled(slowdown) or throttled(waited.slowdown),
        **states,
    )


def _sustained(bench: _Bench, job: Job, name: str) -> Curve:
    """Short runs without a pause, from cool: how a device slows down under a long load."""
    if not bench.plan.sustained_s:
        return None, ()
    waited = bench.heat.cool_down(bench.plan.cool_down_s, bench.tell)
    begin, points = time.monotonic(), list[Point]()
    while (at_s := time.monotonic() - begin) < bench.plan.sustained_s:
        bench.tell(f"{job.path.name}, sustained {at_s:.0f} of {bench.plan.sustained_s:.0f} s")
        said, state = _start(bench, job, name, WINDOW), bench.heat.state()
        points.append(
            Point(
                at_s=time.monotonic() - begin,
                median_ms=said.median_us / 1000,
                cpu_celsius=state.cpu_celsius,
                mhz=state.mhz,
            )
        )
    return waited, tuple(points)
