"""One door to every dataset: which faces are in which split, and what may be used for what."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from efld import files, schemes
from efld.data import synthetic
from efld.data.faces import TEST_PARTS, Face, Part
from efld.data.layouts import layout_of, strict
from efld.data.layouts.folder import is_test_part
from efld.errors import InputError
from efld.files import cache_folder

Split = Literal["train", "validation", "common", "challenging", "test", "full", "all"]

# The embedded default: rendered faces, so that every command works without a dataset.
SYNTHETIC_TRAIN = 6000
SYNTHETIC_TEST = 300
# What `python -m train label` says, in their folder, of pictures that a model gave points.
LABELS, LABELS_SCHEMA = "labels.json", 1


def open_faces(root: Path | None, split: str, limit: int | None = None) -> list[Face]:
    """The faces of a split, in a stable order.

    Args:
        root: a dataset's folder; None = the embedded synthetic faces.
        split: "full" is every test face, "all" every face. A folder without a split of its own has
            only "all".
        limit: no more faces than this, the first ones; None = all.

    Raises:
        InputError: unknown or empty split, wrong root, damaged files.
    """
    if split not in get_args(Split):
        raise InputError(
            f"split {split!r} is unknown, expected one of {', '.join(get_args(Split))}."
        )
    if root is None:
        return _synthetic(split, limit)
    layout, root = layout_of(root), root.expanduser()
    try:
        faces = list(layout.read(root, strict))
    except InputError as error:
        raise InputError(f"{error} `python -m efld data {root}` lists all damage.") from None
    chosen = [face for face in faces if face.part in parts_of(split)]
    if not chosen:
        others = ", ".join(f"{name} {count}" for name, count in _split_counts(faces).items())
        raise InputError(
            f"DATA root {root} ({layout.name}): split {split!r} is empty, expected one of {others}."
        )
    return chosen[:limit]


def _split_counts(faces: Sequence[Face]) -> dict[str, int]:
    """The splits that are not empty."""
    parts = Counter(face.part for face in faces)
    counts = {name: sum(parts[p] for p in parts_of(name)) for name in get_args(Split)}
    return {name: count for name, count in counts.items() if count}


def default_split(root: Path | None, quick: bool = False) -> Split:
    """What a model is measured on when nobody says: every test face, or all there are.

    Args:
        quick: take the common test faces alone where a dataset has them, as 300-W does.
    """
    if quick and (root is None or "common" in layout_of(root).official):
        return "common"
    return "full" if has_split(root) else "all"


def has_split(root: Path | None) -> bool:
    """Whether a dataset says which faces are for training; None = the embedded synthetic faces."""
    return root is None or layout_of(root).has_split


def training_faces(root: Path | None, limit: int | None = None) -> list[Face]:
    """The faces that a model may learn from, or that may set its int8 scales.

    They are the training split, or all faces of a folder that has no split of its own.

    Raises:
        InputError: as `open_faces`, a test face among those without a split, or a dataset's folder
            of test faces.
    """
    if root is not None and is_test_part(root.expanduser()):
        raise InputError(
            f"DATA root {root}: holds the test faces of a dataset, refused for training. Give all "
            "of the dataset, or a copy elsewhere if these are no test faces."
        )
    faces = open_faces(root, "train" if has_split(root) else "all", limit)
    refuse_test(faces, "training")
    return faces


def fitting(faces: Sequence[Face], scheme: str) -> tuple[list[Face], str]:
    """The faces with all points of a scheme, and in words what became of the others.

    Faces of a scheme that holds these points are converted; the rest are left out, as are faces
    with points that are not annotated.

    Raises:
        InputError: unknown scheme, or no face is left.
    """
    kept: list[Face] = []
    fate: Counter[str] = Counter()
    for face in faces:
        if not np.isfinite(face.points).all():
            fate["left out: not all points annotated"] += 1
        elif face.scheme == scheme:
            kept.append(face)
        elif schemes.converts(face.scheme, scheme):
            fate[f"converted from {face.scheme} points"] += 1
            points = schemes.convert(face.points, face.scheme, scheme)
            kept.append(replace(face, points=points, scheme=scheme, visible=None))
        else:
            fate[f"left out: {face.scheme} points"] += 1
    words = ", ".join(f"{count} {what}" for what, count in fate.items())
    if not kept:
        raise InputError(f"no face with {scheme} points among {len(faces)}: {words}.")
    return kept, words


def label(root: Path | None) -> str:
    """A dataset for people to read: its last two folders, without the rest of somebody's disk."""
    if root is None:
        return "embedded synthetic faces"
    return "/".join(Path(os.path.normpath(root.expanduser().absolute())).parts[-2:])


