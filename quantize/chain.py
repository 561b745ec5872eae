"""The quantisation of one run: calibrate, choose by measurement, audit, gate, then write."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

from numpy.typing import NDArray
from tqdm import tqdm

from efld import files, runtime, schemes, tflite_file
from efld.data.datasets import open_faces
from efld.errors import InputError, StepError
from efld.evaluate import Crops
from efld.run_files import CALIBRATION, FILES, QUANTIZE, QUANTIZE_PLOT
from efld.runtime import LandmarkModel, in_range
from export.chain import Evaluation, read_record
from export.conversion import Say
from export.steps import Reference, Step, measure
from quantize import calibration, lint, recipe
from quantize.audit import Audit, audit
from quantize.audit.finding import counted, lines
from quantize.calibration import CalibrationFaces
from quantize.kept import Calibrated, KeptChoice
from quantize.layers import layer_errors
from quantize.making import Maker
from quantize.recipe import FloatOp
from quantize.search import plot
from quantize.search.choose import Choice, Chooser, unsupported
from quantize.search.cost import Objective, latency_ratios
from quantize.search.journal import Journal
from quantize.search.trials import Plan, Trials
from quantize.search.units import Ops, Wiring

SEARCH = "search"
TOOLS = ("ai-edge-quantizer", "ai-edge-litert")
MAX_NME_DROP = 0.05  # points of NME, percent
LAYER_PICTURES = 16


@dataclass(frozen=True)
class Options:
    """What changes the result."""

    calibration_faces: int = 256
    seed: int = 0
    max_nme_drop: float = MAX_NME_DROP
    objective: Objective | None = None  # None: search only if the hand recipe comes too near

    def __post_init__(self) -> None:
        """
        Raises:
            InputError: a budget that no file could hold, or no calibration faces wanted.
        """
        calibration.check_count(self.calibration_faces)
        if not 0 <= self.max_nme_drop < math.inf:
            raise InputError(
                f"{self.max_nme_drop:g} points of NME as a budget, expected 0 or more, such as "
                f"{MAX_NME_DROP:g}."
            )


@dataclass(frozen=True)
class Trial:
    """A calibration method, measured on held-out training faces."""

    method: str
    nme_percent: float
    mean_px: float  # distance from the float model's points


@dataclass(frozen=True, eq=False)
class _Job:
    """One quantisation; its files go to `work`."""

    run: Path
    fp32: LandmarkModel
    faces: CalibrationFaces
    kept: Calibrated | None
    data: str  # where `faces` are from
    options: Options
    work: Path
    say: Say

    def choose(self) -> tuple[Choice, list[Trial]]:
        """What stays float, and the trials of its methods; the float model is first.

        Raises:
            InputError: a graph that cannot be quantised.
            StepError: no choice holds the budget.
        """
        model = tflite_file.read(self.fp32.path)
        graph = Wiring.of(model)
        no_kernel = recipe.unquantizable(graph.kinds)
        with tqdm(unit="trial", leave=False, disable=None) as bar:
            trials = self._trials(graph, frozenset(_of_kinds(graph, no_kernel)), bar)
            kernel = unsupported(trials, frozenset(_of_kinds(graph, no_kernel)))
            no_kernel |= {graph.kinds[i] for i in kernel}
            index = {name: i for i, name in enumerate(graph.names)}
            hand = {index[op.name]: op.why for op in recipe.float_ops(model, no_kernel)}
            by_hand = {i: why for i, why in hand.items() if i not in graph.pinned}
            chooser = Chooser(trials, by_hand, self.options.max_nme_drop, self.say)
            choice = self._as_kept(trials, index) or chooser.choose(self.options.objective)
        trials.make(choice.plan, self.path)
        return choice, list(self._rows(trials, choice))

    @property
    def path(self) -> Path:
        return self.work / FILES["int8"]

    @cached_property
    def _images(self) -> NDArray[Any]:
        spec = self.fp32.spec
        return in_range(calibration.cut(self.faces.calibrate, spec).images, spec)

    @cached_property
    def calibrated(self) -> Calibrated:
        """What was kept, or else is seen on the calibration faces."""
        if self.kept is not None:
            self.say(
                f"calibration on {len(self.kept.ids)} training faces of {self.kept.data}, and what "
                f"stays float, as kept in {self.run / CALIBRATION}; --data takes others"
            )
            return self.kept
        self.say(f"calibration on {len(self.faces.calibrate)} training faces")
        return Calibrated.observed(self.fp32, self._images, self.faces.ids, self.data)

    def _trials(self, graph: Wiring, kernel: Ops, bar: "tqdm[NoReturn]") -> Trials:
        spec = self.fp32.spec
        troubles = lint.findings(self.fp32.path, self._images)
        self.say("\n".join([f"{self.fp32.path}: {counted(troubles)}", *lines(troubles)]))
        summed = self.calibrated.ranges
        held_out = Reference.of(self.fp32, calibration.cut(self.faces.choose, spec))
        means = self.calibrated.means(self.fp32.path)
        maker = Maker(self.fp32, self.calibrated.ids, means)
        sample = self.work / "sample.tflite"
        planned = [FloatOp(graph.names[i], graph.kinds[i], "kernel") for i in sorted(kernel)]
        maker.write(sample, planned, summed[next(iter(summed))])
        context = {
            "fp32_sha256": files.sha256(self.fp32.path),
            "held_out": held_out.crops.sha256,
            "ranges": summed,
            "sample_sha256": files.sha256(sample),  # changes with the tools and their use
        }
        journal = Journal.open(self.run / SEARCH, context)
        if journal.known:
            self.say(f"{journal.path}: {len(journal.known)} trials of an earlier run are kept")
        return Trials(graph, self.fp32, maker, summed, held_out, journal, self.work, bar)

    def _as_kept(self, trials: Trials, index: Mapping[str, int]) -> Choice | None:
        """What was kept with the numbers, unless more is asked for than it held."""
        kept = self.kept and self.kept.choice
        if not kept or self.options.objective or self.options.max_nme_drop < kept.max_nme_drop:
            return None
        whys = {index[name]: why for name, why in kept.floats.items()}
        plan = Plan(frozenset(whys), next(iter(trials.ranges)))
        return Choice(plan, trials.planned(plan, whys), None, as_kept=True)

    def known(self, choice: Choice, step: Step) -> str | None:
        """What the file cost where its choice was made; None: nobody knows."""
        kept = self.kept.choice if self.kept and choice.as_kept else None
        return kept.cost_of(step.sha256, step.mean_px) if kept else None

    def _rows(self, trials: Trials, choice: Choice) -> Iterator[Trial]:
        held = trials.held_out
        yield Trial("none (float32)", held.nme_percent(held.points), 0.0)
        for method in trials.ranges:
            result = trials.measure(Plan(choice.plan.floats, method))
            yield Trial(method, result.nme_percent, result.mean_px)
            self.say(
                f"{method}: NME {result.nme_percent:.3f} % on {len(held.crops)} held-out training "
                f"faces of {self.data}"
            )


def _of_kinds(graph: Wiring, kinds: frozenset[str]) -> Iterator[int]:
    """The ops of some kinds that can be float."""
    return (i for i, kind in enumerate(graph.kinds) if kind in kinds and i not in graph.pinned)


def quantize(run: Path, evaluation: Evaluation, options: Options, say: Say) -> list[Step]:
    """Writes `model.int8.tflite` and `quantize.json` of a run that was exported.

    Returns:
        All steps from Keras on, for the table.

    Raises:
        InputError: no export, faces that may not calibrate, another evaluation than the export's,
            or a graph that cannot be quantised.
        StepError: the file is not int8 throughout, or costs more accuracy than its limit. Earlier
            files are untouched.
    """
    exported, steps = read_record(run)
    fp32 = runtime.load(run / FILES["fp32"])
    crops = evaluation.crops(fp32.spec)
    _check_same_faces(run, exported["data"], evaluation.to_record(crops))
    faces = _faces(evaluation, fp32.spec.scheme, crops, options)
    kept = None
    if evaluation.root is None and (run / CALIBRATION).is_file():
        kept = Calibrated.read(run / CALIBRATION, fp32)
    with files.workspace(run, "quantize") as work:
        job = _Job(run, fp32, faces, kept, exported["data"]["root"], options, work, say)
        started = time.perf_counter()
        choice, trials = job.choose()
        seconds = time.perf_counter() - started
        result = _judge(job, choice, Reference.of(fp32, crops), seconds)
        job.path.replace(run / FILES["int8"])
    if evaluation.root is not None:
        drop = result.step.nme_percent - result.fp32_nme_percent
        on = f"{len(crops)} faces of {job.data}, split {evaluation.used_split}"
        kept_choice = KeptChoice(
            floats={op.name: op.why for op in choice.planned},
            int8_sha256=result.step.sha256,
            max_nme_drop=options.max_nme_drop,
            nme_drop=round(drop, 4),
            measured_on=on,
            rendered_px=_rendered_px(fp32, run / FILES["int8"]),
        )
        job.calibrated.keep(run / CALIBRATION, choice.plan.method, kept_choice, fp32)
    record = {"data": exported["data"], **_record(job, choice, trials, result)}
    QUANTIZE.write(run, record)
    plot.write(run / QUANTIZE_PLOT, choice.search)
    return [*steps, result.step]


def _rendered_px(fp32: LandmarkModel, int8: Path) -> float | None:
    """Mean distance between two files' points on the embedded faces; None: they lack the points."""
    embedded = Evaluation(None)
    scheme = open_faces(None, embedded.used_split, limit=1)[0].scheme
    if not schemes.converts(scheme, fp32.spec.scheme):
        return None
    reference = Reference.of(fp32, embedded.crops(fp32.spec))
    points = runtime.load(int8)(reference.crops.images)
    return round(float(reference.distance_px(points).mean()), 4)


