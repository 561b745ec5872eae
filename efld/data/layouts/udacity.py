"""The facial keypoints of Udacity's P1: frames of YouTube Faces and a csv for each part."""

from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

from efld.data.faces import Face, Part
from efld.data.layouts.folder import group_of
from efld.data.layouts.layout import Layout, Report
from efld.data.layouts.table import read_table
from efld.errors import InputError

PARTS: MappingProxyType[Part, tuple[str, str]] = MappingProxyType({
    "train": ("training_frames_keypoints.csv", "training"),
    "test": ("test_frames_keypoints.csv", "test"),
})  # fmt: skip
COLUMNS = [str(index) for index in range(2 * 68)]  # x, y, x, y, ...; the name's column has no title


def recognise(root: Path) -> bool:
    """Whether one of the csv files lies there or in `data`."""
    return any((_base(root) / table).is_file() for table, _ in PARTS.values())


def read(root: Path, report: Report) -> Iterator[Face]:
    """The rows of both files.

    The points are whole numbers, 0-based: machine-made in Python, where the first pixel is 0, and
    drawn without an offset by the course's own notebook. No document of the owners says so.
    """
    base = _base(root)
    for part, (table, folder) in PARTS.items():
        if (path := base / table).is_file():
            yield from _read_part(path, base / folder, part, report)


def _read_part(path: Path, folder: Path, part: Part, report: Report) -> Iterator[Face]:
    for line, name, numbers in read_table(path, "", COLUMNS, report):
        picture = folder / name
        if not picture.exists():
            report(InputError(f"{path}:{line}: no picture {picture}. Restore it or drop the row."))
            continue
        stem = picture.stem
        yield Face(
            id=f"{folder.name}/{stem}",
            picture=picture,
            points=numbers.reshape(68, 2),
            part=part,
            group=group_of(stem),
            source=f"{path}:{line}",
        )


def _base(root: Path) -> Path:
    return root / "data" if any((root / "data" / t).is_file() for t, _ in PARTS.values()) else root


LAYOUT = Layout(
    name="Udacity P1",
    recognise=recognise,
    read=read,
    holds="training_frames_keypoints.csv and the folder training (or data/ with them)",
    terms="YouTube Faces: research only",
    # As distributed; the README of github.com/udacity/P1_Facial_Keypoints says 2308 for the test.
    official=MappingProxyType({"train": 3462, "test": 770}),
)
