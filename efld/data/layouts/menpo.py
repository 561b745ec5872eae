"""Menpo 2-D (2017): pictures with a `.pts` of 68 points (semi-frontal) or 39 (profile)."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

from efld.data.faces import Face, Part
from efld.data.layouts.folder import pts_of, read_folder
from efld.data.layouts.layout import Layout, Report

# How the pictures are named that AFLW gave; they are most of the set.
_NAMES = "aflw__face_*.pts"
_TEST = re.compile(r"(^|[-_])test", re.IGNORECASE)


def recognise(root: Path) -> bool:
    """Whether annotations named as Menpo's lie there, or in folders called semifrontal, profile."""
    return any(next(folder.glob(_NAMES), None) for folder in (root, *_folders(root)))


def read(root: Path, report: Report) -> Iterator[Face]:
    """All faces, each in the scheme of its file; a folder called test is for testing.

    The owners' training archive is one folder, menpo_train_release. How the test sets are packed
    is not known to us, hence the rule by name.
    """
    for folder in _folders(root) or [root]:
        part: Part = "test" if _TEST.search(folder.name) else "train"
        yield from read_folder(root, folder, part, report, counts=(68, 39))


def _folders(root: Path) -> list[Path]:
    words = ("semifrontal", "profile")
    return sorted(
        path for path in root.glob("*/") if any(word in path.name.lower() for word in words)
    )


LAYOUT = Layout(
    name="Menpo",
    recognise=recognise,
    read=read,
    holds="menpo_train_release: pictures aflw__face_* with .pts of 68 or 39 points",
    terms="Menpo: research only, non-commercial",
    # 5658 semi-frontal and 1906 profile: README of github.com/jiankangdeng/MenpoBenchmark.
    official=MappingProxyType({"train": 5658 + 1906}),
    annotation=pts_of,
)
