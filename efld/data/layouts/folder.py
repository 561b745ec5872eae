"""Any folder of pictures with a `.pts` beside each; `train` and `test` in it are its split."""

import os
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from types import MappingProxyType

from efld.data.faces import PICTURE_SUFFIXES, Face, Part
from efld.data.layouts.layout import Layout, Report
from efld.data.pts import read_pts
from efld.errors import InputError
from efld.schemes import SCHEMES

SCHEME_OF = MappingProxyType({scheme.points: name for name, scheme in SCHEMES.items()})
PARTS: MappingProxyType[str, Part] = MappingProxyType({
    "train": "train",
    "trainset": "train",
    "val": "validation",
    "validation": "validation",
    "test": "test",
    "testset": "test",
})  # fmt: skip
# One person or picture, several files: "Ann_Veneman_03", "111076519_2". "image_0591" is a number.
_INDEX = re.compile(r"_\d{1,2}$")


def recognise(root: Path) -> bool:
    """Whether there is a `.pts` anywhere below."""
    return next(root.rglob("*.pts"), None) is not None


def recognise_split(root: Path) -> bool:
    """Whether there are `.pts` below folders for both training and testing."""
    return {"train", "test"} <= {part for name, part in PARTS.items() if recognise(root / name)}


def is_test_part(root: Path) -> bool:
    """Whether `root` is, or lies in, the folder for testing of a dataset with both."""
    root = root.absolute()
    return any(
        PARTS.get(path.name) == "test" and recognise_split(path.parent)
        for path in (root, *root.parents)
    )


def read(root: Path, report: Report) -> Iterator[Face]:
    """Every `.pts` under `root`; no split."""
    return read_folder(root, root, "none", report)


def read_split(root: Path, report: Report) -> Iterator[Face]:
    """Every `.pts` under the folders that name a part."""
    for name, part in PARTS.items():
        yield from read_folder(root, root / name, part, report)


def read_folder(
    root: Path,
    folder: Path,
    part: Part,
    report: Report,
    counts: Collection[int] = SCHEME_OF.keys(),
) -> Iterator[Face]:
    """Every `.pts` under `folder`, which may be missing; `counts` as in `read_pts`."""
    return read_files(root, files_below(folder, ".pts", report), part, report, counts)


def read_files(
    root: Path,
    files: Iterable[Path],
    part: Part,
    report: Report,
    counts: Collection[int] = SCHEME_OF.keys(),
) -> Iterator[Face]:
    """The faces of `.pts` files, named relative to `root`."""
    for pts in files:
        name = pts.relative_to(root).with_suffix("").as_posix()
        try:
            picture, points = picture_of(pts), read_pts(pts, counts)
        except InputError as error:
            report(error)
            continue
        scheme = SCHEME_OF[len(points)]
        yield Face(name, picture, points, part, group_of(name), scheme, source=str(pts))


def group_of(name: str) -> str:
    """A face's name without the number of the picture or face."""
    return _INDEX.sub("", name)


def files_below(folder: Path, suffix: str, report: Report) -> list[Path]:
    """The files of a kind under `folder`, sorted; a folder that cannot be listed is reported."""
    if not folder.is_dir():
        return []

    def unreadable(error: OSError) -> None:
        report(
            InputError(f"{error.filename}: cannot be listed ({error.strerror}). Make it readable.")
        )

    walk = os.walk(folder, onerror=unreadable)
    return sorted(
        Path(where, name) for where, _, names in walk for name in names if name.endswith(suffix)
    )


def picture_of(pts: Path) -> Path:
    """The picture beside an annotation file.

    Raises:
        InputError: there is none.
    """
    for suffix in PICTURE_SUFFIXES:
        if (picture := pts.with_suffix(suffix)).exists():
            return picture
    raise InputError(
        f"{pts}: no picture beside it, expected {pts.stem} with one of "
        f"{', '.join(PICTURE_SUFFIXES)}. Restore the picture or remove the .pts."
    )


def pts_of(picture: Path) -> Path:
    """The annotation file of a picture, whether it is there or not."""
    return picture.with_suffix(".pts")


LAYOUT = Layout(
    name="pictures with .pts",
    recognise=recognise,
    read=read,
    holds="pictures with a .pts beside each",
    terms="terms of its owner",
    has_split=False,
    annotation=pts_of,
)
SPLIT = Layout(
    name="pictures with .pts in train and test",
    recognise=recognise_split,
    read=read_split,
    holds="folders train and test of pictures with a .pts beside each",
    terms="terms of its owner",
    folders=tuple(PARTS),
    annotation=pts_of,
)
