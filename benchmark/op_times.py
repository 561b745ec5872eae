"""What each op of an .onnx file takes, by onnxruntime's own profiler.

Take the shares, not the sum: the profiler tells whole microseconds, cut off, and what it does
itself makes nets of many small ops twice as slow. It sees the graph as onnxruntime has fused it.
ai-edge-litert offers Python no profiler: of a .tflite, `benchmark emulated --layers` counts
instructions instead.
"""

import json
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.feeds import random_feeds
from efld.sessions import open_session

RUNS = 200
END = "_kernel_time"  # of a node's event


@dataclass(frozen=True)
class OpTime:
    """A node of the graph as it is run."""

    name: str
    op: str
    us: float  # mean over the faster half of the runs: a busy machine disturbs the others


def measure(path: Path, threads: int = 1, runs: int = RUNS) -> list[OpTime] | None:
    """Nodes in the order in which they run; None for a file whose runtime has no profiler.

    Raises:
        InputError: as `random_feeds`.
    """
    return _of(_profiled(path, threads, runs), runs) if path.suffix == ".onnx" else None


def _profiled(path: Path, threads: int, runs: int) -> list[dict[str, Any]]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.enable_profiling = True
    feeds = random_feeds(open_session(path), path)
    with tempfile.TemporaryDirectory(prefix="efld-ops-") as folder:
        options.profile_file_prefix = f"{folder}/ops"
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        for _ in range(runs):
            session.run(None, feeds)
        events: list[dict[str, Any]] = json.loads(Path(session.end_profiling()).read_text())
    return [event for event in events if event["cat"] == "Node" and event["name"].endswith(END)]


def _of(events: Sequence[dict[str, Any]], runs: int) -> list[OpTime]:
    durations_us = np.array([event["dur"] for event in events], np.float64).reshape(runs, -1)
    totals_us = durations_us.sum(axis=1)
    means_us = durations_us[totals_us <= np.median(totals_us)].mean(axis=0).tolist()
    return [
        OpTime(event["name"].removesuffix(END), event["args"]["op_name"], us)
        for event, us in zip(events, means_us, strict=False)  # the first run's name all nodes
    ]


def table(file: str, found: Sequence[OpTime] | None) -> str:
    """Kinds of ops, from dear to cheap."""
    if found is None:
        return f"\n{file}: its runtime tells no times by op. Count: benchmark emulated --layers"
    kinds: defaultdict[str, list[float]] = defaultdict(list)
    for node in found:
        kinds[node.op].append(node.us)
    total_us = sum(node.us for node in found)
    rows = [
        f"{op:<24} {len(own):>6} {sum(own):>8.1f} {sum(own) / total_us:>6.1%}"
        for op, own in sorted(kinds.items(), key=lambda kind: -sum(kind[1]))
    ]
    return "\n".join(
        [f"\n{file}, by op", f"{'op':<24} {'number':>6} {'us':>8} {'share':>6}", *rows]
    )
