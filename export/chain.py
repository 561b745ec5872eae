"""The whole export of one run: convert, measure, gate, and only then replace the artefacts."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from efld import evaluate, files, runtime
from efld.data.datasets import default_split, fitting, label, open_faces
from efld.errors import InputError
from efld.evaluate import Crops
from efld.run_files import EXPORT, FILES, SPEC, WEIGHTS
from efld.spec import ModelSpec
from export import onnx_graph
from export.conversion import Conversion, Say
from export.run_folder import drop_stale_int8, foreign_file
from export.steps import LIMITS, Limit, Step, with_transposes


@dataclass(frozen=True)
class Evaluation:
    """The faces that every artefact is measured on."""

    root: Path | None  # None: the embedded synthetic faces
    split: str = ""  # empty: "common", or all faces of a folder without a split of its own

    @property
    def used_split(self) -> str:
        return self.split or default_split(self.root, quick=True)

    def crops(self, spec: ModelSpec, say: Say = lambda _: None) -> Crops:
        """Of the faces with the model's points, as training takes them."""
        faces, others = fitting(open_faces(self.root, self.used_split), spec.scheme)
        if others:
            say(f"{label(self.root)}: {others}")
        return evaluate.cut(faces, spec)

    def to_record(self, crops: Crops) -> dict[str, Any]:
        return {"root": label(self.root), "split": self.used_split, "faces": len(crops)}


def export(
    run: Path, evaluation: Evaluation, say: Say, limits: Mapping[str, Limit] = LIMITS
) -> list[Step]:
    """Writes `model.onnx`, `model.fp32.tflite`, `model.fp16.tflite` and `export.json` of a run.

    All of them are replaced, or, when a step fails or costs too much, none. An int8 file of
    another float file goes with that.

    Raises:
        InputError: weights or faces that are not as they should be.
        StepError: a conversion failed, or cost more than its limit.
    """
    spec = stamped_spec(run)
    crops = evaluation.crops(spec, say)
    with files.workspace(run, "export") as work:
        import keras  # takes seconds, and faces that are refused need none of it

        from efld.models import saved

        weights = run / WEIGHTS
        reference = runtime.load(weights)  # first: it says what is wrong with a file
        model = saved.load(weights)
        write_onnx = partial(onnx_graph.write, model, spec)
        own = sum(isinstance(layer, keras.layers.Permute) for layer in model.layers)
        ours = with_transposes(limits, own)
        job = Conversion("keras", reference, spec, write_onnx, crops, work, ours, say)
        steps = list(job.steps())
        for name in limits:
            (work / FILES[name]).replace(run / FILES[name])
    drop_stale_int8(run)
    EXPORT.write(run, job.record(evaluation.to_record(crops), steps))
    return steps


def stamped_spec(run: Path) -> ModelSpec:
    """The run's spec with the hash of its weights.

    Raises:
        InputError: the spec names other weights than the run's.
    """
    spec, weights = ModelSpec.read(run / SPEC), run / WEIGHTS
    if not spec.weights_sha256:
        return replace(spec, weights_sha256=files.sha256(weights))
    files.check_sha256(weights, spec.weights_sha256, SPEC, "Restore the pair or train again.")
    return spec


def described(run: Path) -> str:
    """What the figures of a run's table mean."""
    data = read_record(run)[0]["data"]
    return (
        f"{run}: NME on {data['faces']} faces of {data['root']}, split {data['split']}; "
        "differences to the first file in pixels of the crop"
    )


def read_record(run: Path) -> tuple[dict[str, Any], list[Step]]:
    """What `export` recorded for a run, and its steps.

    Raises:
        InputError: no record, or one of other files than those that lie there now.
    """
    record = EXPORT.read(run)
    steps = [Step(**row) for row in record["steps"]]
    for step in steps:
        path = run / step.file
        if not path.is_file() or files.sha256(path) != step.sha256:
            source = foreign_file(run)
            command = f"python -m quantize {source}" if source else f"{EXPORT.command} {run}"
            raise InputError(
                f"{path}: is not the file that {EXPORT.file} describes. Run `{command}` again."
            )
    return record, steps
