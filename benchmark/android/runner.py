"""The program that runs a model on a device, how it gets there, and what it says.

Google's `benchmark_model` where the user has it, else our own runner (`make setup-arm`), which
takes the same flags and prints the same text, and brings its libraries, loader and libc along.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from benchmark import benchmark_text
from benchmark.android.adb import Device, DeviceError, Finished
from benchmark.benchmark_text import BenchmarkText
from efld import files
from efld.errors import InputError

Delegate = Literal["cpu", "gpu", "nnapi"]
Taken = Literal["whole", "part", "none"]

VARIABLE = "EFLD_BENCHMARK_MODEL"
OWN = Path(__file__).parents[2] / ".arm"
LIBRARY, LOADER = "libLiteRtRuntimeCApi.so", "ld-linux-aarch64.so.1"
# What they load in turn. Android's own libc is another one. From Debian's ARM packages.
LIBC = (
    LOADER, "libc.so.6", "libdl.so.2", "libgcc_s.so.1", "libm.so.6", "libpthread.so.0",
    "librt.so.1", "libstdc++.so.6",
)  # fmt: skip
SYSROOT = Path("/usr/aarch64-linux-gnu/lib")
FOLDER = "/data/local/tmp/efld"  # the only place where the shell may both write and execute
LATENCIES = "latencies.txt"
START_S = 120  # to open a model, compile its GPU programs, and end
# What benchmark_model's flag is called, and its delegate in the text.
FLAGS: dict[Delegate, tuple[str, str]] = {
    "cpu": ("--use_xnnpack=true", "XNNPACK"),
    "gpu": ("--use_gpu=true", "GPU"),
    "nnapi": ("--use_nnapi=true", "NNAPI"),
}
TAKEN: dict[benchmark_text.Taken, Taken] = {
    "completely": "whole",
    "partially": "part",
    "not": "none",
}
VERSION = re.compile(r"INFO: (TensorFlow Lite \S+):")  # our runner's line
KERNELS = re.compile(r"partially executed by the delegate w/ (\d+) delegate kernels")


class RunnerError(InputError):
    """The device is there, but a file did not run: others may."""


@dataclass(frozen=True, kw_only=True)
class Length:
    """A run ends when it has this many inferences and this many seconds."""

    inferences: int
    least_s: float
    most_s: float  # ... or this many seconds, whatever it has


# MLPerf Mobile: mlcommons/mobile_app_open, flutter/assets/tasks.pbtxt, image_classification_v2,
# where the first is called "normal".
LENGTHS = {
    "standard": Length(inferences=1024, least_s=60, most_s=600),
    "quick": Length(inferences=128, least_s=10, most_s=60),
    "rapid": Length(inferences=64, least_s=6, most_s=60),
}


@dataclass(frozen=True)
class Runner:
    """A program for devices; `libraries` lie beside it and are empty where it needs none."""

    program: Path
    libraries: tuple[Path, ...] = ()

    @property
    def own(self) -> bool:
        return bool(self.libraries)


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a runner is to do."""

    model: str  # a file in the device's folder
    delegate: Delegate
    length: Length
    threads: int
    fp16: bool

    def flags(self) -> list[str]:
        """As benchmark_model takes them."""
        flags = [
            f"--graph={self.model}", f"--num_threads={self.threads}", FLAGS[self.delegate][0],
            f"--num_runs={self.length.inferences}", f"--min_secs={self.length.least_s:g}",
            f"--max_secs={self.length.most_s:g}",
        ]  # fmt: skip
        return flags + (["--xnnpack_force_fp16=true"] if self.fp16 else [])


@dataclass(frozen=True, kw_only=True)
class Said:
    """One run of a model on a device."""

    text: BenchmarkText
    median_us: float
    p90_us: float | None  # None: this runner or its version does not say, as with all that follow
    p95_us: float | None
    runtime: str | None
    taken: Taken | None  # how much of the graph the delegate took
    partitions: int | None  # pieces that the delegate took


def find(given: Path | None, delegates: tuple[Delegate, ...]) -> Runner:
    """The runner to use: `given`, that of the variable EFLD_BENCHMARK_MODEL, or our own.

    Raises:
        InputError: there is none, or ours where a delegate needs Google's.
    """
    path = given or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    if path is not None:
        if not path.is_file():
            raise InputError(f"{path}: no such file, expected Google's benchmark_model.")
        return Runner(path)
    if more := [delegate for delegate in delegates if delegate != "cpu"]:
        raise InputError(
            f"--delegate {more[0]}: our own runner has the CPU alone. Download Google's "
            f"benchmark_model for Android and name it by --runner or {VARIABLE}."
        )
    libraries = (OWN / "lib" / LIBRARY, *(SYSROOT / name for name in LIBC))
    if missing := [path for path in (OWN / "runner", *libraries) if not path.is_file()]:
        raise InputError(
            f"{missing[0]}: no such file, expected our runner or what it needs. Run `make "
            f"setup-arm`, or name Google's benchmark_model for Android by --runner or {VARIABLE}."
        )
    return Runner(OWN / "runner", libraries)


