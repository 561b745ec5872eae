"""What lies in a folder: datasets, pictures with masks, pictures without any annotation."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from efld.data.faces import PICTURE_SUFFIXES
from efld.data.layouts import GENERAL, PARTICULAR, folder
from efld.data.layouts.layout import Layout, Report
from efld.errors import InputError

Kind = Literal["points", "masks", "pictures"]
# PNG, IHDR: the colour types of grey and palette.
_COLOUR_TYPE_AT, _GREY_OR_PALETTE = 25, (0, 3)


@dataclass(frozen=True)
class Found:
    """One dataset, or one collection of pictures."""

    root: Path
    kind: Kind
    layout: Layout | None  # None: known by its files alone, which lie in `folders`
    folders: tuple[Path, ...] = ()


class Unpointed(NamedTuple):
    """A picture without points, perhaps with a mask of its parts."""

    id: str
    picture: Path
    mask: Path | None


def find(root: Path, report: Report) -> list[Found]:
    """Everything that lies in `root` or below, from the top down; hidden folders are left out.

    Reports folders that cannot be listed. Symbolic links are followed, each folder once.
    """
    return _find(root, report, set())


def _find(where: Path, report: Report, seen: set[Path]) -> list[Found]:
    if (real := where.resolve()) in seen:
        return []
    seen.add(real)
    try:
        folders, files = _listed(where)
        layouts = _layouts(where)
    except OSError as error:
        report(
            InputError(f"{where}: cannot be listed ({error.strerror}). Expected a readable folder.")
        )
        return []
    found = [Found(where, "points", layout) for layout in layouts] or _loose(where, files)
    for name in folders:
        if all(_is_free(layout, name) for layout in layouts):
            found += _find(where / name, report, seen)
    return found if layouts else _merged(where, found)


def _layouts(where: Path) -> list[Layout]:
    """Every particular layout that fits, since they lie side by side, or the first general one."""
    fitting = [layout for layout in PARTICULAR if layout.recognise(where)]
    general = (one for one in GENERAL if one is not folder.LAYOUT)  # its files are found as such
    return fitting or [layout for layout in general if layout.recognise(where)][:1]


def _listed(where: Path) -> tuple[list[str], list[str]]:
    """The names of sub-folders and of everything else, dangling links too."""
    with os.scandir(where) as entries:
        names = sorted((entry.name, entry.is_dir()) for entry in entries if entry.name[0] != ".")
    return [name for name, is_folder in names if is_folder], [
        n for n, is_dir in names if not is_dir
    ]


def _is_free(layout: Layout, name: str) -> bool:
    """Whether a sub-folder is not part of the dataset."""
    return layout.folders is not None and all(Path(f).parts[0] != name for f in layout.folders)


def _loose(where: Path, files: list[str]) -> list[Found]:
    """What the files of a folder alone make."""
    kind = _kind(where, files)
    return [Found(where, kind, None, (where,))] if kind else []


def _kind(where: Path, files: list[str]) -> Kind | None:
    if any(name.endswith(".pts") for name in files):
        return "points"
    pictures = [name for name in files if Path(name).suffix.lower() in PICTURE_SUFFIXES]
    masked = next((mask for _, mask in _pairs(where, pictures) if mask), None)
    if masked and _is_mask(masked):
        return "masks"
    return "pictures" if pictures else None


def _merged(where: Path, found: list[Found]) -> list[Found]:
    """One collection where everything below is of one kind."""
    if not found or any(one.layout for one in found) or len({one.kind for one in found}) > 1:
        return found
    return [Found(where, found[0].kind, None, tuple(f for one in found for f in one.folders))]


def unpointed(found: Found) -> Iterator[Unpointed]:
    """The pictures of a collection without points, folder after folder."""
    for where in found.folders:
        names = [n for n in _listed(where)[1] if Path(n).suffix.lower() in PICTURE_SUFFIXES]
        pairs = (
            _pairs(where, names) if found.kind == "masks" else [(where / n, None) for n in names]
        )
        for picture, mask in pairs:
            name = picture.relative_to(found.root).with_suffix("").as_posix()
            yield Unpointed(name, picture, mask)


def _pairs(where: Path, pictures: list[str]) -> list[tuple[Path, Path | None]]:
    """Each picture that is no .png, and the .png of the same name."""
    masks = {Path(name).stem: where / name for name in pictures if name.lower().endswith(".png")}
    return [
        (where / name, masks.get(Path(name).stem))
        for name in pictures
        if not name.lower().endswith(".png")
    ]


def _is_mask(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            header = file.read(_COLOUR_TYPE_AT + 1)
    except OSError:
        return False
    return len(header) > _COLOUR_TYPE_AT and header[_COLOUR_TYPE_AT] in _GREY_OR_PALETTE
