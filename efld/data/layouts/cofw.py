"""COFW: 29 points and which of them are hidden; the pictures lie in the same Matlab 7.3 files."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from efld.data.faces import Face, Part
from efld.data.layouts import reading
from efld.data.layouts.layout import Layout, Report
from efld.data.layouts.matlab import EXTRA, box_from_one, points_from_one, require
from efld.errors import InputError, one_line
from efld.geometry import Picture

POINTS = 29
# Burgos-Artizzu et al., ICCV 2013: pictures IsTr, boxes bboxesTr, annotations phisTr; ... T.
FILES: MappingProxyType[str, tuple[Part, str]] = MappingProxyType({
    "COFW_train_color.mat": ("train", "Tr"),
    "COFW_test_color.mat": ("test", "T"),
})  # fmt: skip
_LOCK = Lock()  # the HDF5 library is not safe under threads


@dataclass(frozen=True)
class StoredPicture:
    """One picture of a Matlab 7.3 file, read when it is asked for."""

    path: Path
    variable: str
    row: int  # from 0

    def grey(self) -> Picture:
        """Decodes it, `(height, width)`; raises InputError where it cannot."""
        try:
            with _LOCK:
                file = _opened(self.path)
                # Matlab's columns come first: (width, height) or (3, width, height).
                pixels = file[file[self.variable][0, self.row]][()].T
        except InputError as error:
            raise InputError(f"{self.path}: {error}") from None
        except (OSError, RuntimeError, KeyError, ValueError) as error:
            raise self._damaged(one_line(error, 100)) from None
        if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or pixels.shape[2:] == (3,)):
            raise self._damaged(f"{pixels.dtype} {pixels.shape}")
        if pixels.ndim == 2:
            return np.ascontiguousarray(pixels)
        grey = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY)
        return grey.astype(np.uint8, copy=False)

    def _damaged(self, found: str) -> InputError:
        return InputError(
            f"{self.path}:{self.row + 1}: expected an 8-bit grey or RGB picture in "
            f"{self.variable}, found {found}. Restore the file."
        )


@cache
def _opened(path: Path) -> Any:
    """The file, opened once and kept open."""
    return _hdf5(path)


def _hdf5(path: Path) -> Any:
    try:
        import h5py
    except ImportError:
        raise InputError(f"needs h5py to be read. {EXTRA}") from None
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise InputError(
            f"cannot be read ({one_line(error, 100)}), expected a Matlab 7.3 file. Restore it."
        ) from None


class Table(NamedTuple):
    """A COFW file without its pixels; a row a face."""

    phis: NDArray[np.float64]  # (faces, 87): x of the points, y of the points, hidden or not
    boxes: NDArray[np.float64]  # (faces, 4): x, y, width, height


def read_table(path: Path, suffix: str) -> Table:
    """Annotations of a file; raises InputError, without its name, for what is damaged."""
    names = (f"phis{suffix}", f"bboxes{suffix}", f"Is{suffix}")
    with _LOCK, _hdf5(path) as file:
        require(file, names)
        shapes = [file[name].shape for name in names]
        count = shapes[0][-1]
        if shapes != [(3 * POINTS, count), (4, count), (1, count)]:
            raise InputError(
                f"{', '.join(names)} have {', '.join(map(str, shapes))}, expected "
                f"({3 * POINTS}, n), (4, n), (1, n). Is it another file?"
            )
        try:
            return Table(file[names[0]][()].T, file[names[1]][()].T)
        except (OSError, RuntimeError) as error:
            raise InputError(f"is cut off ({one_line(error, 100)}). Restore it.") from None


def recognise(root: Path) -> bool:
    """Whether one of the two files lies there."""
    return any((root / name).exists() for name in FILES)


def read(root: Path, report: Report) -> Iterator[Face]:
    """Every row of both files."""
    for name, (part, suffix) in FILES.items():
        path = root / name
        if not path.exists():
            continue
        table = reading.table(path, partial(read_table, suffix=suffix), report)
        if table is None:
            continue
        items = (
            (f"{path}:{row + 1}", (StoredPicture(path, f"Is{suffix}", row), part, *values))
            for row, values in enumerate(zip(*table, strict=True))
        )
        yield from reading.faces(items, _face, report)


def _face(
    source: str, item: tuple[StoredPicture, Part, NDArray[np.float64], NDArray[np.float64]]
) -> Face:
    picture, part, phi, box = item
    x, y, hidden = reading.finite(phi).reshape(3, POINTS)
    name = f"{part}/{picture.row + 1:04d}"
    return Face(
        id=name,
        picture=picture,
        points=points_from_one(np.stack([x, y], axis=1)),
        part=part,
        group=name,
        scheme="29",
        visible=hidden == 0,
        box=box_from_one(*box),
        attributes=frozenset({"occlusion"} if hidden.any() else ()),
        source=source,
    )


LAYOUT = Layout(
    name="COFW",
    recognise=recognise,
    read=read,
    holds=f"the files {', '.join(FILES)} of COFW",
    terms="COFW: terms of its owners, Caltech",
    official=MappingProxyType({"train": 1345, "test": 507}),
    folders=(),
)
