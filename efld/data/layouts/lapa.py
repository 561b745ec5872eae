"""LaPa: pictures, masks and 106 points a face, a text file each."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

from efld.data.faces import Face, Part
from efld.data.layouts import reading
from efld.data.layouts.layout import Layout, Report
from efld.errors import InputError

FOLDERS: MappingProxyType[str, Part] = MappingProxyType({
    "train": "train",
    "val": "validation",
    "test": "test",
})  # fmt: skip
POINTS = 106
_INDEX = re.compile(r"_\d{1,2}$")  # "3705265869_1": the second face of a picture


def recognise(root: Path) -> bool:
    """Whether a folder of points lies beside one of pictures."""
    return any(
        (root / folder / "landmarks").is_dir() and (root / folder / "images").is_dir()
        for folder in FOLDERS
    )


def read(root: Path, report: Report) -> Iterator[Face]:
    """Every file of points. They count from 0, as all public code takes them."""
    for folder, part in FOLDERS.items():
        paths = sorted((root / folder / "landmarks").glob("*.txt"))
        yield from reading.faces(((str(path), (path, part)) for path in paths), _face, report)


def _face(source: str, item: tuple[Path, Part]) -> Face:
    path, part = item
    fields = " ".join(reading.lines(path)).split()
    if fields[:1] != [str(POINTS)] or len(fields) != 1 + 2 * POINTS:
        raise InputError(
            f"expected the line {POINTS} and {POINTS} lines 'x y', found {len(fields)} fields "
            f"that begin with {' '.join(fields[:1])!r}. Restore the file."
        )
    folder = path.parent.parent
    return Face(
        id=f"{folder.name}/{path.stem}",
        picture=reading.picture(folder / "images" / f"{path.stem}.jpg"),
        points=reading.finite(fields[1:]).reshape(POINTS, 2),
        part=part,
        group=_INDEX.sub("", path.stem),
        scheme="106",
        source=source,
    )


def _points_of(picture: Path) -> Path:
    return picture.parents[1] / "landmarks" / f"{picture.stem}.txt"


# Counts: Liu et al., AAAI 2020. Terms: https://github.com/JDAI-CV/lapa-dataset
LAYOUT = Layout(
    name="LaPa",
    recognise=recognise,
    read=read,
    holds="the folders train, val, test of LaPa, with images and landmarks in each",
    terms="LaPa: non-commercial",
    official=MappingProxyType({"train": 18176, "validation": 2000, "test": 2000}),
    folders=tuple(FOLDERS),
    annotation=_points_of,
)
