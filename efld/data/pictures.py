"""Pictures with a `.pts` beside them: the layout of 300-W, and any other folder."""

import re
from collections.abc import Iterator
from pathlib import Path

from efld.data.faces import Face, Part
from efld.data.pts import read_pts
from efld.errors import InputError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")

# https://ibug.doc.ic.ac.uk/resources/300-W/ and the split of Ren et al. 2014 that the field uses.
THREE_HUNDRED_W: dict[str, Part] = {
    "afw": "train",
    "helen/trainset": "train",
    "lfpw/trainset": "train",
    "helen/testset": "common",
    "lfpw/testset": "common",
    "ibug": "challenging",
}
# One person or picture, several files: "Ann_Veneman_03", "111076519_2". "image_0591" is a number.
_INDEX = re.compile(r"_\d{1,2}$")


def read_root(root: Path) -> list[Face]:
    """All faces under `root`: the 300-W layout if one of its folders is there, else every `.pts`.

    Raises:
        InputError: no such folder, nothing in it, a `.pts` without picture or a damaged one.
    """
    root = root.expanduser()
    if not root.is_dir():
        raise InputError(f"DATA root {root}: no such folder. Expected {_expected()}.")
    if is_three_hundred_w(root):
        present = [(root / folder, part) for folder, part in THREE_HUNDRED_W.items()]
        faces = [f for folder, part in present for f in _folder(root, folder, part)]
    else:
        faces = list(_folder(root, root, "none"))
    if not faces:
        raise InputError(f"DATA root {root}: found no .pts file. Expected {_expected()}.")
    return faces


def is_three_hundred_w(root: Path) -> bool:
    """Whether a folder of 300-W lies there; some may be missing."""
    return any((root.expanduser() / folder).is_dir() for folder in THREE_HUNDRED_W)


def _expected() -> str:
    return (
        f"the folders of 300-W ({', '.join(THREE_HUNDRED_W)}) or pictures with a .pts beside each"
    )


def _folder(root: Path, folder: Path, part: Part) -> Iterator[Face]:
    for pts in sorted(folder.rglob("*.pts")):
        name = pts.relative_to(root).with_suffix("").as_posix()
        yield Face(name, _picture_of(pts), read_pts(pts), part, _INDEX.sub("", name))


def _picture_of(pts: Path) -> Path:
    for suffix in SUFFIXES:
        if (picture := pts.with_suffix(suffix)).exists():
            return picture
    raise InputError(
        f"{pts}: no picture beside it, expected {pts.stem} with one of {', '.join(SUFFIXES)}. "
        "Restore the picture or remove the .pts."
    )
