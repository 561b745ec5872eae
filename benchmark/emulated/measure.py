"""Counts several files on several classes of processors, and checks each result on this machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmark.emulated import half, toolchain, work
from benchmark.emulated.half import Moved
from benchmark.emulated.toolchain import CPUS, Tools
from benchmark.feeds import Feeds, random_feeds
from benchmark.names import shown
from efld import files, tflite_file
from efld.errors import InputError
from efld.sessions import Session, open_session

# Largest |emulated - host| over max(1, largest |host|). Float32 and fp16 round otherwise in other
# kernels; an int8 result may be a step off. Seen on eight files: 1.2e-6, 1.5e-2, 6e-7.
LIMITS = {"float32": 1e-4, "fp16": 5e-2, "int8": 1e-2}
_LIBRARY = "It is another computation: change the version in benchmark/native/requirements.txt."
REMEDIES = {
    "float32": _LIBRARY,
    "fp16": "Its values leave the range of half precision: take --cpu a72, or leave out --fp16.",
    "int8": _LIBRARY,
}


@dataclass(frozen=True, kw_only=True)
class Counts:
    """One file on one class of processors, for one inference on one thread."""

    file: str
    sha256: str
    file_bytes: int
    model: str | None  # the zoo name that the file carries
    peer: bool
    cpu: str  # a key of CPUS
    fp16: bool  # XNNPACK computed in half precision
    instructions: int
    classes: dict[str, int]
    shares: dict[str, float]  # of `instructions`
    multiply_adds: int
    main_class: str  # that did most of the multiply-adds
    efficiency: float  # work.efficiency
    host_difference: float  # as LIMITS has it
    partitions: int | None  # as this machine's runtime cuts the graph
    half_moves: Moved | None = None  # where fp16, of our own files


@dataclass(frozen=True, kw_only=True)
class Emulated:
    """Counts of files, and the tools that made them."""

    tools: Tools
    host_runtime: str  # gave the results to compare with
    counts: tuple[Counts, ...]


def measure(
    paths: Sequence[Path], peers: Sequence[Path], cpus: Sequence[str], *, force_fp16: bool = False
) -> Emulated:
    """Counts every file on every class of processors.

    Args:
        cpus: keys of CPUS.
        force_fp16: half precision for every file, where the processor has it; without, only for
            files whose weights are float16.

    Raises:
        InputError: no tools, no .tflite file, or a result that is not this machine's.
    """
    jobs = [(path, path in peers, cpu) for cpu in cpus for path in [*paths, *peers]]
    jobs = tqdm(jobs, unit="count", leave=False, disable=None)
    found = [_counts(path, peer, cpu, force_fp16) for path, peer, cpu in jobs]
    runtime = open_session(paths[0]).runtime
    return Emulated(tools=toolchain.tools(), host_runtime=runtime, counts=tuple(found))


def count(path: Path, cpu: str, *, fp16: bool = False) -> Counts:
    """Counts one file; `fp16` as `force_fp16` in `measure`."""
    return _counts(path, False, cpu, fp16)


def _counts(path: Path, peer: bool, cpu: str, force_fp16: bool) -> Counts:
    if path.suffix != ".tflite":
        raise InputError(f"{path}: expected a .tflite file, found {path.suffix!r}. Export it.")
    model = tflite_file.read(path)
    spec = tflite_file.read_spec(path)
    fp16 = uses_fp16(model, cpu, force_fp16)
    session = open_session(path)
    feeds = random_feeds(session, path, high=spec.input_range[1] if spec else 1.0)
    run = toolchain.run(path, cpu, feeds, fp16=fp16)
    delegation = session.delegation()
    multiply_adds, main = work.multiply_adds(model), work.main_class(run.classes)
    difference = _checked(path, session, feeds, run.output, _kind(model, fp16))
    return Counts(
        file=shown(path),
        sha256=files.sha256(path),
        file_bytes=path.stat().st_size,
        model=spec.model if spec else None,
        peer=peer,
        cpu=cpu,
        fp16=fp16,
        instructions=run.instructions,
        classes=run.classes,
        shares={name: round(n / run.instructions, 4) for name, n in run.classes.items()},
        multiply_adds=multiply_adds,
        main_class=main,
        efficiency=work.efficiency(multiply_adds, run.classes, main),
        host_difference=difference,
        partitions=delegation.partitions if delegation else None,
        half_moves=half.moved(path, cpu, spec, session) if spec and fp16 and not peer else None,
    )


def uses_fp16(model: Any, cpu: str, force: bool) -> bool:
    """Whether a model is computed in half precision on a class of processors."""
    tensors = tflite_file.tensors(model)
    stored = any(tensor.constant and tensor.dtype == "float16" for tensor in tensors)
    return CPUS[cpu].has_fp16 and (force or stored)


def _kind(model: Any, fp16: bool) -> str:
    """Which of LIMITS holds."""
    tensors = tflite_file.tensors(model)
    if any(tensor.dtype in {"int8", "uint8"} and not tensor.constant for tensor in tensors):
        return "int8"
    return "fp16" if fp16 else "float32"


def _checked(path: Path, session: Session, feeds: Feeds, output: bytes, kind: str) -> float:
    """The difference to the same inference on this machine.

    Raises:
        InputError: above the limit: then the counts are those of another computation.
    """
    expected = session.run(feeds)
    if len(output) != sum(array.nbytes for array in expected):
        raise InputError(
            f"{path}: {len(output)} bytes of emulated output, expected this machine's."
        )
    difference, start = 0.0, 0
    for array in expected:
        found = np.frombuffer(output, array.dtype, array.size, start).astype(np.float64)
        start += array.nbytes
        scale = max(1.0, float(np.abs(array, dtype=np.float64).max(initial=0)))
        largest = np.abs(found - array.ravel()).max(initial=0) / scale
        difference = max(difference, float(np.nan_to_num(largest, nan=np.inf)))
    if difference > LIMITS[kind]:
        raise InputError(
            f"{path}: the emulated result differs from this machine's by {difference:.2g} of its "
            f"size, expected at most {LIMITS[kind]:g} ({kind}). {REMEDIES[kind]}"
        )
    return difference
