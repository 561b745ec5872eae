"""The quantisation of one run: calibrate, choose by measurement, audit, gate, then write."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from efld import files, runtime, tflite_file
from efld.data.datasets import training_faces
from efld.errors import InputError, StepError
from efld.evaluate import Crops
from efld.runtime import LandmarkModel
from export.chain import FILES, Evaluation, Say, read_record
from export.steps import Reference, Step, measure
from quantize import calibration, recipe
from quantize.audit import Audit, audit
from quantize.calibration import METHODS, CalibrationFaces, ranges
from quantize.layers import layer_errors
from quantize.making import Maker
from quantize.recipe import FloatOp

SCHEMA = 1
RECORD, FILE = "quantize.json", "model.int8.tflite"
TOOLS = ("ai-edge-quantizer", "ai-edge-litert")
MAX_NME_DROP = 0.05  # points of NME, percent
LATENCY_WARM_UP, LATENCY_RUNS = 20, 200
LAYER_PICTURES = 16
RENDERED_SHARE = 2  # rendered training faces for each that calibrates


@dataclass(frozen=True)
class Options:
    """What changes the result."""

    calibration_faces: int = 256
    seed: int = 0
    max_nme_drop: float = MAX_NME_DROP


@dataclass(frozen=True)
class Trial:
    """A calibration method, measured on held-out training faces."""

    method: str
    nme_percent: float
    mean_px: float  # distance from the float model's points


@dataclass(frozen=True, eq=False)
class _Job:
    """One quantisation; its files go to `work`."""

    fp32: LandmarkModel
    planned: list[FloatOp]
    faces: CalibrationFaces
    work: Path
    say: Say

    def trials(self) -> list[Trial]:
        """Every method's file, measured on held-out training faces; the float model is first."""
        spec = self.fp32.spec
        self.say(f"calibration on {len(self.faces.calibrate)} training faces")
        images = calibration.cut(self.faces.calibrate, spec).images
        found = calibration.extremes(self.fp32.path, images)
        held_out = Reference.of(self.fp32, calibration.cut(self.faces.choose, spec))
        trials = [_trial("none (float32)", self.fp32, held_out)]
        maker = Maker(self.fp32, self.faces.ids)
        for method, summed in METHODS.items():
            maker.write(self.path(method), self.planned, ranges(found, summed))
            trials.append(_trial(method, runtime.load(self.path(method)), held_out))
            self.say(f"{method}: NME {trials[-1].nme_percent:.3f} % on held-out training faces")
        return trials

    def path(self, method: str) -> Path:
        return self.work / method / FILE


def quantize(run: Path, evaluation: Evaluation, options: Options, say: Say) -> list[Step]:
    """Writes `model.int8.tflite` and `quantize.json` of a run that was exported.

    Returns:
        All steps from Keras on, for the table.

    Raises:
        InputError: no export, faces that may not calibrate, another evaluation than the export's.
        StepError: the file is not int8 throughout, or costs more accuracy than its limit. Earlier
            files are untouched.
    """
    exported, steps = read_record(run)
    fp32 = runtime.load(run / FILES["fp32"])
    crops = evaluation.crops(fp32.spec)
    _check_same_faces(run, exported["data"], evaluation.to_record(crops))
    faces = _faces(evaluation, crops, options)
    planned = recipe.float_ops(tflite_file.read(fp32.path))
    with files.workspace(run, "quantize") as work:
        job = _Job(fp32, planned, faces, work, say)
        started = time.perf_counter()
        trials = job.trials()
        best = min(trials[1:], key=lambda trial: trial.nme_percent)
        seconds = time.perf_counter() - started
        result = _judge(job, best, Reference.of(fp32, crops), options.max_nme_drop, seconds)
        job.path(best.method).replace(run / FILE)
    data = exported["data"]["root"]
    files.write_json(run / RECORD, _record(job, trials, result, options, data))
    return [*steps, result.step]


def _check_same_faces(run: Path, exported: dict[str, Any], given: dict[str, Any]) -> None:
    if exported != given:
        raise InputError(
            f"{run}: was exported with figures of {exported}, found {given}. "
            "Give both commands the same --data and --split."
        )


