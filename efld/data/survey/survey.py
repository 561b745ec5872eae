"""What a folder of datasets holds, and what is damaged in it."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np

from efld.data.faces import Face, Part
from efld.data.layouts import folder, require_folder
from efld.data.survey.damage import (
    Outside,
    collapsed,
    in_train_and_test,
    outside,
    points_damaged,
    repeated,
    unannotated,
)
from efld.data.survey.find import Found, Kind, Unpointed, find, unpointed
from efld.data.survey.look import Look, look_at_faces, look_at_pictures
from efld.errors import InputError

FOLDERS_COUNTED = 12  # a dataset with more has one for each person or video


class Sizes(NamedTuple):
    """The pictures that could be decoded."""

    smallest_px: tuple[int, int]  # width, height of the one with the fewest pixels
    largest_px: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """One dataset or collection of pictures, as found."""

    name: str
    root: str
    kind: Kind
    terms: str
    total: int  # faces, or pictures where there are no points
    counts: Mapping[str, int]  # by "part" and "part/folder"
    official: Mapping[str, int]  # what the owners count, by the same keys
    schemes: Mapping[str, int] = field(default_factory=dict)
    having: Mapping[str, int] = field(default_factory=dict)  # faces with a box, a pose, ...
    attributes: Mapping[str, int] = field(default_factory=dict)
    missing: int = 0  # pictures that are not there
    usable: int | None = None  # of `total`: its picture can be decoded; None: nobody looked
    sizes: Sizes | None = None
    outside: Outside | None = None
    notes: Sequence[str] = ()
    damage: Sequence[str] = ()


@dataclass(frozen=True)
class Survey:
    """The datasets of a folder, and what of each can be drawn."""

    datasets: list[Dataset]
    samples: list[Sequence[Face | Unpointed]]  # of each dataset
    damage: list[str]  # folders that cannot be listed

    def titled_samples(self) -> list[tuple[str, Sequence[Face | Unpointed]]]:
        """For a contact sheet: each dataset's name and last two folders, and its samples."""
        titles = [f"{one.name}: {'/'.join(Path(one.root).parts[-2:])}" for one in self.datasets]
        return list(zip(titles, self.samples, strict=True))

    def record(self) -> dict[str, object]:
        """Everything but the samples, for JSON."""
        return {"damage": self.damage, "datasets": [asdict(dataset) for dataset in self.datasets]}


def survey(root: Path, quick: bool = False) -> Survey:
    """Reads everything that lies in `root`.

    Args:
        root: a dataset, or a folder with several.
        quick: leaves out what needs the pictures decoded: their size, points outside them, damaged
            ones, the same picture in train and test.

    Raises:
        InputError: no such folder, or nothing in it that efld knows.
    """
    root = root.expanduser()
    require_folder(root, str(root))
    unreadable: list[str] = []
    found = find(root, lambda error: unreadable.append(str(error)))
    if not found:
        raise InputError(
            unreadable[0]
            if unreadable
            else f"{root}: found no dataset and no picture. Expected a dataset as its owners lay "
            "it out: `python -m efld data --help` lists them."
        )
    examined = [_examined(one, quick) for one in found]
    # What a layout took for its own by a name alone, and holds nothing, says nothing.
    told = [one for one in examined if one[0].total or one[0].damage or one[0].notes]
    datasets, samples = zip(*(told or examined), strict=True)
    return Survey(list(datasets), list(samples), unreadable)


def _examined(found: Found, quick: bool) -> tuple[Dataset, Sequence[Face | Unpointed]]:
    return _faces(found, quick) if found.kind == "points" else _pictures(found, quick)


