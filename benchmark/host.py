"""Latency and memory on this machine: files side by side in one process, so that ratios hold.

A busy or throttling machine slows all files alike: compare ratios, not milliseconds.
"""

import importlib
import math
import os
import platform
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.feeds import random_feeds
from efld import files
from efld.errors import InputError
from efld.sessions import Session, open_session

MEMORY_MEANS = (
    "peak growth of resident memory in a fresh process while it opens the file and runs it once; "
    "the runtime's own libraries are loaded before"
)
RUNTIME_MODULES = {".tflite": "ai_edge_litert.interpreter", ".onnx": "onnxruntime"}
WARM_UP_S = 0.3
WARM_UP_RUNS = 5
BLOCK_S = 0.01  # one file's turn
LEAST_ROUNDS = 3

Run = Callable[[], object]
Milliseconds = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Latency:
    """One file on this machine. A run is the graph alone, inputs already in place."""

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
    memory_bytes: int | None  # MEMORY_MEANS; None: this system does not say


@dataclass(frozen=True, kw_only=True)
class Host:
    """A measurement of several files and where it was made."""

    cpu: str
    cores: int
    system: str
    load_average: float  # of the minute before
    seconds_per_file: float
    seed: int
    reference: str  # the file that ratios refer to
    memory_means: str
    files: tuple[Latency, ...]


@dataclass(frozen=True)
class _Entry:
    path: Path
    peer: bool
    session: Session
    run: Run


def measure(
    paths: Sequence[Path],
    peers: Sequence[Path] = (),
    *,
    threads: int = 1,
    seconds: float = 3,
    seed: int = 0,
) -> Host:
    """Times all files by turns, in an order shuffled each round.

    Args:
        seconds: for each file, warm-up aside.

    Raises:
        InputError: a file that cannot run here, or `threads` or `seconds` out of range.
    """
    _check(paths, threads, seconds)
    load_average = os.getloadavg()[0]
    entries = [_open(path, False, threads, seed) for path in paths]
    entries += [_open(path, True, threads, seed) for path in peers]
    rounds = _rounds([entry.run for entry in entries], seconds, seed)
    reference = len(paths) if peers else 0
    return Host(
        cpu=cpu_name(),
        cores=_cores(),
        system=f"{platform.system()} {platform.machine()}",
        load_average=load_average,
        seconds_per_file=seconds,
        seed=seed,
        reference=str(entries[reference].path),
        memory_means=MEMORY_MEANS,
        files=tuple(
            _latency(entry, blocks, rounds[reference], threads)
            for entry, blocks in zip(entries, rounds, strict=True)
        ),
    )


def _check(paths: Sequence[Path], threads: int, seconds: float) -> None:
    if not paths:
        raise InputError("no files to measure, expected at least one.")
    if not 1 <= threads <= _cores():
        raise InputError(f"threads {threads}, expected 1 to {_cores()}, the cores of this machine.")
    if not 0 < seconds < math.inf:
        raise InputError(f"seconds {seconds}, expected a number above 0.")


def _cores() -> int:
    return os.cpu_count() or 1


def cpu_name() -> str:
    """The processor's name, as the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _open(path: Path, peer: bool, threads: int, seed: int) -> _Entry:
    if path.suffix == ".keras":
        raise InputError(
            f"{path}: a .keras file is not timed, expected .tflite or .onnx. Export it."
        )
    session = open_session(path, threads)
    return _Entry(path, peer, session, session.bind(random_feeds(session, path, seed)))


def _rounds(runs: Sequence[Run], seconds: float, seed: int) -> list[list[Milliseconds]]:
    """For each file, its blocks in order of rounds."""
    block_runs = [max(1, round(BLOCK_S * 1000 / _warm_up_ms(run))) for run in runs]
    blocks: list[list[Milliseconds]] = [[] for _ in runs]
    generator = np.random.default_rng(seed)
    deadline = time.perf_counter() + seconds * len(runs)
    while len(blocks[0]) < LEAST_ROUNDS or time.perf_counter() < deadline:
        for index in generator.permutation(len(runs)):
            blocks[index].append(_block_ms(runs[index], block_runs[index]))
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
    entry: _Entry, blocks: list[Milliseconds], reference: list[Milliseconds], threads: int
) -> Latency:
    times_ms = np.concatenate(blocks)
    ratios = [
        np.median(own) / np.median(other) for own, other in zip(blocks, reference, strict=True)
    ]
    low, middle, high = np.percentile(ratios, (25, 50, 75)).tolist()
    delegation = entry.session.delegation()
    return Latency(
        file=str(entry.path),
        sha256=files.sha256(entry.path),
        file_bytes=entry.path.stat().st_size,
        peer=entry.peer,
        runtime=entry.session.runtime,
        threads=threads,
        runs=len(times_ms),
        median_ms=float(np.median(times_ms)),
        p95_ms=float(np.percentile(times_ms, 95)),
        ratio=middle,
        ratio_quartiles=(low, high),
        partitions=delegation.partitions if delegation else None,
        outside=delegation.outside if delegation else None,
        memory_bytes=memory_bytes(entry.path, threads),
    )


def memory_bytes(path: Path, threads: int) -> int | None:
    """Measures what MEMORY_MEANS says; None where the system has no /proc."""
    if not Path("/proc/self/clear_refs").exists():
        return None
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
        return fresh.submit(_growth_bytes, path, threads).result()


def _growth_bytes(path: Path, threads: int) -> int:
    importlib.import_module(RUNTIME_MODULES[path.suffix])
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak to what is resident now
    before_bytes = _peak_bytes()
    session = open_session(path, threads)
    session.run(random_feeds(session, path))
    return _peak_bytes() - before_bytes


def _peak_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


def heading(host: Host) -> str:
    """The machine, and what ratios refer to."""
    return (
        f"{host.cpu}, {host.files[0].threads} of {host.cores} cores, load {host.load_average:.1f}; "
        f"ratio to {host.reference}"
    )


def table(host: Host) -> str:
    """The files for people to read."""
    width = max(len(row.file) for row in host.files)
    head = (
        f"{'file':<{width}} {'ms':>8} {'p95 ms':>8} {'ratio':>7} {'(quartiles)':>15} "
        f"{'parts':>5} {'memory kB':>10} {'bytes':>11}  outside XNNPACK"
    )
    return "\n".join([head, *(_line(row, width) for row in host.files)])


def _line(row: Latency, width: int) -> str:
    low, high = row.ratio_quartiles
    quartiles = f"({low:.3f}-{high:.3f})"
    parts = "-" if row.partitions is None else str(row.partitions)
    memory = "-" if row.memory_bytes is None else f"{row.memory_bytes // 1024:,}"
    outside = ", ".join(f"{kind} {count}" for kind, count in (row.outside or {}).items()) or "-"
    return (
        f"{row.file:<{width}} {row.median_ms:>8.4f} {row.p95_ms:>8.4f} {row.ratio:>7.3f} "
        f"{quartiles:>15} {parts:>5} {memory:>10} {row.file_bytes:>11,}  {outside}"
    )
