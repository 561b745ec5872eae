"""The iBUG `.pts` format. Only this file knows that it counts pixels from 1."""

import re
from collections.abc import Collection
from pathlib import Path

import numpy as np

from efld.data.parsing import floats, reason
from efld.errors import InputError
from efld.geometry import Points

_BLOCK = re.compile(r"n_points:\s*(\d+)\s*\{([^}]*)\}")


def read_pts(path: Path, counts: Collection[int] = (68,)) -> Points:
    """Reads `(points, 2)` float32 landmarks: pixel centres, 0-based, x before y.

    The file counts from 1 (Matlab), so 1 is subtracted. Accepts the official form (`version`,
    `n_points`, braces) and the bare form found in the wild: only the lines with x and y.

    Args:
        path: the file.
        counts: the numbers of points that it may hold.

    Raises:
        InputError: unreadable, cut off, not numbers, NaN or infinite, another number of points.
    """
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: cannot be read ({reason(error)}). Expected an iBUG .pts text file."
        ) from None
    expected = " or ".join(map(str, sorted(counts)))
    declared, numbers = _numbers(text, path, expected)
    try:
        values = floats(numbers)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    count = len(values) / 2 if declared is None else declared
    if count not in counts or len(values) != 2 * count:
        said = "" if declared is None else f"n_points {declared} and "
        raise InputError(
            f"{path}: expected {expected} points, found {said}{len(values)} numbers, two a point. "
            "Restore the file or remove it and its picture."
        )
    if not np.isfinite(values).all():
        bad = int(np.flatnonzero(~np.isfinite(values))[0])
        raise InputError(
            f"{path}: point {bad // 2 + 1} of {len(values) // 2} is {numbers[bad]}, expected a "
            "finite number. Restore the file."
        )
    return values.reshape(-1, 2) - 1


def _numbers(text: str, path: Path, expected: str) -> tuple[int | None, list[str]]:
    """(n_points, or None in the bare form; the words that should be numbers)."""
    block = _BLOCK.search(text)
    if block is not None:
        return int(block[1]), block[2].split()
    lacking = [mark for mark in ("n_points:", "{", "}") if mark not in text]
    if len(lacking) == 3:
        return None, text.split()
    found = f"no {' '.join(lacking)}" if lacking else "its parts in another order"
    hint = "The file is cut off: restore it." if lacking == ["}"] else "Restore the file."
    raise InputError(
        f"{path}: expected a block 'n_points: {expected} {{ x y ... }}', found {found}. {hint}"
    )


def write_pts(path: Path, points: Points) -> None:
    """Writes `(points, 2)` landmarks in the official form."""
    lines = [f"{x + 1:.6f} {y + 1:.6f}" for x, y in points.tolist()]
    path.write_text("\n".join(["version: 1", f"n_points: {len(points)}", "{", *lines, "}", ""]))
