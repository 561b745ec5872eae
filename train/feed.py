"""What a run sees: training faces, and batches in the form that its loss takes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np

from efld import attributes, files, run_files
from efld.data import datasets
from efld.data.batches import Array, Batch, Regions, Source, Targets, cut_regions
from efld.data.faces import Face
from efld.errors import InputError
from efld.losses import POSE_LOSSES
from efld.models import mirrored, zoo
from efld.models.pose_branch import JointModel
from efld.models.trimmed import SUFFIX
from efld.pose import head_pose
from efld.spec import ModelSpec
from train.backbone import RECORD, backbone_of
from train.config import TrainConfig

Say = Callable[[str], None]


@dataclass(frozen=True)
class Data:
    """What a run sees."""

    sources: list[Source]
    validation: Regions
    model: str  # of the zoo, or what is left of one
    names: tuple[str, ...]  # for the spec
    terms: str


def load(config: TrainConfig, say: Say) -> Data:
    """Reads the training faces and holds some out for validation. Never opens a test face."""
    earlier = begun_with(Path(config.init)) if config.init else None
    below = backbone_of(Path(config.backbone), config.model) if config.backbone else None
    root, extras = Path(config.data) if config.data else None, [*map(Path, config.extra)]
    if earlier and earlier.scheme != config.scheme:
        raise InputError(
            f"{config.init}: finds {earlier.scheme} points, expected {config.scheme}. Give the "
            f"weights of a model of {config.scheme} points, or --scheme {earlier.scheme}."
        )
    faces, name = _usable(root, config, config.faces or None)
    names = [name]
    kept, held = datasets.hold_out(faces, config.validation)
    sources = [Source(regions_of(kept, config))]
    if extras:
        found = [_usable(extra, config, without=_labels(held, root, extra)) for extra in extras]
        names += [name for _, name in found]
        weaker = [face for faces, _ in found for face in faces]
        sources.append(Source(regions_of(weaker, config), config.extra_steps))
    say(f"{' + '.join(names)}; {len(held)} held out for validation")
    terms = datasets.all_terms([root, *extras])
    model = config.model
    if earlier:
        names = list(dict.fromkeys([*names, *earlier.data]))
        terms = datasets.united([terms, earlier.licence])
        if earlier.model == model + SUFFIX:
            model = earlier.model
    if below:
        names.append(below.data)
        terms = datasets.united([terms, below.licence])
    return Data(sources, regions_of(held, config), model, tuple(names), terms)


def begun_with(weights: Path) -> ModelSpec:
    """The spec of weights that a run starts from, their name among its data.

    Raises:
        InputError: no such file, no spec beside it, one of other weights, or a mirrored model.
    """
    if not weights.is_file():
        raise InputError(f"{weights}: no such file. Give the model.keras of a run.")
    if weights.with_name(RECORD).is_file():
        raise InputError(
            f"{weights}: is a backbone, expected a whole model. Give it to --backbone."
        )
    if not (path := weights.with_name(run_files.SPEC)).is_file():
        raise InputError(
            f"{weights}: no {path.name} beside it, expected one that says what the weights saw. "
            "Give the model.keras of a run."
        )
    spec = ModelSpec.read(path)
    if spec.model.endswith(mirrored.SUFFIX):
        raise InputError(
            f"{weights}: sees faces mirrored, and no training goes on with that. Give the weights "
            f"of {spec.model.removesuffix(mirrored.SUFFIX)}, and mirror what they become."
        )
    found = files.check_sha256(
        weights,
        spec.weights_sha256,
        path.name,
        "It says what the weights saw: give the model.keras of a run.",
    )
    return replace(spec, data=(f"weights of {spec.model} {found[:8]}", *spec.data))


def _labels(held: Sequence[Face], root: Path | None, extra: Path) -> frozenset[str]:
    """What held-out faces are called in a dataset of labels of the same faces."""
    if not datasets.are_labels_of(extra, root):
        return frozenset()
    return frozenset(datasets.labelled_name(face.id) for face in held)


def _usable(
    root: Path | None,
    config: TrainConfig,
    limit: int | None = None,
    without: frozenset[str] = frozenset(),
) -> tuple[list[Face], str]:
    """The training faces that have the model's points, and a line about them.

    Args:
        without: ids of faces to leave out: they are held out under other points.
    """
    found, rest = datasets.fitting(datasets.training_faces(root, limit), config.scheme)
    faces = [face for face in found if face.id not in without]
    held = f"{len(found) - len(faces)} left out: held out" if len(faces) < len(found) else ""
    words = "; ".join(filter(None, (f"{len(faces)} faces", rest, held)))
    return faces, f"{datasets.source(root)} ({words})"


def regions_of(faces: list[Face], config: TrainConfig) -> Regions:
    """The faces as batches draw them; with pose and weight where the loss asks for them."""
    input_px = zoo.entry(config.model).input_px
    regions = cut_regions(faces, config.box_factor, config.scheme, input_px)
    if config.loss not in POSE_LOSSES:
        return regions
    points = np.stack([face.points for face in faces])
    poses = head_pose(points, config.scheme).astype(np.float32)
    return replace(regions, poses=poses, weights=attributes.weights(attributes.classes(faces)))


def fed(model: keras.Model, batch: Batch) -> tuple[Array, Array | Targets]:
    """A batch in the form that the model's loss takes."""
    images, targets = batch
    return images, targets if isinstance(model, JointModel) else targets["landmarks"]
