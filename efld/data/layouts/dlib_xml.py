"""The xml files of dlib and its tool imglab: pictures, boxes, and parts named "00" and on."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from efld.data.faces import Face, Part
from efld.data.layouts.folder import SCHEME_OF
from efld.data.layouts.layout import Layout, Report
from efld.data.parsing import reason
from efld.errors import InputError
from efld.geometry import Box, Points


def recognise(root: Path) -> bool:
    """Whether there is an xml that starts as imglab's."""
    return bool(_files(root))


def recognise_split(root: Path) -> bool:
    """Whether the files' names say which is for training and which for testing."""
    return {"train", "test"} <= {_part(path) for path in _files(root)}


def read(root: Path, report: Report) -> Iterator[Face]:
    """Every box with points, 0-based as in dlib. A box without points is no face: `boxes`."""
    for path, image, index, box in boxes(root, report):
        if box.find("part") is None:
            continue
        where = f"{path}: box {index} of {image.get('file')}"
        try:
            points, frame = _points(box, where), _frame(box, where)
            picture = _picture(root, image, where)
        except InputError as error:
            report(error)
            continue
        yield Face(
            id=f"{path.stem}/{Path(image.get('file', '')).with_suffix('').as_posix()}_{index}",
            picture=picture,
            points=points,
            part=_part(path),
            group=image.get("file", ""),
            scheme=SCHEME_OF[len(points)],
            box=frame,
            source=where,
        )


def notes(root: Path) -> list[str]:
    """How many boxes of each file are no faces."""
    bare = Counter(
        path.name for path, _, _, box in boxes(root, lambda _: None) if box.find("part") is None
    )
    return [f"{name}: {count} boxes without points" for name, count in bare.items()]


def boxes(
    root: Path, report: Report
) -> Iterator[tuple[Path, ElementTree.Element, int, ElementTree.Element]]:
    """Yields (file, image, index from 0, box) of all boxes but those marked to be ignored."""
    for path in _files(root):
        try:
            tree = _parse(path)
        except InputError as error:
            report(error)
            continue
        for image in tree.iter("image"):
            for index, box in enumerate(image.iter("box")):
                if box.get("ignore") != "1":
                    yield path, image, index, box


def _files(root: Path) -> list[Path]:
    return [path for path in sorted(root.glob("*.xml")) if _is_imglab(path)]


def _is_imglab(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return b"<dataset>" in file.read(1024)
    except OSError:
        return False


def _parse(path: Path) -> ElementTree.Element:
    try:
        text = path.read_bytes()
        if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
            raise InputError(f"{path}: declares entities, which may be an attack. Expected none.")
        return ElementTree.fromstring(text)
    except (OSError, ElementTree.ParseError) as error:
        raise InputError(
            f"{path}: expected xml of imglab, found {reason(error)}. Is the file cut off?"
        ) from None


def _points(box: ElementTree.Element, where: str) -> Points:
    parts = {part.get("name", ""): part for part in box.iter("part")}
    names = sorted(parts, key=lambda name: int(name) if name.isdecimal() else -1)
    expected = list(range(len(names)))
    if len(names) not in SCHEME_OF or [int(n) for n in names if n.isdecimal()] != expected:
        raise InputError(
            f"{where}: {len(names)} parts, {names[0]!r} to {names[-1]!r}; expected those of a "
            f"scheme, '00' and on: {', '.join(map(str, sorted(SCHEME_OF)))}."
        )
    values = [_numbers(parts[name], ("x", "y"), where) for name in names]
    return np.array(values, np.float32)


def _frame(box: ElementTree.Element, where: str) -> Box:
    return Box(*_numbers(box, ("left", "top", "width", "height"), where))


def _numbers(element: ElementTree.Element, keys: tuple[str, ...], where: str) -> list[float]:
    try:
        return [float(element.attrib[key]) for key in keys]
    except (KeyError, ValueError) as error:
        raise InputError(
            f"{where}: <{element.tag}> expected numbers {', '.join(keys)}, found {error}."
        ) from None


def _picture(root: Path, image: ElementTree.Element, where: str) -> Path:
    picture = root / image.get("file", "")
    if picture.is_file():
        return picture
    raise InputError(f"{where}: no picture {picture}. Restore it or remove the image.")


def _part(path: Path) -> Part:
    name = path.stem.lower()
    return "train" if name.startswith("train") else "test" if name.startswith("test") else "none"


LAYOUT = Layout(
    name="dlib xml",
    recognise=recognise,
    read=read,
    holds="xml files of imglab beside their pictures",
    terms="terms of its owner",
    notes=notes,
    has_split=False,
)
SPLIT = Layout(
    name="dlib xml of train and test",
    recognise=recognise_split,
    read=read,
    holds="training*.xml and testing*.xml of imglab beside their pictures",
    terms="terms of its owner",
    notes=notes,
)
