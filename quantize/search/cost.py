"""What a plan costs: bytes, time on this machine, or instructions on an emulated ARM processor."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from efld import files
from efld.errors import InputError
from efld.runtime import LandmarkModel
from quantize.recipe import WITH_WEIGHTS
from quantize.search.units import Ops, Wiring

Objective = Literal["size", "host-latency", "arm-instructions"]
DEFAULT: Objective = "host-latency"

# Only to order plans before the finalists are measured: what an int8 multiply-add costs in float
# ones, a conversion for each value, and to start one. Fitted to 35 random plans of five networks on
# x86-64 with int8 dot products; they differ from it by 0.04 of float32's time, root mean square.
# ARM processors without such products need nearly as many instructions in int8 as in float.
INT8_WORK = {"size": 0.4, "host-latency": 0.4, "arm-instructions": 0.95}
VALUE_WORK, START_WORK = 3, 10_000
ROUNDS, RUNS_PER_ROUND, WARM_UP = 15, 40, 20
TIE = 0.03  # of the time: less is noise, as seen from one run to the next on a busy machine

ROOT = Path(__file__).parents[2]
ARM_CPU = "a72"  # without int8 dot products, as the slower half of the phones in use


def estimate(graph: Wiring, floats: Ops, objective: Objective = DEFAULT) -> float:
    """The work of a plan, in float multiply-adds."""
    total = 0.0
    for i, kind in enumerate(graph.kinds):
        saves = kind in WITH_WEIGHTS and i not in floats
        total += graph.work[i] * (INT8_WORK[objective] if saves else 1)
        if any((reader in floats) != (i in floats) for reader in graph.readers[i]):
            total += VALUE_WORK * graph.values[i] + START_WORK
    return total


def measure(objective: Objective, paths: Sequence[Path]) -> list[float]:
    """The cost of each file by an objective that is no time; less is better.

    Raises:
        InputError: no emulator for "arm-instructions".
    """
    if objective == "arm-instructions":
        return arm_instructions(paths)
    return [float(path.stat().st_size) for path in paths]


def latency_ratios(fp32: LandmarkModel, others: Sequence[LandmarkModel]) -> list[float]:
    """Time of each model over float32's: the median over rounds of all files by turns."""
    low, high = fp32.spec.input_range
    rng = np.random.default_rng(0)
    image = rng.uniform(low, high, fp32.spec.input_shape).astype(np.float32)
    models = [fp32, *others]
    invokes = [model.session.bind({model.session.inputs[0].name: image}) for model in models]
    for invoke in invokes:
        for _ in range(WARM_UP):
            invoke()
    ratios: list[list[float]] = [[] for _ in others]
    for _ in range(ROUNDS):
        times: list[list[float]] = [[] for _ in invokes]
        for _ in range(RUNS_PER_ROUND):
            for invoke, own in zip(invokes, times, strict=True):
                started = time.perf_counter()
                invoke()
                own.append(time.perf_counter() - started)
        reference, *medians = map(statistics.median, times)
        for found, median in zip(ratios, medians, strict=True):
            found.append(median / reference)
    return [statistics.median(found) for found in ratios]


def arm_instructions(paths: Sequence[Path]) -> list[float]:
    """Instructions of one inference on an emulated processor of the class ARM_CPU.

    Raises:
        InputError: the emulator is missing, or failed.
    """
    out = paths[0].parent / "arm.json"
    command = [sys.executable, "-m", "benchmark", "emulated", *(str(p.resolve()) for p in paths)]
    done = subprocess.run(
        [*command, "--cpu", ARM_CPU, "--json", str(out.resolve())],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise InputError(
            f"objective arm-instructions: `python -m benchmark emulated` exited "
            f"{done.returncode} ({reason}). Run `make setup-arm`, or take another --objective."
        )
    counts = json.loads(out.read_text())["counts"]
    found = {row["sha256"]: float(row["instructions"]) for row in counts}
    return [found[files.sha256(path)] for path in paths]


def cheapest(rows: Sequence[Mapping[str, Any]], objective: Objective) -> int:
    """Index of the cheapest plan; times within TIE of the best are equal: the most exact wins.

    Args:
        rows: with `cost`, `float_ops` and `mean_px`.
    """
    slack = TIE if objective == "host-latency" else 0.0
    limit = min(row["cost"] for row in rows) * (1 + slack)
    near = [i for i, row in enumerate(rows) if row["cost"] <= limit]
    return min(near, key=lambda i: (rows[i]["mean_px"], rows[i]["float_ops"]))
