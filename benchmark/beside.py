"""Files of ours and of other people on the same faces, in one process: errors and times."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from benchmark import accuracy, accuracy_report, host
from benchmark.accuracy import Result, Ruler
from benchmark.accuracy_report import Report
from benchmark.host import Host, Latency
from efld.data import datasets
from efld.data.faces import Face
from efld.errors import InputError
from efld.runtime import LandmarkModel, load, open_file
from efld.spec import CENTRE_PX, ModelSpec
from efld.statistics import LEVEL

SCHEMA = 1

HELP = """examples:
  python -m benchmark beside runs/efld-small/model.int8.tflite \\
    --peer pfld.onnx --peer-spec pfld.json --data 300W --split full

Errors and times of our files and of other people's, on the same faces and in one process. Every
error is compared with that of the first file, every time with that of the first peer. The record
goes to runs/NAME/bench/beside.json if our files lie in one folder runs/NAME, unless --json says
where.

--peer-spec says how a peer is fed and read: JSON in the form of spec.json, for example

  {"schema": 1, "model": "PFLD", "input_px": 112, "channels": "rgb", "input_range": [0, 1],
   "scheme": "68", "box_factor": 1.1, "origin_px": 1, "licence": "none stated"}

  input_px     side of the square crop; the graph takes one picture, float32, channels last or first
  channels     "grey" (default) or "rgb"
  input_range  what black and white become; default [0, 255]
  scheme       default "68"; the graph answers x, y, x, y, ... from 0 to 1 over the crop
  box_factor   the crop's side over the longer side of the landmarks' box; default 1.25
  origin_px    where the middle of the picture's first pixel lies in the peer's coordinates, whose
               crop is picture[top:bottom, left:right]. 0.5 (default) is exact; 1 for a peer whose
               authors took the points as they stand in .pts files; 0 if they subtracted 1

Only "schema", "model" and "input_px" must be given. A peer that carries a spec, as our files do,
needs none.
"""


@dataclass(frozen=True, kw_only=True)
class PeerSpec(ModelSpec):
    """What a user says of a foreign file: a spec, and how its authors counted pixels."""

    origin_px: float = CENTRE_PX  # the first pixel's middle, in coordinates of the crop's edges

    REMEDY: ClassVar[str] = "`python -m benchmark beside --help` shows the form."

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads a file that somebody wrote by hand.

        Raises:
            InputError: as `from_json`, or a value that no model has.
        """
        spec = cls.from_json(path.read_bytes(), str(path))
        span, factor = spec.input_range, spec.box_factor
        is_range = isinstance(span, tuple) and len(span) == 2 and all(map(_is_number, span))
        for name, expected, right in (
            ("input_range", "[low, high]", is_range and span[0] < span[1]),
            ("box_factor", "a number above 0", _is_number(factor) and factor > 0),
            ("origin_px", "a number", _is_number(spec.origin_px)),
        ):
            if not right:
                found = getattr(spec, name)
                raise InputError(f"{path}: {name} {found!r}, expected {expected}. {cls.REMEDY}")
        return spec


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


@dataclass(frozen=True, eq=False)
class Beside:
    """Our files, then peers: what they miss on the same faces, and how long they take."""

    errors: Report
    times: Host
    peers: tuple[ModelSpec, ...]

    def record(self) -> dict[str, Any]:
        """For a JSON file."""
        return {
            "schema": SCHEMA,
            "command": self.errors.command,
            "accuracy": self.errors.record(),
            "host": asdict(self.times),
            "peer_specs": [asdict(spec) for spec in self.peers],
        }


