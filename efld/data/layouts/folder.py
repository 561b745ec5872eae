"""Any folder of pictures with a `.pts` beside each."""

import re
from collections.abc import Iterator
from pathlib import Path

from efld.data.faces import Face, Part
from efld.data.layouts.layout import Layout, Report
from efld.data.pts import read_pts
from efld.errors import InputError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
# One person or picture, several files: "Ann_Veneman_03", "111076519_2". "image_0591" is a number.
_INDEX = re.compile(r"_\d{1,2}$")


def recognise(root: Path) -> bool:
    """Whether there is a `.pts` anywhere below."""
    return next(root.rglob("*.pts"), None) is not None


def read(root: Path, report: Report) -> Iterator[Face]:
    """Every `.pts` under `root`; no split."""
    return read_folder(root, root, "none", report)


def read_folder(root: Path, folder: Path, part: Part, report: Report) -> Iterator[Face]:
    """Every `.pts` under `folder`, named relative to `root`, with 68 points."""
    for pts in sorted(folder.rglob("*.pts")):
        name = pts.relative_to(root).with_suffix("").as_posix()
        try:
            picture, points = picture_of(pts), read_pts(pts)
        except InputError as error:
            report(error)
            continue
        yield Face(name, picture, points, part, _INDEX.sub("", name), source=str(pts))


def picture_of(pts: Path) -> Path:
    """The picture beside an annotation file.

    Raises:
        InputError: there is none.
    """
    for suffix in SUFFIXES:
        if (picture := pts.with_suffix(suffix)).exists():
            return picture
    raise InputError(
        f"{pts}: no picture beside it, expected {pts.stem} with one of {', '.join(SUFFIXES)}. "
        "Restore the picture or remove the .pts."
    )


LAYOUT = Layout(
    name="pictures with .pts",
    recognise=recognise,
    read=read,
    holds="pictures with a .pts beside each",
    terms="terms of its owner",
    has_split=False,
)
