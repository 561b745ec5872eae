"""Every dataset layout that efld reads, a small file each, and the one that fits a folder."""

from pathlib import Path

from efld.data.layouts import folder, three_hundred_w
from efld.data.layouts.layout import Layout, Report, strict
from efld.errors import InputError

__all__ = ["LAYOUTS", "Layout", "Report", "layout_of", "strict"]

# The first that recognises a folder reads it: the particular before the general.
LAYOUTS: tuple[Layout, ...] = (three_hundred_w.LAYOUT, folder.LAYOUT)


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
    raise InputError(f"DATA root {root}: no known layout. Expected {_expected()}.")


def _expected() -> str:
    return " or ".join(layout.holds for layout in LAYOUTS)