def _check_same_faces(run: Path, exported: dict[str, Any], given: dict[str, Any]) -> None:
    if exported != given:
        raise InputError(
            f"{run}: was exported with figures of {exported}, found {given}. "
            "Give both commands the same --data and --split."
        )


def _faces(evaluation: Evaluation, scheme: str, crops: Crops, options: Options) -> CalibrationFaces:
    return calibration.faces_for(
        evaluation.root,
        scheme,
        evaluation.used_split,
        crops.ids,
        options.calibration_faces,
        options.seed,
    )


@dataclass(frozen=True, eq=False)
class _Result:
    step: Step
    audit: Audit
    fp32_nme_percent: float
    layers: list[dict[str, Any]]
    time_ratio: float  # of float32's time in the same run


def _judge(job: _Job, choice: Choice, reference: Reference, seconds: float) -> _Result:
    """Measures, audits and gates the chosen file."""
    path, max_nme_drop = job.path, job.options.max_nme_drop
    model, graph = runtime.load(path), tflite_file.read(path)
    delegation = model.session.delegation()
    if delegation is None:
        raise StepError(
            f"step int8: {path.name} ran without XNNPACK, so nothing can be said of it."
        )
    found = audit(graph, choice.planned, delegation)
    step = measure("int8", model, reference, seconds=seconds, ops=found.ops, verdict="")
    nme_percent = reference.nme_percent(reference.points)
    drop = round(step.nme_percent - nme_percent, 3) + 0.0  # no "-0.000"
    if (known := job.known(choice, step)) is None:
        check(step, found, nme_percent, max_nme_drop, searched=choice.search is not None)
        verdict = f"ok, NME {drop:+.3f}, limit +{max_nme_drop:g}; 1 partition"
    else:  # its limit was held where it was measured: other faces are other evidence
        check(step, found, nme_percent, math.inf)
        verdict = f"ok, NME {drop:+.3f}; {known}; 1 partition"
    [time_ratio] = latency_ratios(job.fp32, [model])
    slower = ", slower: on this processor it saves bytes alone" if time_ratio > 1 else ""
    job.say(f"int8: {time_ratio:.2f} of float32's time in the same run{slower}")
    images = in_range(reference.crops.images[:LAYER_PICTURES], job.fp32.spec)
    layers = layer_errors(job.fp32.path, path, images)
    step = replace(step, verdict=verdict)
    return _Result(step, found, nme_percent, layers, time_ratio)