def _faces(evaluation: Evaluation, crops: Crops, options: Options) -> CalibrationFaces:
    # Splits that hold the training faces by their nature cannot be kept apart from them.
    test_ids = () if evaluation.used_split in ("train", "all") else crops.ids
    # Rendering takes time, and one rendered face is as good as another.
    limit = RENDERED_SHARE * options.calibration_faces if evaluation.root is None else None
    training = training_faces(evaluation.root, limit)
    return calibration.pick(training, test_ids, options.calibration_faces, options.seed)


def _trial(method: str, model: LandmarkModel, held_out: Reference) -> Trial:
    points = model(held_out.crops.images)
    mean_px = float(held_out.distance_px(points).mean())
    return Trial(method, held_out.nme_percent(points), mean_px)


@dataclass(frozen=True, eq=False)
class _Result:
    step: Step
    audit: Audit
    method: str
    fp32_nme_percent: float
    layers: list[dict[str, Any]]
    latency: dict[str, float]


def _judge(
    job: _Job, best: Trial, reference: Reference, max_nme_drop: float, seconds: float
) -> _Result:
    """Measures, audits and gates the best file."""
    path = job.path(best.method)
    model, graph = runtime.load(path), tflite_file.read(path)
    delegation = model.session.delegation()
    if delegation is None:
        raise StepError(
            f"step int8: {path.name} ran without XNNPACK, so nothing can be said of it."
        )
    found = audit(graph, job.planned, delegation)
    step = measure("int8", model, reference, seconds=seconds, ops=found.ops, verdict="")
    nme_percent = reference.nme_percent(reference.points)
    check(step, found, nme_percent, max_nme_drop)
    drop = round(step.nme_percent - nme_percent, 3) + 0.0  # no "-0.000"
    verdict = f"ok, NME {drop:+.3f}, limit +{max_nme_drop:g}; 1 partition"
    latency = compare_latency(job.fp32, model, reference.crops)
    job.say(f"int8: {latency['int8_over_fp32']:.2f} of float32's time in the same run")
    layers = layer_errors(job.fp32.path, path, reference.crops.images[:LAYER_PICTURES])
    step = replace(step, verdict=verdict)
    return _Result(step, found, best.method, nme_percent, layers, latency)


def check(step: Step, found: Audit, fp32_nme_percent: float, max_nme_drop: float) -> None:
    """The gate.

    Raises:
        StepError: with step, limit and finding.
    """
    faults = found.faults()
    drop = step.nme_percent - fp32_nme_percent
    if not drop <= max_nme_drop:
        faults.append(
            f"NME {fp32_nme_percent:.3f} -> {step.nme_percent:.3f} %, {drop:+.3f} points, "
            f"limit +{max_nme_drop:g}"
        )
    if faults:
        raise StepError(f"step int8: {'; '.join(faults)}.")


def compare_latency(fp32: LandmarkModel, int8: LandmarkModel, crops: Crops) -> dict[str, float]:
    """Median milliseconds of both on one thread, taking turns so that a busy machine hits both."""
    image = {"image": crops.images[:1].astype(np.float32)}
    invokes = [model.session.bind(image) for model in (fp32, int8)]
    times_ms: list[list[float]] = [[], []]
    for turn in range(LATENCY_WARM_UP + LATENCY_RUNS):
        for invoke, times in zip(invokes, times_ms, strict=True):
            started = time.perf_counter()
            invoke()
            if turn >= LATENCY_WARM_UP:
                times.append(1e3 * (time.perf_counter() - started))
    fp32_ms, int8_ms = map(statistics.median, times_ms)
    return {"fp32_ms": fp32_ms, "int8_ms": int8_ms, "int8_over_fp32": int8_ms / fp32_ms}


def _record(
    job: _Job, trials: Sequence[Trial], result: _Result, options: Options, data: str
) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "model": job.fp32.spec.model,
        "weights_sha256": job.fp32.spec.weights_sha256,
        "fp32_sha256": files.sha256(job.fp32.path),
        "options": asdict(options),
        "calibration_data": data,
        "calibration_ids": list(job.faces.ids),
        "method": result.method,
        "trials": [asdict(trial) for trial in trials],
        "held_out_faces": len(job.faces.choose),
        "nme_percent": {"fp32": result.fp32_nme_percent, "int8": result.step.nme_percent},
        "latency": result.latency,
        "audit": result.audit.to_record(),
        "layers": result.layers,
        "tools": {tool: metadata.version(tool) for tool in TOOLS},
        "step": asdict(result.step),
    }
