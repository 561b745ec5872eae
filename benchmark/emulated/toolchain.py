"""Runs a .tflite file on an emulated ARM processor, with the tools of `make setup-arm`."""

import functools
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efld import files
from efld.errors import InputError, one_line

FOLDER = Path(__file__).parents[2] / ".arm"
RUNNER, COUNTER, LIBRARY = "runner", "arm_count.so", "lib/libLiteRtRuntimeCApi.so"
QEMU = "qemu-aarch64"
SYSTEM_ROOT = "/usr/aarch64-linux-gnu"  # Debian's libc6-arm64-cross
TIMEOUT_S = 600  # face meshes take 2 s
RUNS = 2  # counted after a warm-up; they must agree

CLASSES = (
    "fmla_f32", "fmla_f16", "sdot", "smmla", "smull", "load_store", "other_vector", "other",
)  # fmt: skip


@dataclass(frozen=True)
class Cpu:
    """A class of phone processors, and the core that QEMU plays for it."""

    qemu: str
    has_fp16: bool
    means: str


CPUS = {
    "a72": Cpu("cortex-a72", False, "float32, int8 without dot product: Cortex-A53, A72, A73"),
    "a76": Cpu("cortex-a76", True, "half precision and int8 dot product: Cortex-A55, A76, A78"),
}


@dataclass(frozen=True)
class Tools:
    """What counts depend on, beside the file."""

    qemu: str  # version
    library_sha256: str
    runner_sha256: str
    counter_sha256: str


@dataclass(frozen=True)
class Run:
    """One inference: instructions by class, and the outputs' values one after another."""

    classes: dict[str, int]
    output: bytes

    @property
    def instructions(self) -> int:
        return sum(self.classes.values())


@functools.cache
def tools() -> Tools:
    """Versions of the tools.

    Raises:
        InputError: they are not there, or another machine's.
    """
    missing = [name for name in (RUNNER, COUNTER, LIBRARY) if not (FOLDER / name).is_file()]
    if missing or shutil.which(QEMU) is None:
        raise InputError(
            f"{FOLDER.name}/: expected {RUNNER}, {COUNTER}, {LIBRARY}, and {QEMU} on PATH, found "
            f"no {', '.join(missing) or QEMU}. Run: make setup-arm"
        )
    said = subprocess.run([QEMU, "--version"], capture_output=True, text=True, check=True).stdout
    return Tools(
        said.splitlines()[0].removeprefix("qemu-aarch64 version "),
        *(files.sha256(FOLDER / name) for name in (LIBRARY, RUNNER, COUNTER)),
    )


def run(
    path: Path, cpu: str, feeds: Mapping[str, NDArray[Any]] | None = None, *, fp16: bool = False
) -> Run:
    """Counts an inference on one thread.

    Args:
        cpu: a key of CPUS.
        feeds: inputs by name; without, random ones. Counts do not depend on them.
        fp16: XNNPACK computes in half precision.

    Raises:
        InputError: no tools, a file or flag that the library refuses, or counts that differ.
    """
    tools()
    with tempfile.TemporaryDirectory(prefix="efld-arm-") as folder:
        work = Path(folder)
        flags = [
            f"--graph={path}", f"--library={FOLDER / LIBRARY}", "--mark=true",
            f"--num_runs={RUNS}", "--min_secs=0", "--warmup_min_secs=0", "--max_secs=86400",
            f"--xnnpack_force_fp16={str(fp16).lower()}", f"--output_filepath={work / 'out'}",
        ]  # fmt: skip
        if feeds:
            flags.append(f"--input_layer_value_files={_written(feeds, work)}")
        plugin = f"{FOLDER / COUNTER},out={work / 'counts'}"
        _emulate(path, [QEMU, "-L", SYSTEM_ROOT, "-cpu", CPUS[cpu].qemu, "-plugin", plugin,
                        str(FOLDER / RUNNER), *flags])  # fmt: skip
        return Run(_agreed(path, (work / "counts").read_text()), (work / "out").read_bytes())


def _written(feeds: Mapping[str, NDArray[Any]], work: Path) -> str:
    """Writes each input's values; gives the runner's list of names and files."""
    for index, array in enumerate(feeds.values()):
        np.ascontiguousarray(array).tofile(work / f"in{index}")
    return ",".join(f"{name}:{work / f'in{index}'}" for index, name in enumerate(feeds))


def _emulate(path: Path, command: list[str]) -> None:
    # The user's QEMU_CPU, QEMU_LOG, QEMU_PLUGIN, ... would join in.
    environment = {name: value for name, value in os.environ.items() if name[:5] != "QEMU_"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise InputError(
            f"{path}: no result after {TIMEOUT_S} s of emulation, expected seconds. Is it that big?"
        ) from None
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if line] or ["nothing said"]
        raise InputError(
            f"{path}: expected an inference under {QEMU}, found exit code {done.returncode}: "
            f"{one_line(ValueError(' | '.join(errors[-3:])))}. If the tools are at fault: "
            f"rm -r {FOLDER.name}; make setup-arm"
        )


def _agreed(path: Path, text: str) -> dict[str, int]:
    """The counts of all runs, which must be the same: else they are no measure."""
    counts = [{name: int(json.loads(line)[name]) for name in CLASSES} for line in text.splitlines()]
    if len(counts) != RUNS or any(count != counts[0] for count in counts):
        totals = [sum(count.values()) for count in counts]
        raise InputError(
            f"{path}: expected {RUNS} runs of equal counts, found {totals}. Does the graph "
            "depend on its state or on time? Such a file cannot be counted."
        )
    return counts[0]
