"""Reads what TensorFlow Lite's `benchmark_model` prints, and our own runner, which prints the same.

The format is that of `BenchmarkLoggingListener::OnBenchmarkEnd` and `Stat::OutputToStream` in
TensorFlow's `lite/tools/benchmark/benchmark_model.cc` and `core/util/stats_calculator.h`. Lines may
begin with `INFO: ` or with logcat's columns. Older versions print no percentiles.
"""

import re
from dataclasses import dataclass
from typing import Literal, cast

from efld.errors import InputError

Taken = Literal["completely", "partially", "not"]

_PREFIX = r"(?:^|(?:INFO|VERBOSE|tflite) *: )"  # stops a profiler's "Timings ...: count=" lines
_TIMINGS = re.compile(
    rf"{_PREFIX}Inference timings in us: Init: (\S+), First inference: (\S+), "
    r"Warmup \(avg\): (\S+), Inference \(avg\): (\S+)$"
)
_STATISTICS = re.compile(rf"{_PREFIX}(count=[1-9]\d* .*)$")
_PAIR = re.compile(r"(\w+)=([-+.\deE]+)")
_MEMORY = re.compile(r"Memory footprint delta .*init=(\S+) overall=(\S+)$")
_PEAK = re.compile(r"Overall peak memory footprint \(MB\) via periodic monitoring: (\S+)$")
_REPLACING = re.compile(
    r"Replacing (\d+) out of (\d+) node\(s\) with delegate \((.+?)\) node, "
    r"yielding (\d+) partitions"
)
_EXPLICIT = re.compile(r"(?:Explicitly applied|Though) (\w+) delegate")
_HOW = re.compile(r"will (?:be (completely|partially)|(not) be) executed by the delegate")


@dataclass(frozen=True)
class Delegated:
    """Ops that a delegate took when it was applied."""

    delegate: str  # "TfLiteXNNPackDelegate", "TfLiteGpuDelegateV2", ...
    taken: int
    ops: int  # in the graph at that moment
    partitions: int  # pieces of the graph, the delegate's and the others


@dataclass(frozen=True, kw_only=True)
class BenchmarkText:
    """One run of `benchmark_model`. None: this version or library did not say."""

    init_us: float
    first_us: float  # the first warm-up inference
    warmup_us: float  # mean
    mean_us: float  # of the timed inferences, as all that follow
    count: int
    min_us: float
    max_us: float
    std_us: float
    median_us: float | None
    p95_us: float | None
    init_mb: float | None  # growth of memory since the program began, MiB
    overall_mb: float | None
    peak_mb: float | None
    delegated: tuple[Delegated, ...]  # in the order of the text
    explicit: dict[str, Taken]  # delegates asked for by a flag: "GPU", "NNAPI", ...


def parse(text: str, where: str) -> BenchmarkText:
    """Parses the whole output of one run; `where` says whose it is, for errors.

    Raises:
        InputError: the output ends early (the device died, or the tool failed), holds several
            runs, or its lines contradict each other.
    """
    lines = [line.strip() for line in text.splitlines()]
    timings = _timings(lines, where)
    init_us, first_us, warmup_us, mean_us = (float(value) for value in timings.groups())
    statistics = _statistics(lines[: lines.index(timings.string)], mean_us, where)
    init_mb, overall_mb = _found(_MEMORY, lines, 2)
    return BenchmarkText(
        init_us=init_us,
        first_us=first_us,
        warmup_us=warmup_us,
        mean_us=mean_us,
        count=int(statistics["count"]),
        min_us=statistics["min"],
        max_us=statistics["max"],
        std_us=statistics["std"],
        median_us=statistics.get("median"),
        p95_us=statistics.get("p95"),
        init_mb=init_mb,
        overall_mb=overall_mb,
        peak_mb=_found(_PEAK, lines, 1)[0],
        delegated=_delegated(lines),
        explicit=_explicit(lines),
    )


def _timings(lines: list[str], where: str) -> re.Match[str]:
    found = [match for line in lines if (match := _TIMINGS.search(line))]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(
            f"{where}: {len(found)} runs in one output, expected one. Give each run its own text."
        )
    said = [line for line in lines if "ERROR" in line] or [line for line in lines if line]
    raise InputError(
        f"{where}: expected an end with 'Inference timings in us:', found "
        f"{said[-1]!r} after {len(lines)} lines. "
        "The device died or the tool failed: look at the device and run it again."
        if said
        else f"{where}: no output, expected benchmark_model's. Look at the device and run it again."
    )


def _statistics(lines: list[str], mean_us: float, where: str) -> dict[str, float]:
    """The last `count=` line; equal times have `curr=` alone, which then stands for all."""
    found = [match[1] for line in lines if (match := _STATISTICS.search(line))]
    values = {name: float(value) for name, value in _PAIR.findall(found[-1])} if found else {}
    if "avg" not in values and "curr" in values:
        values |= dict.fromkeys(("avg", "min", "max"), values["curr"]) | {"std": 0.0}
    # Both are printed with six digits.
    if not {"avg", "min", "max", "std"} <= values.keys() or abs(values["avg"] / mean_us - 1) > 1e-5:
        raise InputError(
            f"{where}: expected a line 'count=... avg={mean_us:g} ...' for 'Inference (avg): "
            f"{mean_us:g}', found {found[-1] if found else 'none'!r}. "
            "Lines were lost: run it again."
        )
    return values


def _found(pattern: re.Pattern[str], lines: list[str], groups: int) -> list[float | None]:
    for line in lines:
        if match := pattern.search(line):
            return [float(value) for value in match.groups()]
    return [None] * groups


def _delegated(lines: list[str]) -> tuple[Delegated, ...]:
    found = [match for line in lines if (match := _REPLACING.search(line))]
    return tuple(Delegated(m[3], int(m[1]), int(m[2]), int(m[4])) for m in found)


def _explicit(lines: list[str]) -> dict[str, Taken]:
    """Delegate by delegate, how much of the graph it took."""
    pairs = [(_EXPLICIT.search(line), _HOW.search(line)) for line in lines]
    return {name[1]: cast(Taken, how[1] or how[2]) for name, how in pairs if name and how}
