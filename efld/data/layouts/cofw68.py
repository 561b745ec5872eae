"""COFW68: COFW's test faces with 68 points. https://github.com/golnazghiasi/cofw68-benchmark"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from efld.data.faces import Face
from efld.data.layouts import reading
from efld.data.layouts.cofw import StoredPicture, read_table
from efld.data.layouts.layout import Layout, Report
from efld.data.layouts.matlab import box_from_one, points_from_one, read_mat
from efld.errors import InputError

ANNOTATIONS = "test_annotations"
BOXES = "cofw68_test_bboxes.mat"
PICTURES = "COFW_test_color.mat"
_END = "_points.mat"


def recognise(root: Path) -> bool:
    """Whether the boxes lie there."""
    return (root / BOXES).exists() and (root / ANNOTATIONS).is_dir()


def read(root: Path, report: Report) -> Iterator[Face]:
    """Every file of points, `1_points.mat` belonging to the first picture and box."""
    cofw = reading.table(root / PICTURES, partial(read_table, suffix="T"), report)
    if cofw is None:
        return
    boxes = reading.table(root / BOXES, partial(_boxes, count=len(cofw.boxes)), report)
    if boxes is None:
        return
    paths = sorted((root / ANNOTATIONS).glob(f"*{_END}"), key=lambda path: (len(path.name), path))
    yield from reading.faces(((str(path), (path, boxes)) for path in paths), _face, report)


def _boxes(path: Path, count: int) -> NDArray[np.float64]:
    boxes = read_mat(path, "bboxes")["bboxes"]
    if boxes.shape != (count, 4):
        raise InputError(
            f"bboxes has {boxes.shape}, expected {(count, 4)}: a row for each picture."
        )
    return boxes


def _face(source: str, item: tuple[Path, NDArray[np.float64]]) -> Face:
    path, boxes = item
    number = path.name.removesuffix(_END)
    if not number.isdecimal() or not 1 <= int(number) <= len(boxes):
        raise InputError(f"expected a number from 1 to {len(boxes)} in the name. Remove the file.")
    row = int(number) - 1
    content = read_mat(path, "Points", "Occ")
    points, hidden = content["Points"], content["Occ"].ravel()
    if points.shape != (68, 2) or hidden.shape != (68,):
        raise InputError(
            f"Points has {points.shape} and Occ {content['Occ'].shape}, expected (68, 2) and 68. "
            "Restore the file."
        )
    name = f"test/{row + 1:04d}"
    return Face(
        id=name,
        picture=StoredPicture(path.parents[1] / PICTURES, "IsT", row),
        points=points_from_one(points),
        part="test",
        group=name,
        scheme="68",
        visible=hidden == 0,
        box=box_from_one(*boxes[row]),
        attributes=frozenset({"occlusion"} if hidden.any() else ()),
        source=source,
    )


LAYOUT = Layout(
    name="COFW68",
    recognise=recognise,
    read=read,
    holds=f"{ANNOTATIONS}, {BOXES} and {PICTURES} of COFW68",
    terms="COFW68: terms of its owners; pictures: COFW, Caltech",
    official=MappingProxyType({"test": 507}),
    folders=(ANNOTATIONS,),
)
