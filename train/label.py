"""Landmarks for pictures without any, by a model of one's own, for a smaller model to learn from.

`efld.finder` finds a face and looks at it in several views. A label is believed where these agree.

The default limit: an efld-small of NME 4.3 % labelled the 98 faces of 300-W that its preset holds
out of training, as pictures without points. How far the views lie apart goes with the label's error
(correlation 0.76), both in percent of the distance of the outer eye corners:

    views apart, up to   1.5    2.0    2.5    3.0    all
    faces                 31     73     93     97     98
    NME                 3.12   3.72   4.18   4.42   4.44

One label is wrong, by 13.6 % at 2.8 apart. Places without a face lie at 3.3 and above. On pictures
of HELEN and YouTube Faces what is above 2.5 looks worse than the rest: hands before the mouth,
glasses, faces turned away.
"""

import shlex
import time
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
from tqdm import tqdm

from efld import files, finder, geometry, runtime, schemes
from efld.data import datasets
from efld.data.datasets import LABELS, LABELS_SCHEMA
from efld.data.faces import Face
from efld.data.layouts import folder, layout_of, require_folder, strict
from efld.data.pts import write_pts
from efld.data.survey.damage import unannotated
from efld.data.survey.find import Unpointed, find, unpointed
from efld.errors import InputError
from efld.evaluate import Landmarker, annotated
from efld.geometry import Box, Picture, Points
from efld.predict import read_colour, to_grey
from efld.runtime import LandmarkModel
from efld.spec import ModelSpec

if TYPE_CHECKING:
    from train.feed import Say  # imports Keras, which takes seconds and not every teacher needs

TEACHERS = ("onnx", "keras", "fp32.tflite", "fp16.tflite", "int8.tflite")  # exact and fast first
LIMIT_PERCENT = finder.SURE_PERCENT
MARGIN = 2.0  # the written square's side over the longer side of the landmarks: augmentation's room
LARGEST_PX = 256
UNREAD = "cannot be read"
RECORDING = 0.05  # share of the time that may go into writing the record

HELP = f"""Landmarks for pictures, by a model of your own, for a smaller one to learn from.

A picture gives one face, the clearest: a grey square around it, of at most {LARGEST_PX} px, and
its points in pixels of that square. Where a dataset has points or boxes of its own, the search
starts from them, and only its training part is read. OUT is a dataset of such squares with .pts;
labels.json says what made them and where each lay in its picture (square_px). Interrupted, the
same command goes on.

Of a run it takes model.onnx, if it is there: on a CPU four times as fast as model.keras. Most of
the time goes into looking for the face: --scout gives that to a smaller model.

examples:
  python -m train label runs/efld-large --data ~/pictures --out ~/pictures-labelled
  python -m train label runs/efld-large --scout runs/efld-nano --data ~/pictures --out ~/labelled
  python -m train 300w --data ~/300w --extra ~/pictures-labelled
"""


@dataclass(frozen=True)
class Subject:
    """One face to label."""

    id: str
    grey: Callable[[], Picture]
    face: Box | None  # roughly, where the dataset says so; None: look for it


@dataclass
class Record:
    """`labels.json`: what made the labels, and what became of each picture."""

    path: Path
    head: dict[str, Any]
    pictures: dict[str, Any] = field(default_factory=dict)
    due: float = 0.0

    def add(self, name: str, fate: dict[str, Any]) -> None:
        """Notes a finished picture. Writing takes longer the more there are, so it may wait."""
        self.pictures[name] = fate
        if time.monotonic() >= self.due:
            self.write()

    def has(self, name: str) -> bool:
        """Whether a picture is finished. One that cannot be read may be mended by the next time."""
        fate = self.pictures.get(name)
        return fate is not None and (fate["accepted"] or not fate["why"].startswith(UNREAD))

    def write(self) -> None:
        begun = time.monotonic()
        files.write_json(self.path, {**self.head, "pictures": self.pictures})
        self.due = time.monotonic() + (time.monotonic() - begun) / RECORDING


def main(argv: Sequence[str], say: "Say") -> None:
    """Labels the pictures that are not labelled yet, and says what became of all."""
    given = parse(argv)
    refuse_nested(given.data, given.out)
    files.check_writable(given.out / LABELS)
    subjects, terms = subjects_of(given.data, say)
    model, scout = loaded(given)
    record = opened(given, model, scout, terms)
    todo = [subject for subject in subjects if not record.has(subject.id)]
    try:
        record.write()
        for subject in tqdm(todo, unit="face"):
            record.add(subject.id, done(subject, model, scout, given))
    finally:
        record.write()
    say(f"{given.out}: {summary([record.pictures[one.id] for one in subjects])}")