def _pictures(found: Found, quick: bool) -> tuple[Dataset, Sequence[Unpointed]]:
    pictures = list(unpointed(found))
    masked = found.kind == "masks"
    looks = [] if quick else look_at_pictures(pictures)
    damage = [f"{one.picture}: no mask beside it." for one in pictures if masked and not one.mask]
    damage += [look.damage for look in looks if look.damage]
    dataset = Dataset(
        name="pictures with masks" if masked else "pictures without annotation",
        root=str(found.root),
        kind=found.kind,
        terms=folder.LAYOUT.terms,
        total=len(pictures),
        counts=_by_folder("none", (one.id for one in pictures), {}),
        official={},
        damage=damage,
        usable=None if quick else _usable(looks),
        sizes=_sizes(looks),
    )
    return dataset, pictures


def _faces(found: Found, quick: bool) -> tuple[Dataset, Sequence[Face]]:
    damage: list[str] = []
    faces = _read(found, damage)
    there = [f for f in faces if not isinstance(f.picture, Path) or f.picture.exists()]
    seen = [] if quick else list(zip(there, look_at_faces(there), strict=True))
    looks = [look for _, look in seen]
    beyond, far = outside(seen)
    layout = found.layout or folder.LAYOUT
    damage += [*points_damaged(faces), *collapsed(faces), *repeated(faces), *far]
    damage += unannotated(there, found.root, layout.annotation)
    damage += dict.fromkeys(look.damage for look in looks if look.damage)
    dataset = Dataset(
        name=layout.name,
        root=str(found.root),
        kind=found.kind,
        terms=layout.terms,
        total=len(faces),
        counts=_counts(faces, layout.official),
        official=dict(layout.official),
        schemes=dict(Counter(face.scheme for face in faces)),
        having=_having(faces),
        attributes=dict(Counter(name for face in faces for name in sorted(face.attributes or ()))),
        missing=len(faces) - len(there),
        usable=None if quick else _usable(looks),
        outside=beyond,
        notes=found.layout.notes(found.root) if found.layout else [],
        damage=[*damage, *in_train_and_test(seen)],
        sizes=_sizes(looks),
    )
    return dataset, faces


def _read(found: Found, damage: list[str]) -> list[Face]:
    """All faces; what ends the reading is damage too."""
    faces: list[Face] = []

    def report(error: InputError) -> None:
        damage.append(str(error))

    try:
        if found.layout:
            faces.extend(found.layout.read(found.root, report))
        else:
            files = sorted(path for where in found.folders for path in where.glob("*.pts"))
            faces.extend(folder.read_files(found.root, files, "none", report))
    except InputError as error:
        damage.append(str(error))
    except OSError as error:
        damage.append(f"{error.filename}: {error.strerror}. Expected a readable file.")
    return faces


def _counts(faces: Sequence[Face], official: Mapping[str, int]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for part in get_args(Part):
        ids = [face.id for face in faces if face.part == part]
        if ids or part in official:
            counts |= {part: len(ids), **_by_folder(part, ids, official)}
    return counts


def _by_folder(part: str, ids: Iterable[str], official: Mapping[str, int]) -> dict[str, int]:
    """Counts by "part/folder", where that says more than the part does."""
    counts = Counter(str(Path(name).parent) for name in ids)
    known = [key for key in official if key.startswith(f"{part}/")]
    if not known and not 1 < len(counts) <= FOLDERS_COUNTED:
        return {}
    return dict.fromkeys(known, 0) | {f"{part}/{name}": count for name, count in counts.items()}


def _having(faces: Sequence[Face]) -> dict[str, int]:
    having = {
        "box": sum(face.box is not None for face in faces),
        "visibility of points": sum(face.visible is not None for face in faces),
        "attributes": sum(face.attributes is not None for face in faces),
        "pose": sum(face.pose is not None for face in faces),
        "points not annotated": sum(bool(np.isnan(face.points).any()) for face in faces),
    }
    return {name: count for name, count in having.items() if count}


def _usable(looks: Sequence[Look]) -> int:
    return sum(look.size_px is not None for look in looks)


def _sizes(looks: Sequence[Look]) -> Sizes | None:
    sizes = sorted(
        (look.size_px for look in looks if look.size_px), key=lambda size: (math.prod(size), size)
    )
    return Sizes(sizes[0], sizes[-1]) if sizes else None
