"""A foreign landmark file becomes a run like ours: converted, measured against itself, gated."""

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from efld import files
from efld.errors import InputError
from efld.run_files import EXPORT, SPEC
from export import foreign_graph
from export.chain import Evaluation
from export.conversion import Conversion, Say
from export.foreign_model import ForeignModel
from export.foreign_spec import Told
from export.run_folder import FOREIGN, drop_stale_int8
from export.steps import LIMITS, Limit, Step

WORK = ".export"  # all that a killed command leaves
# Where a foreign graph turns its channels is its authors' choice.
FOREIGN_LIMITS: MappingProxyType[str, Limit] = MappingProxyType({
    name: replace(limit, transposes=None) for name, limit in LIMITS.items()
})  # fmt: skip


@dataclass(frozen=True)
class Source:
    """A foreign file, what its user says of it, and what was found of that."""

    path: Path
    told: Told
    found: Mapping[str, Any]  # for the record

    def to_record(self) -> dict[str, Any]:
        return {
            "file": self.path.name,
            "sha256": files.sha256(self.path),
            "told": asdict(self.told),
            "found": dict(self.found),
        }


def make(
    source: Source,
    evaluation: Evaluation,
    run: Path,
    say: Say,
    limits: Mapping[str, Limit] = FOREIGN_LIMITS,
) -> list[Step]:
    """Writes a run: the foreign file, `spec.json`, `export.json` and the artefacts.

    All of them are replaced, or, when a step fails or costs too much, none. An int8 file of
    another float file goes with that.

    Raises:
        InputError: a file that is not as told, or a run that holds something else.
        StepError: a conversion failed, or cost more than its limit.
    """
    foreign = ForeignModel.open(source.path, source.told)
    check_free(run, source.path)
    crops = evaluation.crops(foreign.spec, say)
    run.mkdir(parents=True, exist_ok=True)
    try:
        with files.workspace(run, WORK.removeprefix(".")) as work:
            kept = ForeignModel.open(_keep(source.path, work), source.told, foreign.spec.model)
            write_onnx = partial(foreign_graph.write, kept)
            job = Conversion(FOREIGN, kept, kept.spec, write_onnx, crops, work, limits, say)
            steps = list(job.steps())
            for step in steps:
                (work / step.file).replace(run / step.file)
        drop_stale_int8(run)
        kept.spec.write(run / SPEC)
        record = job.record(evaluation.to_record(crops), steps)
        EXPORT.write(run, record | {"foreign": source.to_record()})
    finally:
        if not any(run.iterdir()):
            run.rmdir()
    return steps


def check_free(run: Path, path: Path) -> None:
    """
    Raises:
        InputError: a folder that holds something else than an earlier run of the file.
    """
    files.check_writable(run / EXPORT.file)
    if not run.exists() or (run.is_dir() and {entry.name for entry in run.iterdir()} <= {WORK}):
        return
    record = EXPORT.read(run) if (run / EXPORT.file).is_file() else {}
    if record.get("foreign", {}).get("sha256") != files.sha256(path):
        raise InputError(
            f"{run}: holds something else, expected nothing or an earlier run of this very {path}. "
            "Give --run another folder, or remove that one."
        )


def _keep(path: Path, work: Path) -> Path:
    """A copy of a foreign file in one piece: PyTorch stores weights in a file beside it."""
    kept = work / f"{FOREIGN}{path.suffix}"
    if path.suffix == ".onnx":
        import onnx
        from onnx.external_data_helper import uses_external_data

        model = onnx.load(path, load_external_data=False)
        if any(uses_external_data(constant) for constant in model.graph.initializer):
            onnx.save(onnx.load(path), str(kept))
            return kept
    shutil.copyfile(path, kept)
    return kept
