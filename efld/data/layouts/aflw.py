"""AFLW with the 19 points of `AFLWinfo_release.mat`, hidden ones included."""

from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efld.data.faces import Face, Part
from efld.data.layouts import reading
from efld.data.layouts.layout import Layout, Report
from efld.data.layouts.matlab import read_mat
from efld.errors import InputError
from efld.geometry import Box

FILE = "AFLWinfo_release.mat"
POINTS = 19
TRAIN = 20000  # the first faces of the permutation `ra`; Zhu et al., CVPR 2016
FOLDERS = ("data/flickr", "flickr")


def recognise(root: Path) -> bool:
    """Whether the file lies there."""
    return (root / FILE).exists()


def pictures(root: Path) -> Path:
    """The folder that AFLW's names begin in: `data/flickr`, `flickr` or the root itself."""
    return next((root / folder for folder in FOLDERS if (root / folder).is_dir()), root)


def read(root: Path, report: Report) -> Iterator[Face]:
    """Every row of the file. "frontal" is its official test subset: all 19 points visible.

    Nothing says whether its pixels count from 0 or 1: they are taken as they are, as public code
    does. Some names have a wrong suffix.
    """
    path = root / FILE
    table = reading.table(path, _table, report)
    if table is None:
        return
    folder = pictures(root)
    items = ((f"{path}:{row + 1}", (folder, row, table)) for row in range(len(table["data"])))
    yield from reading.faces(items, _face, report)


def _table(path: Path) -> dict[str, NDArray[Any]]:
    """The variables, a row a face; `ra` becomes `part`, which of them are for training."""
    table = read_mat(path, "bbox", "data", "mask_new", "nameList", "ra")
    count = len(table["data"])
    order = table.pop("ra").ravel().astype(int) - 1
    shapes = [table[name].shape for name in ("data", "bbox", "mask_new")]
    if shapes != [(count, 2 * POINTS), (count, 4), (count, POINTS)] or len(table["nameList"]) != (
        count
    ):
        raise InputError(
            f"data, bbox, mask_new have {', '.join(map(str, shapes))}, expected "
            f"(n, {2 * POINTS}), (n, 4), (n, {POINTS}) and n names. Restore the file."
        )
    if not np.array_equal(np.sort(order), np.arange(count)):
        raise InputError(f"ra is no permutation of 1 to {count}. Restore the file.")
    table["part"] = np.isin(np.arange(count), order[:TRAIN])
    return table


def _face(source: str, item: tuple[Path, int, dict[str, NDArray[Any]]]) -> Face:
    folder, row, table = item
    name = str(table["nameList"][row].item().item())
    left, right, top, bottom = table["bbox"][row].tolist()
    visible = table["mask_new"][row] == 1
    part: Part = "train" if table["part"][row] else "test"
    stem = Path(name).with_suffix("").as_posix()
    return Face(
        id=f"{stem}/{row + 1}",
        picture=reading.picture(folder / name),
        points=reading.finite(table["data"][row]).reshape(2, POINTS).T,
        part=part,
        group=stem,
        scheme="19",
        visible=visible,
        box=Box(left, top, right - left, bottom - top),
        attributes=frozenset({"frontal"} if visible.all() else ()),
        source=source,
    )


LAYOUT = Layout(
    name="AFLW (19 points)",
    recognise=recognise,
    read=read,
    holds=f"{FILE} and data/flickr of AFLW",
    terms="AFLW: research only, non-commercial",
    official=MappingProxyType({"train": 20000, "test": 4386}),
    folders=("data", "flickr", "0", "2", "3"),
)
