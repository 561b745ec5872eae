"""A landmark model -> ONNX -> TFLite: each step measured against the model, and gated."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from efld import runtime, tflite_file
from efld.evaluate import Crops
from efld.run_files import FILES
from efld.spec import ModelSpec
from export import tflite_graph
from export.steps import LandmarkFile, Limit, Reference, Step, check, measure

TOOLS = ("keras", "tensorflow-cpu", "tf2onnx", "onnx", "onnx2tf", "onnxruntime", "ai-edge-litert")

Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Conversion:
    """One conversion; its artefacts go to `work`."""

    name: str  # of the first step: what is converted
    model: LandmarkFile
    spec: ModelSpec  # for the artefacts
    write_onnx: Callable[[Path], dict[str, int]]  # returns how many ops of each kind there are
    crops: Crops
    work: Path
    limits: Mapping[str, Limit]
    say: Say

    def steps(self) -> Iterator[Step]:
        """The model, ONNX, fp32 and fp16, each measured and gated before the next.

        Raises:
            StepError: a conversion failed, or cost more than its limit.
        """
        self.say(f"{self.name}: {self.model.path} on {len(self.crops)} faces")
        started = time.perf_counter()
        reference = Reference.of(self.model, self.crops)
        seconds = time.perf_counter() - started
        yield measure(
            self.name, self.model, reference, seconds=seconds, ops={}, verdict="reference"
        )
        self.say("onnx")
        started = time.perf_counter()
        ops = self.write_onnx(self.work / FILES["onnx"])
        yield self._checked("onnx", reference, time.perf_counter() - started, ops)
        yield from self._tflite(reference)

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
        self.say(f"{name}: {step.largest_px:.5f} px from {self.name}, {seconds:.1f} s")
        check(step, limit, self.name)
        return step

    def record(self, data: dict[str, Any], steps: list[Step]) -> dict[str, Any]:
        """For the run's folder; `data` says which faces the figures are of."""
        return {
            "model": self.spec.model,
            "weights_sha256": self.spec.weights_sha256,
            "input_px": self.spec.input_px,
            "data": data,
            "tools": {tool: metadata.version(tool) for tool in TOOLS},
            "limits": {step: asdict(limit) for step, limit in self.limits.items()},
            "steps": [asdict(step) for step in steps],
        }