def check(
    step: Step,
    found: Audit,
    fp32_nme_percent: float,
    max_nme_drop: float,
    *,
    searched: bool = False,
) -> None:
    """The gate.

    Args:
        searched: for the file's float ops; with another limit it would be another file.

    Raises:
        StepError: with step, limit and finding.
    """
    faults = found.faults()
    drop = step.nme_percent - fp32_nme_percent
    if not drop <= max_nme_drop:
        tells = math.isfinite(drop) and not searched
        taken = f", --max-nme-drop {math.ceil(100 * drop) / 100:g} takes this one" if tells else ""
        faults.append(
            f"NME {fp32_nme_percent:.3f} -> {step.nme_percent:.3f} %, {drop:+.3f} points, "
            f"limit +{max_nme_drop:g} (training faces chose the file, these measure it; yours "
            "count: --data. --objective host-latency with a smaller --max-nme-drop searches a more "
            f"exact one{taken})"
        )
    if faults:
        raise StepError(f"step int8: {'; '.join(faults)}.")


def _record(job: _Job, choice: Choice, trials: Sequence[Trial], result: _Result) -> dict[str, Any]:
    return {
        "model": job.fp32.spec.model,
        "weights_sha256": job.fp32.spec.weights_sha256,
        "fp32_sha256": files.sha256(job.fp32.path),
        "options": asdict(job.options),
        "calibration_data": job.calibrated.data,
        "calibration_ids": list(job.calibrated.ids),
        "method": choice.plan.method,
        "as_kept": choice.as_kept,
        "trials": [asdict(trial) for trial in trials],
        "held_out_faces": len(job.faces.choose),
        "nme_percent": {"fp32": result.fp32_nme_percent, "int8": result.step.nme_percent},
        "latency": {"int8_over_fp32": result.time_ratio},
        "search": choice.search,
        "audit": result.audit.to_record(),
        "layers": result.layers,
        "tools": {tool: metadata.version(tool) for tool in TOOLS},
        "step": asdict(result.step),
    }
