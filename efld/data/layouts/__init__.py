"""Every dataset layout that efld reads, a small file each, and the one that fits a folder."""

from pathlib import Path

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

__all__ = ["LAYOUTS", "Layout", "Report", "layout_of", "strict"]

# The first that recognises a folder reads it: the particular before the general.
LAYOUTS: tuple[Layout, ...] = (
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
    dlib_xml.SPLIT,
    dlib_xml.LAYOUT,
    folder.SPLIT,
    folder.LAYOUT,
)


def layout_of(root: Path) -> Layout:
    """The layout of a dataset's folder.

    Raises:
        InputError: no such folder, or nothing that any layout knows.
    """
    root = root.expanduser()
    if not root.is_dir():
        raise InputError(f"DATA root {root}: no such folder. Expected {_expected()}.")
    for layout in LAYOUTS:
        if layout.recognise(root):
            return layout
    raise InputError(
        f"DATA root {root}: found no dataset. Expected {_expected()}. "
        f"`python -m efld data {root}` lists what lies in the folders below."
    )


def _expected() -> str:
    general = (dlib_xml.SPLIT, folder.SPLIT, folder.LAYOUT)
    names = [layout.name for layout in LAYOUTS if layout not in general]
    return f"{folder.LAYOUT.holds}, or one of {', '.join(names)} as its owners lay it out"
