"""300-VW: 114 videos with a `.pts` for each frame."""

from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

from efld.data.faces import Face
from efld.data.layouts.folder import files_below
from efld.data.layouts.layout import Layout, Report
from efld.data.pts import read_pts
from efld.data.video import Frame
from efld.errors import InputError

ARCHIVE = "300VW_Dataset_2015_12_14"
# The ids as in SBR/cache_data/generate_300VW.py of github.com/D-X-Y/landmark-detection; the
# categories are those of Shen et al., ICCVW 2015: well lit, real-world, arbitrary conditions.
TRAIN = (
    1, 2, 3, 4, 7, 9, 10, 11, 13, 15, 16, 17, 18, 19, 20, 22, 25, 27, 28, 29, 31, 33, 34, 35, 37,
    39, 41, 43, 44, 46, 47, 48, 49, 53, 57, 59, 112, 113, 115, 119, 120, 123, 138, 143, 144, 160,
    204, 205, 223, 225,
)  # fmt: skip
CATEGORIES = MappingProxyType({
    "category1": (
        114, 124, 125, 126, 150, 158, 401, 402, 505, 506, 507, 508, 509, 510, 511, 514, 515, 518,
        519, 520, 521, 522, 524, 525, 537, 538, 540, 541, 546, 547, 548,
    ),
    "category2": (
        203, 208, 211, 212, 213, 214, 218, 224, 403, 404, 405, 406, 407, 408, 409, 412, 550, 551,
        553,
    ),
    "category3": (410, 411, 516, 517, 526, 528, 529, 530, 531, 533, 557, 558, 559, 562),
})  # fmt: skip
CATEGORY_OF = MappingProxyType({
    f"{video:03d}": category for category, videos in CATEGORIES.items() for video in videos
})  # fmt: skip
VIDEOS = sorted([*(f"{video:03d}" for video in TRAIN), *CATEGORY_OF])


def recognise(root: Path) -> bool:
    """Whether an official video's annotations lie there or in the archive's folder."""
    base = _base(root)
    return any((base / video / "annot").is_dir() for video in VIDEOS)


def read(root: Path, report: Report) -> Iterator[Face]:
    """Frame after frame; attributes name a test video's category. Videos may be missing.

    It does not open videos, so their length is found by whoever reads the last frame.
    """
    for video in VIDEOS:
        if (folder := _base(root) / video).is_dir():
            yield from _read_video(folder, report)


def _read_video(folder: Path, report: Report) -> Iterator[Face]:
    video = folder / "vid.avi"
    if not video.is_file():
        report(InputError(f"{video}: no such file, but annotations of it. Restore the video."))
        return
    category = CATEGORY_OF.get(folder.name)
    for pts in files_below(folder / "annot", ".pts", report):
        try:
            number, points = _number(pts), read_pts(pts)
        except InputError as error:
            report(error)
            continue
        yield Face(
            id=f"{folder.name}/{pts.stem}",
            picture=Frame(video, number),
            points=points,
            part="test" if category else "train",
            group=folder.name,
            attributes=frozenset({category} if category else ()),
            source=str(pts),
        )


def _number(pts: Path) -> int:
    if pts.stem.isdecimal() and int(pts.stem) > 0:
        return int(pts.stem)
    raise InputError(f"{pts}: expected the number of a frame as its name, from 000001. Remove it.")


def _base(root: Path) -> Path:
    return root / ARCHIVE if (root / ARCHIVE).is_dir() else root


LAYOUT = Layout(
    name="300-VW",
    recognise=recognise,
    read=read,
    holds=f"folders of {ARCHIVE} with vid.avi and annot (001 to 562)",
    terms="300-VW: research only, non-commercial",
    folders=(ARCHIVE, *VIDEOS),
)
