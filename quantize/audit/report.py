"""Everything that is known of one file: verdict, findings, tables, record."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from efld import files, tflite_file
from efld.data.datasets import has_split, open_faces
from efld.errors import InputError, say
from efld.sessions import Delegation, Session, open_session
from efld.spec import ModelSpec
from efld.tflite_file import Model
from quantize.audit import arithmetic, delegate, pictures, provenance, scales, sizes
from quantize.audit.arithmetic import Computing
from quantize.audit.finding import Finding, sorted_by_severity
from quantize.audit.gate import by_dtype
from quantize.audit.pictures import Seen
from quantize.audit.plan import plan
from quantize.audit.sizes import Sizes
from quantize.graph import Graph, Value

SCHEMA = 1


@dataclass(frozen=True)
class Options:
    """What the user says of a file, and the pictures to run it on."""

    says: str = ""  # "int8", "float", or "": as its name and spec say
    ours: bool = False
    data: Path | None = None  # None: rendered faces
    split: str = ""


@dataclass(frozen=True)
class Report:
    """One file."""

    path: Path
    sha256: str
    says_int8: bool
    says_why: str
    spec: ModelSpec | None
    findings: list[Finding]
    constants: dict[str, dict[str, int]]  # dtype -> {"tensors": n, "bytes": n}
    activations: dict[str, int]  # dtype -> tensors
    computing: Computing
    planned_by: str  # who said which ops may stay float
    delegation: Delegation | None  # None: the runtime refuses the file
    seen: Seen
    sizes: Sizes
    tensors: list[dict[str, Any]]  # all of them

    @property
    def exit_code(self) -> int:
        return int(any(finding.severity == "fault" for finding in self.findings))

    def record(self) -> dict[str, Any]:
        """For `--json`."""
        found = asdict(self) | {"schema": SCHEMA, "file": self.path.name}
        found["sizes"]["structure"] = self.sizes.structure
        found["computing"]["int8_share"] = self.computing.int8_share
        del found["path"]
        return found


def report(path: Path, options: Options) -> Report:
    """Audits any .tflite file.

    Raises:
        InputError: no whole TFLite file, or pictures that cannot be had.
    """
    model = tflite_file.read(path)
    graph = Graph.of(model)
    spec, unread = _spec(path)
    says, why = provenance.says_int8(path, spec, options.says)
    session, refused = _session(path)
    planned, planned_by = plan(path, model, spec)
    computing = arithmetic.computing(graph, planned)
    delegation = session.delegation() if session is not None else None
    seen = _seen(path, graph, spec, options) if session is not None else _unseen("it cannot run")
    weighed = sizes.sizes(path.read_bytes(), model, graph)
    found: list[Iterable[Finding]] = [
        unread,
        refused,
        arithmetic.findings(computing, says),
        provenance.calibration(spec, says and computing.is_int8, _test_ids(spec, options)),
        provenance.metadata(path, spec, session, graph, options.ours) if not unread else (),
        scales.findings(graph, says),
        pictures.findings(seen),
        delegate.findings(graph, delegation),
        sizes.findings(weighed),
    ]
    constants, activations = _dtypes(model)
    return Report(
        path, files.sha256(path), says, why, spec,
        sorted_by_severity(finding for part in found for finding in part),
        constants, activations, computing, planned_by, delegation, seen, weighed,
        [_tensor(value) for value in graph.values],
    )  # fmt: skip


def _tensor(value: Value) -> dict[str, Any]:
    return {
        "name": value.name,
        "dtype": value.dtype,
        "shape": value.shape,
        "constant": value.constant is not None,
        "scales": value.scales.tolist(),
        "zero_points": value.zero_points.tolist(),
    }


def _spec(path: Path) -> tuple[ModelSpec | None, list[Finding]]:
    try:
        return tflite_file.read_spec(path), []
    except InputError as error:
        return None, [_finding("fault", "wrong-metadata", "spec", path, error)]


def _session(path: Path) -> tuple[Session | None, list[Finding]]:
    try:
        return open_session(path), []
    except InputError as error:
        return None, [_finding("warning", "refused", "the file", path, error)]


def _finding(severity: Any, code: str, where: str, path: Path, error: InputError) -> Finding:
    return Finding(severity, code, where, str(error).removeprefix(f"{path}: "), "")


def _seen(path: Path, graph: Graph, spec: ModelSpec | None, options: Options) -> Seen:
    """Runs the file on pictures, where there is something to see."""
    if not pictures.quantized_activations(graph):
        return _unseen("none of its activations is quantised to 8 bits")
    fed = spec or pictures.foreign_spec(graph)
    if fed is None:
        return _unseen("it carries no spec, and its graph does not tell its input range")
    if sorted(graph.values[graph.inputs[0]].shape) != sorted(fed.input_shape):
        return _unseen("its spec tells of another input than its graph has")
    say("running it on pictures")
    faces, words = pictures.faces_for(fed, options.data, options.split)
    if spec is None:
        low, high = fed.input_range
        words += f", spread over {low:.4g}..{high:.4g} as its own input scale spans"
    return pictures.look(path, graph, fed, faces, words)


def _unseen(why: str) -> Seen:
    return Seen(f"not run on pictures: {why}", 0, [], [], 0)


def _test_ids(spec: ModelSpec | None, options: Options) -> Collection[str]:
    if spec is None or not spec.calibration or options.data is None or not has_split(options.data):
        return ()
    return {face.id for face in open_faces(options.data, "full")}


def _dtypes(model: Model) -> tuple[dict[str, dict[str, int]], dict[str, int]]:
    tensors = tflite_file.tensors(model)
    computed = Counter(tensor.dtype for tensor in tensors if not tensor.constant)
    return by_dtype([tensor for tensor in tensors if tensor.constant]), dict(computed)
