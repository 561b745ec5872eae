"""The whole export of one run: convert, measure, gate, and only then replace the artefacts."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from efld import evaluate, files, runtime, tflite_file
from efld.data.datasets import default_split, label, open_faces
from efld.errors import InputError
from efld.evaluate import Crops
from efld.spec import ModelSpec
from export import onnx_graph, tflite_graph
from export.run_folder import SPEC, WEIGHTS
from export.steps import LIMITS, Limit, Reference, Step, check, measure

SCHEMA = 1
RECORD = "export.json"
FILES = {"onnx": "model.onnx", "fp32": "model.fp32.tflite", "fp16": "model.fp16.tflite"}
TOOLS = ("keras", "tensorflow-cpu", "tf2onnx", "onnx", "onnx2tf", "onnxruntime", "ai-edge-litert")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Evaluation:
    """The faces that every artefact is measured on."""

    root: Path | None  # None: the embedded synthetic faces
    split: str = ""  # empty: "common", or all faces of a folder without a split of its own

    @property
    def used_split(self) -> str:
        return self.split or default_split(self.root, quick=True)

    def crops(self, spec: ModelSpec) -> Crops:
        return evaluate.cut(open_faces(self.root, self.used_split), spec)

    def to_record(self, crops: Crops) -> dict[str, Any]:
        return {"root": label(self.root), "split": self.used_split, "faces": len(crops)}


def export(
    run: Path, evaluation: Evaluation, say: Say, limits: Mapping[str, Limit] = LIMITS
) -> list[Step]:
    """Writes `model.onnx`, `model.fp32.tflite`, `model.fp16.tflite` and `export.json` of a run.

    All of them are replaced, or, when a step fails or costs too much, none.

    Raises:
        InputError: weights or faces that are not as they should be.
        StepError: a conversion failed, or cost more than its limit.
    """
    spec = stamped_spec(run)
    crops = evaluation.crops(spec)
    with files.workspace(run, "export") as work:
        job = _Job(run / WEIGHTS, spec, crops, work, limits, say)
        steps = list(job.steps())
        for name in FILES.values():
            (job.work / name).replace(run / name)
    files.write_json(run / RECORD, _record(spec, evaluation.to_record(crops), steps, limits))
    return steps


def stamped_spec(run: Path) -> ModelSpec:
    """The run's spec with the hash of its weights.

    Raises:
        InputError: the spec names other weights than the run's.
    """
    spec, found = ModelSpec.read(run / SPEC), files.sha256(run / WEIGHTS)
    if spec.weights_sha256 not in ("", found):
        raise InputError(
            f"{run / SPEC}: is of weights {spec.weights_sha256[:12]}, {WEIGHTS} is {found[:12]}. "
            "Restore the pair or train again."
        )
    return replace(spec, weights_sha256=found)


@dataclass(frozen=True, eq=False)
class _Job:
    """One export; its artefacts go to `work`."""

    weights: Path
    spec: ModelSpec
    crops: Crops
    work: Path
    limits: Mapping[str, Limit]
    say: Say

    def steps(self) -> Iterator[Step]:
        """Keras, ONNX, fp32 and fp16, each measured and gated before the next."""
        self.say(f"keras: {self.weights} on {len(self.crops)} faces")
        started = time.perf_counter()
        model = runtime.load(self.weights)
        reference = Reference.of(model, self.crops)
        seconds = time.perf_counter() - started
        yield measure("keras", model, reference, seconds=seconds, ops={}, verdict="reference")
        yield self._onnx(reference)
        yield from self._tflite(reference)

    def _onnx(self, reference: Reference) -> Step:
        import keras

        self.say("onnx: tf2onnx")
        started = time.perf_counter()
        model = keras.saving.load_model(self.weights, compile=False)
        ops = onnx_graph.write(model, self.spec, self.work / FILES["onnx"])
        return self._checked("onnx", reference, time.perf_counter() - started, ops)

    def _tflite(self, reference: Reference) -> Iterator[Step]:
        self.say("fp32 and fp16: onnx2tf")
        started = time.perf_counter()
        fp32, fp16 = self.work / FILES["fp32"], self.work / FILES["fp16"]
        tflite_graph.write(self.work / FILES["onnx"], self.spec, fp32, fp16)
        seconds = time.perf_counter() - started
        for step, path in (("fp32", fp32), ("fp16", fp16)):
            yield self._checked(step, reference, seconds, tflite_file.op_counts(path))

    def _checked(
        self, name: str, reference: Reference, seconds: float, ops: dict[str, int]
    ) -> Step:
        model, limit = runtime.load(self.work / FILES[name]), self.limits[name]
        verdict = f"ok, limit {limit.largest_px:g} px"
        step = measure(name, model, reference, seconds=seconds, ops=ops, verdict=verdict)
        self.say(f"{name}: {step.largest_px:.5f} px from Keras, {seconds:.1f} s")
        check(step, limit)
        return step


def _record(
    spec: ModelSpec, data: dict[str, Any], steps: list[Step], limits: Mapping[str, Limit]
) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "model": spec.model,
        "weights_sha256": spec.weights_sha256,
        "input_px": spec.input_px,
        "data": data,
        "tools": {tool: metadata.version(tool) for tool in TOOLS},
        "limits": {step: asdict(limit) for step, limit in limits.items()},
        "steps": [asdict(step) for step in steps],
    }


def described(run: Path) -> str:
    """What the figures of a run's table mean."""
    data = read_record(run)[0]["data"]
    return (
        f"{run}: NME on {data['faces']} faces of {data['root']}, split {data['split']}; "
        "differences to Keras in pixels of the crop"
    )


def read_record(run: Path) -> tuple[dict[str, Any], list[Step]]:
    """What `export` recorded for a run, and its steps.

    Raises:
        InputError: no record, or one of other files than those that lie there now.
    """
    record = files.read_json(run / RECORD, SCHEMA, "python -m export")
    steps = [Step(**row) for row in record["steps"]]
    for step in steps:
        path = run / step.file
        if not path.is_file() or files.sha256(path) != step.sha256:
            raise InputError(
                f"{path}: is not the file that {RECORD} describes. Run `python -m export` again."
            )
    return record, steps
