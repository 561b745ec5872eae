"""Accuracy of model files on the faces of a split."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from efld import files, metrics
from efld.data.faces import TEST_PARTS, Face
from efld.errors import InputError
from efld.evaluate import Crops, cut, nme_percent
from efld.metrics import THRESHOLD_PERCENT, Normaliser
from efld.runtime import LandmarkModel
from efld.spec import ModelSpec

NORMALISER: Normaliser = "inter-ocular"


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """One file on one split, crops by the `truth` box."""

    file: str
    sha256: str
    file_bytes: int
    model: str
    runtime: str
    box_factor: float
    faces: int
    nme_percent: float  # of NORMALISER
    auc: float  # 0..1, up to THRESHOLD_PERCENT
    failure_rate: float  # 0..1, above THRESHOLD_PERCENT


def measure(models: Sequence[LandmarkModel], faces: Sequence[Face]) -> Iterator[Accuracy]:
    """Measures one opened file after the other.

    Raises:
        InputError: faces that do not fit a model, or an int8 file whose scales were set on test
            faces of the split.
    """
    tested = {face.id for face in faces if face.part in TEST_PARTS}
    for model in models:
        _refuse_calibrated(model, tested)
    crops: dict[tuple[int, float, str], Crops] = {}
    for model in models:
        key = _crop_key(model.spec)
        if key not in crops:
            crops[key] = cut(faces, model.spec)
        yield _measure_one(model, crops[key])


def _crop_key(spec: ModelSpec) -> tuple[int, float, str]:
    return spec.input_px, spec.box_factor, spec.scheme


def _refuse_calibrated(model: LandmarkModel, tested: set[str]) -> None:
    seen = sorted(tested & set(model.spec.calibration))
    if seen:
        raise InputError(
            f"{model.path}: {len(seen)} of the tested faces set its int8 scales, expected none "
            f"({seen[0]}). Quantize it again on training faces."
        )


def _measure_one(model: LandmarkModel, crops: Crops) -> Accuracy:
    errors_percent = nme_percent(model, crops, NORMALISER)
    return Accuracy(
        file=str(model.path),
        sha256=files.sha256(model.path),
        file_bytes=model.path.stat().st_size,
        model=model.spec.model,
        runtime=model.session.runtime,
        box_factor=model.spec.box_factor,
        faces=len(crops),
        nme_percent=float(errors_percent.mean()),
        auc=metrics.auc(errors_percent, THRESHOLD_PERCENT),
        failure_rate=metrics.failure_rate(errors_percent, THRESHOLD_PERCENT),
    )


def table(rows: Sequence[Accuracy]) -> str:
    """The rows for people to read."""
    at = f"@{THRESHOLD_PERCENT / 100:g}"
    width = max(len(row.file) for row in rows)
    head = (
        f"{'file':<{width}} {'faces':>6} {'NME %':>7} {'AUC' + at:>9} {'FR' + at:>8} {'bytes':>11}"
    )
    return "\n".join([head, *(_line(row, width) for row in rows)])


def _line(row: Accuracy, width: int) -> str:
    return (
        f"{row.file:<{width}} {row.faces:>6} {row.nme_percent:>7.3f} {row.auc:>9.4f} "
        f"{row.failure_rate:>8.4f} {row.file_bytes:>11,}"
    )
