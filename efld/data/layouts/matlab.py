"""Matlab's files. Only this one knows that Matlab counts pixels from 1, columns first."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efld.data.layouts.reading import finite
from efld.data.parsing import reason
from efld.errors import InputError, to_install
from efld.geometry import Box, Points

EXTRA = f"Run: {to_install('data')}."


def read_mat(path: Path, *names: str) -> dict[str, NDArray[Any]]:
    """The named variables of a `.mat` of format 5.

    Raises:
        InputError: without the file's name: no scipy, unreadable, cut off, a variable is missing.
    """
    try:
        from scipy.io import loadmat
    except ImportError:
        raise InputError(f"needs scipy to be read. {EXTRA}") from None
    try:
        content = loadmat(path, variable_names=names)
    except Exception as error:  # scipy has no common error for what a damaged file makes of it
        raise InputError(
            f"cannot be read ({reason(error)}), expected a Matlab file. Restore it."
        ) from None
    require(content, names)
    return content


def require(content: Any, names: tuple[str, ...]) -> None:
    """Raises InputError if one of the variables is missing."""
    if missing := [name for name in names if name not in content]:
        found = sorted(name for name in content if not name.startswith(("_", "#")))
        raise InputError(
            f"no variable {', '.join(missing)}, found {found}. Is it another or a cut file?"
        )


def points_from_one(values: ArrayLike) -> Points:
    """`(..., 2)` pixel centres that count from 1 -> from 0."""
    return finite(values) - np.float32(1)


def box_from_one(x: float, y: float, width: float, height: float) -> Box:
    """Matlab's `[x y w h]`, whose first pixel has the number 1 -> pixel edges."""
    return Box(float(x) - 1, float(y) - 1, float(width), float(height))
