"""What lies in a run's folder: the commands speak to each other through these files."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from efld import files

RUNS = Path("runs")
PRETRAINED = Path("pretrained")  # a published model is a folder of it, with the first three files
WEIGHTS, SPEC = "model.keras", "spec.json"
CALIBRATION = "calibration.json"  # ranges over real faces, from which int8's scales follow
LAST, HISTORY = "last.keras", "history.csv"  # of a training: what it resumes from; its epochs
FILES = MappingProxyType({
    "keras": WEIGHTS,
    "onnx": "model.onnx",
    "fp32": "model.fp32.tflite",
    "fp16": "model.fp16.tflite",
    "int8": "model.int8.tflite",
})  # fmt: skip


class Record(NamedTuple):
    """A JSON file of a run, the version of its form, and the command that makes it."""

    file: str
    schema: int
    command: str

    def read(self, run: Path) -> dict[str, Any]:
        """Raises InputError: absent, damaged, or of another version."""
        return files.read_json(run / self.file, self.schema, f"{self.command} {run}")

    def write(self, run: Path, record: Mapping[str, Any]) -> None:
        files.write_json(run / self.file, {"schema": self.schema, **record})


def named(run: Path) -> Path:
    """A run's folder; of a name alone, where no such folder is, that of `runs/`."""
    return RUNS / run if run.name == str(run) and not run.is_dir() else run


CONFIG = Record("config.json", 3, "python -m train PRESET --run")  # the mark of a training
TRIM = Record("trim.json", 1, "python -m train trim")
MIRROR = Record("mirror.json", 1, "python -m train mirror")
MADE_OF = (TRIM, MIRROR)  # the marks of models that a command made of a finished one
EXPORT = Record("export.json", 1, "python -m export")
QUANTIZE = Record("quantize.json", 4, "python -m quantize")
QUANTIZE_PLOT = "quantize.svg"  # of its search