def install(device: Device, runner: Runner) -> dict[str, str]:
    """Brings a runner to a device; name -> sha256 of each file there.

    Raises:
        DeviceError: it did not arrive, or an interrupted command's runner is still at work.
    """
    process = LOADER if runner.own else runner.program.name
    if not (running := device.shell(f"pidof {process}")).code:
        number = running.output.strip()
        raise DeviceError(
            f"{device.serial}: {process} still runs there (process {number}), expected none. Wait, "
            f"or run `adb -s {device.serial} shell kill {number}`."
        )
    device.check(f"mkdir -p {FOLDER}")
    sums = {path.name: put(device, path, path.name) for path in (runner.program, *runner.libraries)}
    device.check(f"cd {FOLDER} && chmod 755 {' '.join(sums)}")
    return sums


def put(device: Device, source: Path, name: str) -> str:
    """Copies a file into the device's folder unless it is there; its sha256, compared there.

    Raises:
        DeviceError: it is not there whole.
    """
    expected = files.sha256(source)
    if _sha256(device, name) != expected:
        device.push(source, f"{FOLDER}/{name}")
        if (found := _sha256(device, name)) != expected:
            raise DeviceError(
                f"{device.serial}: {source} arrived with sha256 {found}, expected {expected}. "
                "Run the same command again."
            )
    return expected


def _sha256(device: Device, name: str) -> str:
    words = device.shell(f"sha256sum {FOLDER}/{name}").output.split()
    return words[0] if words else "none"


def run(device: Device, runner: Runner, order: Order, prefix: str) -> Said:
    """Runs a file on a device; `prefix` stands before the program.

    Raises:
        DeviceError: the device went away.
        RunnerError: the runner failed, or prints no text of benchmark_model's.
    """
    words = [f"./{runner.program.name}", *order.flags()]
    if runner.own:
        words = [f"./{LOADER}", "--library-path", ".", *words]
        words += [f"--library=./{LIBRARY}", f"--latencies={LATENCIES}"]
    script = f"cd {FOLDER} && {prefix} {' '.join(words)}"
    done = device.shell(script, START_S + order.length.most_s)
    where = f"{device.serial}: {runner.program.name}"
    text = _text(done, where)
    median_us, p90_us, p95_us = _median_us(text, where), None, text.p95_us
    if runner.own:
        median_us, p90_us, p95_us = _percentiles_us(device)
    taken, version = _taken(text, order.delegate), VERSION.search(done.output)
    return Said(
        text=text,
        median_us=median_us,
        p90_us=p90_us,
        p95_us=p95_us,
        runtime=version[1] if version else None,
        taken=taken,
        partitions=_partitions(done.output, taken),
    )


def _text(done: Finished, where: str) -> BenchmarkText:
    if done.code:
        lines = done.output.splitlines()
        said = [line for line in lines if "ERROR" in line] or lines or ["nothing"]
        raise RunnerError(
            f"{where}: exited with {done.code}, expected 0; it says {said[0].strip()!r}. Has the "
            "device what the flags ask for, and is the runner built for it?"
        )
    try:
        return benchmark_text.parse(done.output, where)
    except InputError as error:
        raise RunnerError(str(error)) from None


def _median_us(text: BenchmarkText, where: str) -> float:
    if text.median_us is None:
        raise RunnerError(f"{where} prints no median, so it is too old. Download a newer one.")
    return text.median_us


def _percentiles_us(device: Device) -> tuple[float, float, float]:
    """Median, 90th and 95th percentile of the last run, from each inference's nanoseconds."""
    lines = device.check(f"cat {FOLDER}/{LATENCIES}").split()
    found = np.percentile([int(line) for line in lines], (50, 90, 95)) / 1000
    return float(found[0]), float(found[1]), float(found[2])


def _taken(text: BenchmarkText, delegate: Delegate) -> Taken | None:
    how = text.explicit.get(FLAGS[delegate][1])
    return None if how is None else TAKEN[how]


def _partitions(output: str, taken: Taken | None) -> int | None:
    if taken == "part" and (match := KERNELS.search(output)):
        return int(match[1])
    return {"whole": 1, "none": 0}.get(taken or "")