def source(root: Path | None) -> str:
    """A dataset's `label`, and whose points they are where a model gave them."""
    if (labels := _labels(root)) is None:
        return label(root)
    teacher = labels["teacher"]
    return f"{labels['data']}, points by {teacher['name']} {teacher['sha256'][:8]}"


def are_labels_of(root: Path, other: Path | None) -> bool:
    """Whether a dataset holds the faces of another one, with points that a model gave."""
    return (found := _labels(root)) is not None and found["data"] == label(other)


def labelled_name(face_id: str) -> str:
    """What a face is called among labels: a sub-folder called test would be taken for a split."""
    return face_id.replace("/", "-")


def terms(root: Path | None) -> str:
    """What may be done with weights that saw a dataset; None = the embedded synthetic faces."""
    if root is None:
        return "none: rendered faces only"
    if (labels := _labels(root)) is not None:
        return str(labels["terms"])  # the pictures' and the teacher's
    return f"{layout_of(root).terms} ({label(root)})"


def all_terms(roots: Iterable[Path | None]) -> str:
    """The terms of several datasets, each once."""
    return united(terms(root) for root in roots)


def united(several: Iterable[str]) -> str:
    """Terms that `terms` gave, each once."""
    return "; ".join(dict.fromkeys(one for terms in several for one in terms.split("; ")))


def _labels(root: Path | None) -> dict[str, Any] | None:
    path = root.expanduser() / LABELS if root else None
    if path is None or not path.is_file():
        return None
    return files.read_json(path, LABELS_SCHEMA, "python -m train label")


def parts_of(split: str) -> frozenset[Part]:
    """The parts of a dataset that a split is made of."""
    whole: dict[str, frozenset[Part]] = {"full": TEST_PARTS, "all": frozenset(get_args(Part))}
    return whole.get(split, frozenset({split}))  # type: ignore[arg-type]


def _synthetic(split: str, limit: int | None) -> list[Face]:
    if split in ("challenging", "validation"):
        raise InputError(f"the embedded synthetic faces have no {split!r} split; give DATA.")
    faces: list[Face] = []
    if split in ("train", "all"):
        faces += _rendered("train", SYNTHETIC_TRAIN, limit)
    if split != "train":
        faces += _rendered("test", SYNTHETIC_TEST, limit)
    return faces[:limit]


def _rendered(part: Literal["train", "test"], count: int, limit: int | None) -> list[Face]:
    """The whole part is kept on disk, since it takes minutes; a few faces are drawn again."""
    if limit is not None and limit < count:
        return synthetic.faces(part, limit)
    return synthetic.faces(part, count, cache=cache_folder())


def hold_out(faces: Sequence[Face], share: float) -> tuple[list[Face], list[Face]]:
    """Splits training faces into (kept, held out for validation), by group.

    Which side a group is on depends on its name alone, so adding faces moves no other face.

    Raises:
        InputError: a test face is among them, or one side would be empty.
    """
    refuse_test(faces, "validation")
    held = [face for face in faces if _position(face.group) < share]
    kept = [face for face in faces if _position(face.group) >= share]
    if not held or not kept:
        raise InputError(
            f"{len(faces)} training faces split into {len(kept)} and {len(held)} for validation, "
            "expected some on either side. Give more faces."
        )
    return kept, held


def refuse_test(faces: Sequence[Face], purpose: str) -> None:
    """Raises InputError if a test face would be used for `purpose`."""
    for face in faces:
        if face.part in TEST_PARTS:
            raise InputError(
                f"{face.id}: is a test face ({face.part}), refused for {purpose}. "
                "Use the 'train' split."
            )


def _position(group: str) -> float:
    """A fixed place in 0..1 for a name."""
    return int.from_bytes(hashlib.sha256(group.encode()).digest()[:4]) / 2**32
