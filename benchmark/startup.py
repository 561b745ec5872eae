"""How a file starts: opened and run once in a fresh process, several times."""

import importlib
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median

from benchmark.feeds import random_feeds
from efld.sessions import open_session

MEANS = (
    "medians over fresh processes that open the file (load) and run it once (first); the runtime's "
    "own libraries are loaded before, and the file lies in the system's cache"
)
MEMORY_MEANS = (
    "peak growth of resident memory in such a process; null where the system does not say"
)
RUNTIME_MODULES = {".tflite": "ai_edge_litert.interpreter", ".onnx": "onnxruntime"}
CLEAR = Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Start:
    """One start, or the medians of several."""

    load_ms: float
    first_ms: float
    memory_bytes: int | None  # MEMORY_MEANS


def measure(path: Path, threads: int, starts: int) -> Start:
    """Medians of `starts` starts.

    Raises:
        InputError: a file that cannot be opened.
    """
    found = list(_fresh(path, threads, starts))
    grown = [start.memory_bytes for start in found if start.memory_bytes is not None]
    return Start(
        load_ms=median(start.load_ms for start in found),
        first_ms=median(start.first_ms for start in found),
        memory_bytes=round(median(grown)) if grown else None,
    )


def _fresh(path: Path, threads: int, starts: int) -> Iterator[Start]:
    spawn = get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as fresh:
        yield from fresh.map(_start, [path] * starts, [threads] * starts)


def _start(path: Path, threads: int) -> Start:
    importlib.import_module(RUNTIME_MODULES[path.suffix])
    tells = CLEAR.exists()
    if tells:
        CLEAR.write_text("5")  # resets the peak to what is resident now
    before_bytes = _peak_bytes() if tells else 0
    begin_ns = time.perf_counter_ns()
    session = open_session(path, threads)
    load_ns = time.perf_counter_ns() - begin_ns
    run = session.bind(random_feeds(session, path))
    begin_ns = time.perf_counter_ns()
    run()
    first_ns = time.perf_counter_ns() - begin_ns
    grown_bytes = _peak_bytes() - before_bytes if tells else None
    return Start(load_ns / 1e6, first_ns / 1e6, grown_bytes)


def _peak_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])
