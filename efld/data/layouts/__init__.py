"""Every dataset layout that efld reads, a small file each, and the one that fits a folder."""

import os
from pathlib import Path

from efld.data.faces import PICTURE_SUFFIXES
from efld.data.layouts import (
    aflw,
    aflw_sqlite,
    cofw,
    cofw68,
    dlib_xml,
    folder,
    hrnet_csv,
    lapa,
    menpo,
    three_hundred_vw,
    three_hundred_w,
    three_hundred_w_lp,
    udacity,
    wflw,
)
from efld.data.layouts.layout import Layout, Report, strict
from efld.errors import InputError

__all__ = [
    "GENERAL",
    "LAYOUTS",
    "PARTICULAR",
    "Layout",
    "Report",
    "layout_of",
    "require_folder",
    "strict",
]

# One dataset each, as its owners lay it out.
PARTICULAR: tuple[Layout, ...] = (
    three_hundred_w_lp.LAYOUT,  # before 300-W: some disks do not tell AFW from afw
    three_hundred_w.LAYOUT,
    three_hundred_vw.LAYOUT,
    wflw.LAYOUT,
    lapa.LAYOUT,
    cofw68.LAYOUT,
    cofw.LAYOUT,
    aflw.LAYOUT,
    aflw_sqlite.LAYOUT,
    menpo.LAYOUT,
    udacity.LAYOUT,
    hrnet_csv.LAYOUT,
)
GENERAL: tuple[Layout, ...] = (dlib_xml.SPLIT, dlib_xml.LAYOUT, folder.SPLIT, folder.LAYOUT)
LAYOUTS = (*PARTICULAR, *GENERAL)  # the first that recognises a folder reads it

SHOWN = 6  # datasets in a message


def layout_of(root: Path) -> Layout:
    """The layout of a dataset's folder.

    Raises:
        InputError: no such folder, nothing that any layout knows, a part of 300-W, or datasets in
            folders below: read as one heap of `.pts` they would lose their splits.
    """
    root = root.expanduser()
    require_folder(root, f"DATA root {root}")
    if whole := three_hundred_w.whole(root):
        raise InputError(
            f"DATA root {root}: is a part of 300-W, whose split and terms it would lose alone. "
            f"Give all of it: {whole}."
        )
    fitting = next((layout for layout in LAYOUTS if layout.recognise(root)), None)
    if fitting and fitting is not folder.LAYOUT:
        return fitting
    if below := _datasets_below(root):
        names = ", ".join(below[:SHOWN]) + (", ..." if len(below) > SHOWN else "")
        many = "several datasets" if len(below) > 1 else "a dataset in a folder below"
        raise InputError(
            f"DATA root {root}: holds {many} ({names}). Give one of them: {root / below[0]}."
        )
    if fitting is None:
        raise InputError(
            f"DATA root {root}: found {_without_points(root)}. Expected {folder.LAYOUT.holds}, or "
            "a dataset as its owners lay it out: `python -m efld data --help` lists them."
        )
    return fitting


def require_folder(path: Path, name: str) -> None:
    """Raises InputError, which begins with `name`, if it is no folder."""
    if not path.exists():
        raise InputError(f"{name}: no such folder. Check the path.")
    if not path.is_dir():
        raise InputError(f"{name}: is a file, expected a folder.")


def _datasets_below(root: Path) -> list[str]:
    """The sub-folders that hold a dataset of their own, the topmost, relative to `root`."""
    below = []
    for where, folders, names in os.walk(root):
        path = Path(where)
        if path != root and _is_dataset(path, bool(folders), names):
            below.append(path.relative_to(root).as_posix())
            folders.clear()
        folders[:] = sorted(name for name in folders if name[0] != ".")
    return below


def _is_dataset(path: Path, has_folders: bool, names: list[str]) -> bool:
    # Of pictures and .pts alone only Menpo consists; trying all takes 7 s for 5000 such folders.
    if has_folders or any(not name.lower().endswith((".pts", *PICTURE_SUFFIXES)) for name in names):
        return any(layout.recognise(path) for layout in (*PARTICULAR, folder.SPLIT))
    return menpo.LAYOUT.recognise(path)


def _without_points(root: Path) -> str:
    names = (name for _, _, names in os.walk(root) for name in names)
    pictures = any(Path(name).suffix.lower() in PICTURE_SUFFIXES for name in names)
    return "pictures but no points" if pictures else "neither pictures nor points"
