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
    r"Warmup \(avg\): \S+, Inference \(avg\): (\S+)$"
)
_STATISTICS = re.compile(rf"{_PREFIX}(count=[1-9]\d* .*)$")
_PAIR = re.compile(r"(\w+)=([-+.\deE]+)")
_MEMORY = re.compile(r"Memory footprint delta .*overall=(\S+)$")
_EXPLICIT = re.compile(r"(?:Explicitly applied|Though) (\w+) delegate")
_HOW = re.compile(r"will (?:be (completely|partially)|(not) be) executed by the delegate")


@dataclass(frozen=True, kw_only=True)
class BenchmarkText:
    """One run of `benchmark_model`. None: this version or library did not say."""

    init_us: float
    first_us: float  # the first warm-up inference
    mean_us: float  # of the timed inferences, as the next three
    count: int
    median_us: float | None
    p95_us: float | None
    overall_mb: float | None  # growth of memory since the program began, MiB
    explicit: dict[str, Taken]  # delegates asked for by a flag: "GPU", "NNAPI", ...


def parse(text: str, where: str) -> BenchmarkText:
    """Parses the whole output of one run; `where` says whose it is, for errors.

    Raises:
        InputError: the output ends early (the device died, or the tool failed), holds several
            runs, or its lines contradict each other.
    """
    lines = [line.strip() for line in text.splitlines()]
    timings = _timings(lines, where)
    init_us, first_us, mean_us = (float(value) for value in timings.groups())
    statistics = _statistics(lines[: lines.index(timings.string)], mean_us, where)
    return BenchmarkText(
        init_us=init_us,
        first_us=first_us,
        mean_us=mean_us,
        count=int(statistics["count"]),
        median_us=statistics.get("median"),
        p95_us=statistics.get("p95"),
        overall_mb=_overall_mb(lines),
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
        values["avg"] = values["curr"]
    # Both are printed with six digits.
    if "avg" not in values or abs(values["avg"] / mean_us - 1) > 1e-5:
        raise InputError(
            f"{where}: expected a line 'count=... avg={mean_us:g} ...' for 'Inference (avg): "
            f"{mean_us:g}', found {found[-1] if found else 'none'!r}. "
            "Lines were lost: run it again."
        )
    return values


def _overall_mb(lines: list[str]) -> float | None:
    return next((float(match[1]) for line in lines if (match := _MEMORY.search(line))), None)


def _explicit(lines: list[str]) -> dict[str, Taken]:
    """Delegate by delegate, how much of the graph it took."""
    pairs = [(_EXPLICIT.search(line), _HOW.search(line)) for line in lines]
    return {name[1]: cast(Taken, how[1] or how[2]) for name, how in pairs if name and how}
