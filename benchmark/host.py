"""Latency and memory on this machine: files side by side in one process, so that ratios hold.

A busy or throttling machine slows all files alike: compare ratios, not milliseconds.
"""

import math
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmark import energy, processor, startup
from benchmark.energy import Package
from benchmark.feeds import random_feeds
from benchmark.names import shown
from benchmark.startup import Start
from efld import files
from efld.errors import InputError
from efld.sessions import Session, open_session

STARTS = 5
WARM_UP_S = 0.3
WARM_UP_RUNS = 5
BLOCK_S = 0.01  # one file's turn
LEAST_ROUNDS = 3
REST_S = 0.05  # onnxruntime's other threads look for work until 30 ms after a run

Run = Callable[[], object]
Milliseconds = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Latency:
    """One file on a number of threads. A run is the graph alone, inputs already in place."""

    file: str
    sha256: str
    file_bytes: int
    peer: bool
    runtime: str
    threads: int
    runs: int
    median_ms: float
    p95_ms: float
    ratio: float  # to the reference: median of the rounds' ratios
    ratio_quartiles: tuple[float, float]
    partitions: int | None  # None: the runtime does not delegate
    outside: dict[str, int] | None  # op kinds that XNNPACK left
    load_ms: float  # startup.MEANS
    first_ms: float  # startup.MEANS
    memory_bytes: int | None  # startup.MEMORY_MEANS
    energy_mj: float | None  # Host.energy_means


@dataclass(frozen=True, kw_only=True)
class Host:
    """A measurement of several files and where it was made."""

    cpu: str
    cores: int
    system: str
    load_average: float  # of the minute before
    seconds_per_file: float
    seed: int
    reference: str  # the file that ratios refer to, on the first number of threads
    starts: int  # of each file
    start_means: str
    memory_means: str
    energy_means: str
    files: tuple[Latency, ...]


@dataclass(frozen=True)
class _Entry:
    path: Path
    peer: bool
    threads: int
    session: Session
    run: Run


class _Block(NamedTuple):
    """One file's turn."""

    times_ms: Milliseconds
    energy_uj: int  # 0 without packages


def measure(
    paths: Sequence[Path],
    peers: Sequence[Path] = (),
    *,
    threads: Sequence[int] = (1,),
    seconds: float = 3,
    seed: int = 0,
    starts: int = STARTS,
) -> Host:
    """Times all files by turns, in an order shuffled each round; then starts each afresh.

    Args:
        threads: every file runs on each of these numbers of threads.
        seconds: for each file and number of threads, warm-up aside.

    Raises:
        InputError: a file that cannot run here, or a number out of range.
    """
    check([*paths, *peers], threads, seconds, starts)
    load_average = os.getloadavg()[0]
    named = [*((path, False) for path in paths), *((path, True) for path in peers)]
    entries = [_open(path, peer, count, seed) for count in threads for path, peer in named]
    packages = energy.packages()
    rounds = _rounds(entries, packages, seconds, seed)
    jobs = tqdm(entries, desc="starts", unit="file", leave=False, disable=None)
    started = [startup.measure(entry.path, entry.threads, starts) for entry in jobs]
    reference = len(paths) if peers else 0
    return Host(
        cpu=processor.name(),
        cores=_cores(),
        system=f"{platform.system()} {platform.machine()}",
        load_average=load_average,
        seconds_per_file=seconds,
        seed=seed,
        reference=shown(entries[reference].path),
        starts=starts,
        start_means=startup.MEANS,
        memory_means=startup.MEMORY_MEANS,
        energy_means=energy.MEANS if packages else energy.NOT_EXPOSED,
        files=tuple(
            _latency(entry, blocks, rounds[reference], start, bool(packages))
            for entry, blocks, start in zip(entries, rounds, started, strict=True)
        ),
    )


def check(
    paths: Sequence[Path], threads: Sequence[int], seconds: float, starts: int = STARTS
) -> None:
    """Refuses what `measure` would, before anything long.

    Raises:
        InputError: no files, one that is not timed, or a number out of range.
    """
    if not paths:
        raise InputError("no files to measure, expected at least one.")
    for path in paths:
        if path.suffix == ".keras":
            raise InputError(
                f"{path}: a .keras file is not timed, expected .tflite or .onnx. Export it."
            )
    for count in threads:
        if not 1 <= count <= _cores():
            raise InputError(
                f"threads {count}, expected 1 to {_cores()}, the cores of this machine."
            )
    if not 0 < seconds < math.inf:
        raise InputError(f"seconds {seconds}, expected a number above 0.")
    if starts < 1:
        raise InputError(f"starts {starts}, expected at least 1.")


def _cores() -> int:
    return os.cpu_count() or 1


def _open(path: Path, peer: bool, threads: int, seed: int) -> _Entry:
    session = open_session(path, threads)
    return _Entry(path, peer, threads, session, session.bind(random_feeds(session, path, seed)))


