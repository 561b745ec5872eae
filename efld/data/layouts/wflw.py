"""WFLW: faces of WIDER FACE with 98 points and six attributes, in text lists."""

from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

from efld.data.faces import Face, Part
from efld.data.layouts import reading
from efld.data.layouts.layout import Layout, Report
from efld.errors import InputError
from efld.geometry import Box

LISTS: MappingProxyType[Part, str] = MappingProxyType({
    "train": "list_98pt_rect_attr_train.txt",
    "test": "list_98pt_rect_attr_test.txt",
})  # fmt: skip
FOLDER = "WFLW_annotations/list_98pt_rect_attr_train_test"
PICTURES = "WFLW_images"
FLAGS = ("pose", "expression", "illumination", "make-up", "occlusion", "blur")
FIELDS = 2 * 98 + 4 + len(FLAGS) + 1  # points, x_min y_min x_max y_max, flags, picture


def recognise(root: Path) -> bool:
    """Whether one of the lists lies there, in its official folder or at the root."""
    return any(path.exists() for part in LISTS for path in _places(root, part))


def _places(root: Path, part: Part) -> tuple[Path, Path]:
    return root / FOLDER / LISTS[part], root / LISTS[part]


def read(root: Path, report: Report) -> Iterator[Face]:
    """Every line of both lists. Coordinates are taken as they are: from 0, as all public code does.

    The lists of the test's subsets are not read: they repeat the attributes.
    """
    for part in LISTS:
        path = next((path for path in _places(root, part) if path.exists()), None)
        if path is None:
            continue
        lines = reading.table(path, reading.lines, report) or ()
        items = ((f"{path}:{row}", (root, part, row, line)) for row, line in enumerate(lines, 1))
        yield from reading.faces(items, _face, report)


def _face(source: str, item: tuple[Path, Part, int, str]) -> Face:
    root, part, row, line = item
    fields = line.split()
    if len(fields) != FIELDS:
        raise InputError(
            f"expected {FIELDS} fields, found {len(fields)}. Restore the list from WFLW's archive."
        )
    values = reading.finite(fields[:-1])
    left, top, right, bottom = values[196:200].tolist()
    name = fields[-1]
    return Face(
        id=f"{part}/{Path(name).with_suffix('').as_posix()}/{row}",
        picture=reading.picture(root / PICTURES / name),
        points=values[:196].reshape(98, 2),
        part=part,
        group=name,
        scheme="98",
        box=Box(left, top, right - left, bottom - top),
        attributes=frozenset(
            flag for flag, value in zip(FLAGS, values[200:], strict=True) if value
        ),
        source=source,
    )


LAYOUT = Layout(
    name="WFLW",
    recognise=recognise,
    read=read,
    holds=f"{FOLDER} and {PICTURES} of WFLW",
    terms="WFLW: research only, non-commercial",
    official=MappingProxyType({"train": 7500, "test": 2500}),
    folders=("WFLW_annotations", PICTURES),
)
