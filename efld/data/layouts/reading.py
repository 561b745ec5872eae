"""What readers share: checks of one face, and damage handed on with the place it was found."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efld.data.faces import PICTURE_SUFFIXES, Face
from efld.data.layouts.layout import Report
from efld.data.parsing import floats, reason
from efld.errors import InputError

T = TypeVar("T")


def faces(
    items: Iterable[tuple[str, T]], face: Callable[[str, T], Face], report: Report
) -> Iterator[Face]:
    """A face of every `(source, item)`.

    What `face` raises as InputError goes to `report`, with the source in front of it.
    """
    for source, item in items:
        try:
            built = face(source, item)
        except InputError as error:
            report(InputError(f"{source}: {error}"))
            continue
        yield built


def table(path: Path, read: Callable[[Path], T], report: Report) -> T | None:
    """What `read` makes of a file; None after its InputError went to `report`."""
    try:
        return read(path)
    except InputError as error:
        report(InputError(f"{path}: {error}"))
        return None


def lines(path: Path) -> list[str]:
    """The lines of a text file; raises InputError, without the file's name, as all below do."""
    try:
        return path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"cannot be read ({reason(error)}), expected text. Restore the file."
        ) from None


def finite(values: ArrayLike) -> NDArray[np.float32]:
    """Numbers, or text that says numbers, as float32; none of them NaN or infinite."""
    array = floats(values)
    if not np.isfinite(array).all():
        found = array[~np.isfinite(array)][0]
        raise InputError(f"expected finite numbers, found {found}. Remove or restore this face.")
    return array


def picture(path: Path) -> Path:
    """A picture that exists: this name, else the same one with another suffix."""
    for candidate in (path, *(path.with_suffix(suffix) for suffix in PICTURE_SUFFIXES)):
        if candidate.exists():
            return candidate
    raise InputError(f"no picture {path}. Restore it or remove the annotation.")