def _rounds(
    entries: Sequence[_Entry], packages: Sequence[Package], seconds: float, seed: int
) -> list[list[_Block]]:
    """For each file, its blocks in order of rounds."""
    block_runs = [max(1, round(BLOCK_S * 1000 / _warm_up_ms(entry.run))) for entry in entries]
    blocks: list[list[_Block]] = [[] for _ in entries]
    generator = np.random.default_rng(seed)
    deadline = time.perf_counter() + seconds * len(entries)
    while len(blocks[0]) < LEAST_ROUNDS or time.perf_counter() < deadline:
        for index in generator.permutation(len(entries)):
            before = energy.read_uj(packages)
            times_ms = _block_ms(entries[index].run, block_runs[index])
            used_uj = energy.used_uj(packages, before, energy.read_uj(packages))
            blocks[index].append(_Block(times_ms, used_uj))
            if entries[index].threads > 1:
                time.sleep(REST_S)
    return blocks


def _warm_up_ms(run: Run) -> float:
    """Median of a warm-up, ms."""
    deadline = time.perf_counter() + WARM_UP_S
    found: list[float] = []
    while len(found) < WARM_UP_RUNS or time.perf_counter() < deadline:
        found.append(float(_block_ms(run, 1)[0]))
    return float(np.median(found))


def _block_ms(run: Run, runs: int) -> Milliseconds:
    ticks_ns = np.empty(runs + 1, np.int64)
    ticks_ns[0] = time.perf_counter_ns()
    for i in range(runs):
        run()
        ticks_ns[i + 1] = time.perf_counter_ns()
    return np.diff(ticks_ns) / 1e6


def _latency(
    entry: _Entry, blocks: list[_Block], reference: list[_Block], start: Start, has_energy: bool
) -> Latency:
    times_ms = np.concatenate([block.times_ms for block in blocks])
    ratios = [
        np.median(own.times_ms) / np.median(other.times_ms)
        for own, other in zip(blocks, reference, strict=True)
    ]
    low, middle, high = np.percentile(ratios, (25, 50, 75)).tolist()
    delegation = entry.session.delegation()
    used_mj = sum(block.energy_uj for block in blocks) / 1000
    return Latency(
        file=shown(entry.path),
        sha256=files.sha256(entry.path),
        file_bytes=entry.path.stat().st_size,
        peer=entry.peer,
        runtime=entry.session.runtime,
        threads=entry.threads,
        runs=len(times_ms),
        median_ms=float(np.median(times_ms)),
        p95_ms=float(np.percentile(times_ms, 95)),
        ratio=middle,
        ratio_quartiles=(low, high),
        partitions=delegation.partitions if delegation else None,
        outside=delegation.outside if delegation else None,
        load_ms=start.load_ms,
        first_ms=start.first_ms,
        memory_bytes=start.memory_bytes,
        energy_mj=used_mj / len(times_ms) if has_energy else None,
    )


def heading(host: Host) -> str:
    """The machine, and what ratios refer to."""
    threads = list(dict.fromkeys(row.threads for row in host.files))
    on = f" on {threads[0]}" if len(threads) > 1 else ""
    return (
        f"{host.cpu}, {' and '.join(map(str, threads))} of {host.cores} cores, load "
        f"{host.load_average:.1f}; ratio to {host.reference}{on}"
    )


def notes(host: Host) -> str:
    """What the columns mean that do not say it themselves, and whether the machine was free."""
    lines = [
        f"load, first: {host.starts} starts; {host.start_means}",
        f"energy a run: {host.energy_means}",
    ]
    threads = max(row.threads for row in host.files)
    if host.load_average + threads > host.cores:
        lines.append(
            f"busy: a load of {host.load_average:.1f} and {threads} more on {host.cores} cores. "
            "Compare ratios alone, or stop other work and repeat."
        )
    return "\n".join(lines)


def table(host: Host) -> str:
    """The files for people to read."""
    width = max(len(row.file) for row in host.files)
    head = (
        f"{'file':<{width}} {'thr':>3} {'ms':>8} {'p95 ms':>8} {'ratio':>7} {'(quartiles)':>15} "
        f"{'load ms':>8} {'first ms':>8} {'parts':>5} {'memory kB':>10} {'mJ':>7} {'bytes':>11}  "
        "outside XNNPACK"
    )
    return "\n".join([head, *(_line(row, width) for row in host.files)])


def _line(row: Latency, width: int) -> str:
    low, high = row.ratio_quartiles
    quartiles = f"({low:.3f}-{high:.3f})"
    parts = "-" if row.partitions is None else str(row.partitions)
    memory = "-" if row.memory_bytes is None else f"{row.memory_bytes / 1000:,.0f}"
    energy_mj = "-" if row.energy_mj is None else f"{row.energy_mj:.3f}"
    outside = ", ".join(f"{kind} {count}" for kind, count in (row.outside or {}).items()) or "-"
    return (
        f"{row.file:<{width}} {row.threads:>3} {row.median_ms:>8.4f} {row.p95_ms:>8.4f} "
        f"{row.ratio:>7.3f} {quartiles:>15} {row.load_ms:>8.2f} {row.first_ms:>8.3f} {parts:>5} "
        f"{memory:>10} {energy_mj:>7} {row.file_bytes:>11,}  {outside}"
    )
