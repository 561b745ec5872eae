"""The csv files of HRNet-Facial-Landmark-Detection for 300-W; the pictures often lie elsewhere."""

from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

from efld.data.faces import Face, Part
from efld.data.layouts.folder import group_of
from efld.data.layouts.layout import Layout, Report
from efld.data.layouts.table import read_table
from efld.errors import InputError
from efld.geometry import Box

# "valid" is the union of the two before it, and "test" the private test set of 300-W.
PARTS: MappingProxyType[str, Part] = MappingProxyType({
    "train": "train",
    "valid_common": "common",
    "valid_challenge": "challenging",
    "valid": "common",
    "test": "test",
})  # fmt: skip
POINTS = [f"original_{index}_{axis}" for index in range(68) for axis in "xy"]
COLUMNS = ["scale", "center_w", "center_h", *POINTS]


def recognise(root: Path) -> bool:
    """Whether one of the csv files lies there."""
    return any(_table(root, name).is_file() for name in PARTS)


def read(root: Path, report: Report) -> Iterator[Face]:
    """Each face once. A picture that is not there is counted, and its face yielded all the same.

    The points are those of the .pts files, so they count from 1: of 8 test faces none differed by
    1e-4 px. `scale` and `center` are the protocol's square around them: scale * 200 px wide.
    """
    seen: set[str] = set()
    missing = 0
    for name, part in PARTS.items():
        path = _table(root, name)
        for face in _read_table(path, root, part, report) if path.is_file() else ():
            if face.id not in seen:
                seen.add(face.id)
                missing += isinstance(face.picture, Path) and not face.picture.exists()
                yield face
    if missing:
        report(
            InputError(
                f"{root}: {missing} of {len(seen)} pictures are not there, expected the folders of "
                f"300-W in {_pictures(root)}. Put or link them there."
            )
        )


def _read_table(path: Path, root: Path, part: Part, report: Report) -> Iterator[Face]:
    for line, name, numbers in read_table(path, "image_name", COLUMNS, report):
        try:
            box = _box(*numbers[:3].tolist())
        except InputError as error:
            report(InputError(f"{path}:{line}: {error}"))
            continue
        face = Path(name).with_suffix("").as_posix()
        yield Face(
            id=face,
            picture=_pictures(root) / name,
            points=numbers[3:].reshape(68, 2) - 1,
            part="challenging" if part == "common" and face.startswith("ibug/") else part,
            group=group_of(face),
            box=box,
            source=f"{path}:{line}",
        )


def _box(scale: float, centre_x: float, centre_y: float) -> Box:
    """The square in pixel edges; a centre counts from 1 like the points."""
    side = 200 * scale
    return Box(centre_x - 0.5 - side / 2, centre_y - 0.5 - side / 2, side, side)


def _table(root: Path, name: str) -> Path:
    return root / f"face_landmarks_300w_{name}.csv"


def _pictures(root: Path) -> Path:
    """Where HRNet's configuration expects them, or beside the csv."""
    folders = ("afw", "helen", "ibug", "lfpw")
    return root if any((root / folder).is_dir() for folder in folders) else root / "images"


LAYOUT = Layout(
    name="300-W as HRNet's csv",
    recognise=recognise,
    read=read,
    holds="face_landmarks_300w_train.csv and the like, pictures in images/",
    terms="300-W: research only, non-commercial",
    official=MappingProxyType({"train": 3148, "common": 554, "challenging": 135, "test": 600}),
)
