"""300-W: pictures with a `.pts` beside each, in the owners' folders."""

from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

from efld.data.faces import Face, Part
from efld.data.layouts.folder import pts_of, read_folder
from efld.data.layouts.layout import Layout, Report

# https://ibug.doc.ic.ac.uk/resources/300-W/ and the split of Ren et al. 2014 that the field uses.
FOLDERS: MappingProxyType[str, Part] = MappingProxyType({
    "afw": "train",
    "helen/trainset": "train",
    "lfpw/trainset": "train",
    "helen/testset": "common",
    "lfpw/testset": "common",
    "ibug": "challenging",
})  # fmt: skip
OFFICIAL = MappingProxyType({
    "train": 3148, "train/afw": 337, "train/helen/trainset": 2000, "train/lfpw/trainset": 811,
    "common": 554, "common/helen/testset": 330, "common/lfpw/testset": 224,
    "challenging": 135, "challenging/ibug": 135,
})  # fmt: skip


def recognise(root: Path) -> bool:
    """Whether a folder of 300-W lies there; some may be missing."""
    return any((root / folder).is_dir() for folder in FOLDERS)


def whole(root: Path) -> Path | None:
    """Where all of 300-W lies, if `root` is one of its folders: alone it has no split."""
    root = root.absolute()
    for above in root.parents[:2]:
        names = [above / folder for folder in FOLDERS]
        if any(root == name or root in name.parents for name in names) and recognise(above):
            return above
    return None


def read(root: Path, report: Report) -> Iterator[Face]:
    """All faces, folder after folder."""
    for folder, part in FOLDERS.items():
        yield from read_folder(root, root / folder, part, report, counts=(68,))


LAYOUT = Layout(
    name="300-W",
    recognise=recognise,
    read=read,
    holds=f"the folders of 300-W ({', '.join(FOLDERS)})",
    terms="300-W: research only, non-commercial",
    official=OFFICIAL,
    folders=("afw", "helen", "lfpw", "ibug"),
    annotation=pts_of,
)
