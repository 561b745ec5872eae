"""Accuracy of model files on the faces of a split."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.names import shown
from efld import attributes, corrupt, evaluate, files, metrics, schemes
from efld.data.faces import TEST_PARTS, Face
from efld.errors import InputError
from efld.evaluate import Crops, View
from efld.geometry import Points
from efld.metrics import THRESHOLD_PERCENT, Normaliser, Values
from efld.pose import Angles, head_pose
from efld.runtime import LandmarkModel
from efld.statistics import Interval, interval

NORMALISER: Normaliser = "inter-ocular"


@dataclass(frozen=True)
class Ruler:
    """What errors are divided by, and where a failure begins."""

    normaliser: Normaliser = NORMALISER
    threshold_percent: float = THRESHOLD_PERCENT

    def __post_init__(self) -> None:
        if not 0 < self.threshold_percent < np.inf:
            raise InputError(
                f"threshold {self.threshold_percent:g} %, expected above 0. 300-W uses 8, WFLW 10."
            )

    def check(self, faces: Sequence[Face]) -> None:
        """Raises InputError if faces, or their scheme, do not have the normaliser."""
        points = np.stack([face.points for face in faces])
        size = metrics.NORMALISERS[self.normaliser](points, faces[0].scheme)
        for bad in np.flatnonzero(~(size > 0)).tolist():
            raise InputError(
                f"{faces[bad].source or faces[bad].id}: {metrics.MEANING[self.normaliser]} is "
                f"{size[bad]:g}, expected above 0. Mend the annotation or leave the face out."
            )


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
    nme_percent: float  # of the ruler's normaliser
    auc: float  # 0..1, up to the ruler's threshold
    failure_rate: float  # 0..1, above the threshold


@dataclass(frozen=True, eq=False)
class Result:
    """A row, and the errors behind it."""

    row: Accuracy
    spread: Interval  # of the mean NME over faces, percent
    nrmse_percent: float
    points: Points  # (faces, points, 2), 0..1 over the crop's edges
    errors_percent: Values  # (faces,) NME
    point_errors: NDArray[np.float64]  # (faces, points) percent, NaN where not annotated
    changed: dict[str, Values]  # condition -> (faces,) NME
    trained_on: tuple[str, ...]


def measure(
    models: Sequence[LandmarkModel],
    faces: Sequence[Face],
    ruler: Ruler = Ruler(),
    conditions: Sequence[corrupt.Condition] = (),
) -> Iterator[Result]:
    """Measures one opened file after the other; pictures are decoded once for all of them.

    Raises:
        InputError: as `check`, or a picture that cannot be read.
    """
    check(models, faces, ruler)
    wanted = (corrupt.UNCHANGED, *conditions)
    views = [View.of(model.spec, condition) for model in models for condition in wanted]
    crops = evaluate.cut_views(faces, list(dict.fromkeys(views)))
    for model in models:
        own = {condition: crops[View.of(model.spec, condition)] for condition in wanted}
        yield _measure_one(model, own, ruler)


def check(models: Sequence[LandmarkModel], faces: Sequence[Face], ruler: Ruler) -> None:
    """Refuses what cannot be measured, before the long part.

    Raises:
        InputError: a file given twice, faces that do not fit a model, files of different point
            schemes, a normaliser that the scheme does not have, or an int8 file whose scales were
            set on test faces of the split.
    """
    paths = [model.path.resolve() for model in models]
    for path in (path for path in paths if paths.count(path) > 1):
        raise InputError(f"{path}: is given twice, expected different files.")
    tested = {face.id for face in faces if face.part in TEST_PARTS}
    for model in models:
        _refuse_other_scheme(model, models[0])
        _refuse_calibrated(model, tested)
        evaluate.check_fit(faces, model.spec)
    ruler.check(faces)


def _refuse_other_scheme(model: LandmarkModel, first: LandmarkModel) -> None:
    if model.spec.scheme != first.spec.scheme:
        raise InputError(
            f"{model.path}: point scheme {model.spec.scheme}, expected {first.spec.scheme} as in "
            f"{first.path}. Measure files of one scheme at a time."
        )


def _refuse_calibrated(model: LandmarkModel, tested: set[str]) -> None:
    seen = sorted(tested & set(model.spec.calibration))
    if seen:
        raise InputError(
            f"{model.path}: {len(seen)} of the tested faces set its int8 scales, expected none "
            f"({seen[0]}). Quantize it again on training faces."
        )


def _measure_one(
    model: LandmarkModel, crops: dict[corrupt.Condition, Crops], ruler: Ruler
) -> Result:
    plain = crops[corrupt.UNCHANGED]
    points, scheme = model(plain.images), model.spec.scheme
    point_errors = metrics.point_errors_percent(points, plain.truth, scheme, ruler.normaliser)
    errors = metrics.mean_known(point_errors, axis=1)
    row = Accuracy(
        file=shown(model.path),
        sha256=files.sha256(model.path),
        file_bytes=model.path.stat().st_size,
        model=model.spec.model,
        runtime=model.session.runtime,
        box_factor=model.spec.box_factor,
        faces=len(plain),
        nme_percent=float(errors.mean()),
        auc=metrics.auc(errors, ruler.threshold_percent),
        failure_rate=metrics.failure_rate(errors, ruler.threshold_percent),
    )
    nrmse = metrics.nrmse_percent(points, plain.truth, scheme, ruler.normaliser).mean()
    changed = {
        condition.name: evaluate.nme_percent(model, own, ruler.normaliser)
        for condition, own in crops.items()
        if condition is not corrupt.UNCHANGED
    }
    return Result(
        row=row,
        spread=interval(errors),
        nrmse_percent=float(nrmse),
        points=points,
        errors_percent=errors,
        point_errors=point_errors,
        changed=changed,
        trained_on=model.spec.data,
    )


@dataclass(frozen=True)
class Group:
    """The mean error over a part of the points or of the faces, for every file."""

    kind: str  # "region", "attribute" or "condition"
    name: str
    faces: int
    nme_percent: tuple[Interval, ...]  # of each file


def groups(results: Sequence[Result], flags: Sequence[frozenset[str]], scheme: str) -> list[Group]:
    """Regions of the face, attributes of the faces, and the conditions that were measured."""
    regions = [metrics.by_region(result.point_errors, scheme) for result in results]
    kept = [metrics.by_attribute(result.errors_percent, flags) for result in results]
    found = [_group("region", name, [own[name] for own in regions]) for name in regions[0]]
    found += [_group("attribute", name, [own[name] for own in kept]) for name in kept[0]]
    changed = [result.changed for result in results]
    found += [_group("condition", name, [own[name] for own in changed]) for name in changed[0]]
    return [group for group in found if group.faces]


def _group(kind: str, name: str, errors: Sequence[Values]) -> Group:
    known = [own[~np.isnan(own)] for own in errors]
    return Group(kind, name, len(known[0]), tuple(interval(own) for own in known if own.size))


def flags_of(faces: Sequence[Face]) -> list[frozenset[str]]:
    """Attributes of each face: the dataset's, else derived from its true points; none for a point
    scheme that does not tell."""
    told = all(face.attributes is not None for face in faces)
    if told or schemes.converts(faces[0].scheme, "68"):
        return [attributes.of(face) for face in faces]
    return [frozenset()] * len(faces)


def poses(faces: Sequence[Face]) -> Angles | None:
    """How each head is turned, `(faces, 3)`: the dataset's word, else from its true points; None
    for a point scheme that does not tell."""
    told = all(face.pose is not None for face in faces)
    if told or schemes.converts(faces[0].scheme, "68"):
        return np.array(
            [face.pose or head_pose(face.points[None], face.scheme)[0] for face in faces]
        )
    return None


def labels(paths: Sequence[Path]) -> list[str]:
    """The shortest endings of some paths that tell them apart."""
    longest = max(len(path.parts) for path in paths)
    for count in range(1, longest + 1):
        short = ["/".join(path.parts[-count:]) for path in paths]
        if len(set(short)) == len(set(paths)):
            return short
    return [str(path) for path in paths]