def parse(argv: Sequence[str]) -> Namespace:
    parser = ArgumentParser(
        "python -m train label",
        description=HELP,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("teacher", type=Path, help="a run, or a .keras, .onnx or .tflite of efld")
    parser.add_argument("--data", type=Path, required=True, help="pictures, or a dataset's root")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument(
        "--scout",
        type=Path,
        metavar="RUN",
        help="a quicker model of the same points that looks for the face; the teacher looks only "
        "at what it finds (default: the teacher itself)",
    )
    parser.add_argument(
        "--limit", type=float, default=LIMIT_PERCENT, metavar="PERCENT",
        help="how far the views of a face may lie apart, in percent of the distance of its outer "
        "eye corners (default: %(default)s)",
    )  # fmt: skip
    given = parser.parse_args(argv)
    given.data, given.out = given.data.expanduser().resolve(), given.out.expanduser().resolve()
    if not given.limit > 0:
        raise InputError(f"--limit {given.limit:g}: expected a number above 0.")
    return given


def refuse_nested(data: Path, out: Path) -> None:
    """Raises InputError where labels would be read as data, or written among it."""
    if out.is_relative_to(data) or data.is_relative_to(out):
        raise InputError(
            f"--out {out}: lies in --data {data} or holds it, expected another place. Give one."
        )


def subjects_of(root: Path, say: "Say") -> tuple[list[Subject], str]:
    """The faces to label, and the terms of their pictures.

    Raises:
        InputError: no picture, pictures with points mixed with others, several datasets, damage,
            or two pictures that would be written to one file.
    """
    require_folder(root, f"--data {root}")
    found = find(root, strict)
    is_dataset = any(one.layout and one.root == root for one in found)
    bare = [one for one in found if one.kind != "points" and not is_dataset]
    if bare and len(bare) < len(found):
        raise InputError(
            f"--data {root}: holds pictures with points and, in {bare[0].root}, without. "
            "Give one of these folders."
        )
    if bare:
        subjects = [_of_picture(picture, root) for one in bare for picture in unpointed(one)]
        terms = f"{folder.LAYOUT.terms} ({datasets.label(root)})"
        if any(one.kind == "masks" for one in bare):
            say("left out, they are masks of the pictures: the .png beside others of their name")
    else:
        faces, terms = datasets.training_faces(root), datasets.terms(root)
        for line in unannotated(faces, root, layout_of(root).annotation):
            say(f"left out, give them in a folder of their own: {line}")
        subjects = [_of_face(face) for face in faces]
    _refuse_one_name(subjects)
    return subjects, terms


def _of_picture(found: Unpointed, root: Path) -> Subject:
    name = found.picture.relative_to(root).with_suffix("").as_posix()
    return Subject(name, lambda: to_grey(read_colour(found.picture)), None)


def _of_face(face: Face) -> Subject:
    known = annotated(face.points)
    box = geometry.landmark_box(face.points[known]) if known.any() else face.box
    return Subject(face.id, face.grey, box)


def _refuse_one_name(subjects: Sequence[Subject]) -> None:
    counts = Counter(datasets.labelled_name(subject.id) for subject in subjects)
    name, count = counts.most_common(1)[0]
    if count > 1:
        raise InputError(
            f"--data: {count} pictures would be written as {name}.png, expected names that differ "
            "in more than their suffix. Rename or remove one."
        )


def teacher_file(teacher: Path) -> Path:
    """The model file of a run; a file is taken as it is.

    Raises:
        InputError: nothing there, or a folder without a model.
    """
    if not teacher.exists():
        raise InputError(
            f"{teacher}: no such run or file. Of a pretrained model "
            f"`make export MODEL={teacher.name}` makes one."
        )
    if not teacher.is_dir():
        return teacher
    for suffix in TEACHERS:
        if (path := teacher / f"model.{suffix}").is_file():
            return path
    raise InputError(
        f"{teacher}: holds no model.keras, .onnx or .tflite, expected a run's folder. Give one, or "
        "a model file."
    )


def loaded(given: Namespace) -> tuple[LandmarkModel, LandmarkModel | None]:
    """The teacher, and the scout where one is given.

    Raises:
        InputError: a model for colour, points without eyes, or a scout of other points.
    """
    model = runtime.load(teacher_file(given.teacher))
    _check_grey(model.spec)
    schemes.outer_eyes(model.spec.scheme)
    if given.scout is None:
        return model, None
    scout = runtime.load(teacher_file(given.scout))
    _check_grey(scout.spec)
    if scout.spec.scheme != model.spec.scheme:
        raise InputError(
            f"--scout {given.scout}: finds the points of {scout.spec.scheme}, expected the "
            f"teacher's, {model.spec.scheme}. Give another model."
        )
    return model, scout


def _check_grey(spec: ModelSpec) -> None:
    if spec.channels != "grey":
        raise InputError(
            f"model {spec.model}: channels {spec.channels!r}, expected 'grey': so labels are "
            "written. Give another model."
        )


def opened(
    given: Namespace, model: LandmarkModel, scout: LandmarkModel | None, terms: str
) -> Record:
    """The record of a new folder, or of the same command before.

    Raises:
        InputError: the folder holds anything else.
    """
    out: Path = given.out
    record = Record(out / LABELS, _head(given, model, scout, terms))
    held = list(out.iterdir()) if out.exists() else []
    left = [path for path in held if files.is_left_over(path)]
    if record.path in held:
        earlier = files.read_json(record.path, LABELS_SCHEMA, "python -m train label")
        record.pictures = earlier.pop("pictures", {})
        if changes := [name for name, now in record.head.items() if earlier.get(name) != now]:
            raise InputError(
                f"{record.path}: made with another {' and '.join(changes)} "
                f"({earlier.get('command')}). Give that command or another --out."
            )
    elif len(held) > len(left):
        raise InputError(f"{out}: is not empty and has no {LABELS}. Give another --out.")
    for path in left:
        path.unlink()
    return record


def _head(
    given: Namespace, model: LandmarkModel, scout: LandmarkModel | None, terms: str
) -> dict[str, Any]:
    data, teacher = (datasets.label(path.resolve()) for path in (given.data, given.teacher))
    words = ["python", "-m", "train", "label", teacher, "--data", data]
    if scout is not None:
        words += ["--scout", datasets.label(given.scout.resolve())]
    return {
        "schema": LABELS_SCHEMA,
        "command": shlex.join([*words, "--limit", f"{given.limit:g}"]),
        "teacher": _named(model),
        "scout": _named(scout) if scout is not None else None,
        "data": data,
        "terms": "; ".join(filter(None, (model.spec.licence, terms))),
        "limit_percent": given.limit,
    }


def _named(model: LandmarkModel) -> dict[str, Any]:
    return {
        "name": model.spec.model,
        "file": model.path.name,
        "sha256": files.sha256(model.path),
        "data": list(model.spec.data),
    }


def done(
    subject: Subject, model: Landmarker, scout: Landmarker | None, given: Namespace
) -> dict[str, Any]:
    """Labels a face and writes it, if it can be believed; what became of it."""
    try:
        picture = subject.grey()
    except InputError as error:
        why = str(error).replace(f"{given.data}/", "")
        return {"accepted": False, "why": f"{UNREAD}: {why}"}
    found = finder.find(picture, model, subject.face, scout)
    if found is None:
        return {"accepted": False, "why": "no clear face"}
    fate = {"votes": found.votes, "disagreement_percent": round(found.disagreement_percent, 3)}
    if found.disagreement_percent > given.limit:
        return {"accepted": False, "why": "views lie apart", **fate}
    square_px = write_face(given.out / datasets.labelled_name(subject.id), picture, found.points)
    return {"accepted": True, "square_px": square_px, **fate}


def write_face(path: Path, picture: Picture, points: Points) -> list[int]:
    """Writes `path` with .png and .pts appended; returns x, y and side of the square it cut out."""
    wanted = geometry.truth_square(points, MARGIN)
    x, y, side = round(wanted.left), round(wanted.top), max(1, round(wanted.width))
    square = Box(x, y, side, side)  # whole pixels: a small one is copied, not resampled
    size_px = min(side, LARGEST_PX)
    written = geometry.to_picture(geometry.to_crop(points, square), Box(0, 0, size_px, size_px))
    _, data = cv2.imencode(".png", geometry.crop(picture, square, size_px))
    with files.whole(Path(f"{path}.png")) as temporary:
        temporary.write_bytes(data.tobytes())
    with files.whole(Path(f"{path}.pts")) as temporary:
        write_pts(temporary, written)
    return [x, y, side]


def summary(fates: Sequence[dict[str, Any]]) -> str:
    """What became of the faces, in words."""
    whys = Counter("labelled" if fate["accepted"] else fate["why"].split(":")[0] for fate in fates)
    return ", ".join(f"{count} {why}" for why, count in whys.most_common())