def measure(
    paths: Sequence[Path],
    peers: Sequence[Path],
    peer_specs: Sequence[Path],
    *,
    data: Path | None,
    split: str,
    command: str,
    threads: int = 1,
    seconds: float = 3,
) -> Beside:
    """Measures files and peers on the faces of a split.

    Args:
        peer_specs: a `PeerSpec` for each peer that carries no spec, in the same order.
        data: a dataset's folder; None = the embedded synthetic faces.
        seconds: of timing, for each file.

    Raises:
        InputError: whatever `open_peers`, `accuracy.measure` and `host.measure` refuse.
    """
    host.check([*paths, *peers], (threads,), seconds)
    others = open_peers(peers, peer_specs)
    models, ruler = [*map(load, paths), *others], Ruler()
    faces = datasets.open_faces(data, split)
    accuracy.check(models, faces, ruler)
    errors = results(models, faces, ruler)
    times = host.measure(paths, peers, threads=(threads,), seconds=seconds, starts=1)
    report = Report(
        command=command,
        data=datasets.source(data),
        split=split,
        terms=accuracy_report.terms(data),
        ruler=ruler,
        faces=faces,
        results=errors,
    )
    return Beside(report, times, tuple(model.spec for model in others))


def open_peers(peers: Sequence[Path], specs: Sequence[Path]) -> list[LandmarkModel]:
    """Opens peers, each by the spec that it carries or else by the next of the given ones.

    Raises:
        InputError: more or fewer specs than peers without one, a spec that cannot be read, or a
            graph that is not as its spec says.
    """
    opened = [(path, *open_file(path)) for path in peers]
    foreign = [str(path) for path, spec, _ in opened if spec is None]
    if len(foreign) != len(specs):
        raise InputError(
            f"{len(specs)} --peer-spec for {len(foreign)} peers that carry no spec "
            f"({', '.join(foreign) or 'none'}), expected one each in the same order. "
            f"{PeerSpec.REMEDY}"
        )
    given = iter([PeerSpec.read(path) for path in specs])
    return [LandmarkModel(spec or next(given), path, session) for path, spec, session in opened]


def results(models: Sequence[LandmarkModel], faces: Sequence[Face], ruler: Ruler) -> list[Result]:
    """Errors, one a model. Box and points move together to where the model's authors had them."""
    moves_px = [_move_px(model.spec) for model in models]
    found: dict[LandmarkModel, Result] = {}
    for move_px in dict.fromkeys(moves_px):
        own = [model for model, its_px in zip(models, moves_px, strict=True) if its_px == move_px]
        moved = [replace(face, points=face.points + np.float32(move_px)) for face in faces]
        found |= zip(own, accuracy.measure(own, moved, ruler), strict=True)
    return [found[model] for model in models]


def _move_px(spec: ModelSpec) -> float:
    return spec.origin_px - CENTRE_PX if isinstance(spec, PeerSpec) else 0.0


def text(beside: Beside) -> str:
    """The result for a terminal."""
    errors, times = beside.errors, beside.times
    heading = filter(None, [errors.heading, errors.how, errors.caution, host.heading(times)])
    return "\n\n".join(["\n".join(heading), table(beside), "\n".join(errors.comparisons)])


def table(beside: Beside) -> str:
    """A row a file."""
    own = beside.errors.results
    names = [f"[{i}] {result.row.file}" for i, result in enumerate(own, 1)]
    width, level = max(map(len, names)), f"({100 * LEVEL:.0f} %)"
    head = (
        f"{'file':<{width}} {'bytes':>11} {'NME %':>7} {level:>15} {'minus [1]':>10} "
        f"{level:>18} {'ms':>9} {'ratio':>7}  runtime"
    )
    rows = [
        f"{name:<{width}} {_errors(beside.errors, result)} {_times(latency)}"
        for name, result, latency in zip(names, own, beside.times.files, strict=True)
    ]
    return "\n".join([head, *rows])


def _errors(report: Report, result: Result) -> str:
    spread = f"({result.spread.low:.3f}-{result.spread.high:.3f})"
    minus, its_spread = "-", "-"
    if result is not report.results[0]:
        found = report.difference(result)
        minus, its_spread = f"{found.mean:+.3f}", f"({found.low:+.3f} to {found.high:+.3f})"
    row = result.row
    return (
        f"{row.file_bytes:>11,} {row.nme_percent:>7.3f} {spread:>15} {minus:>10} {its_spread:>18}"
    )


def _times(latency: Latency) -> str:
    return f"{latency.median_ms:>9.4f} {latency.ratio:>7.3f}  {latency.runtime}"
