"""What readers of labels share: text to numbers, and why a file cannot be read."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efld.errors import InputError, one_line


def floats(values: ArrayLike) -> NDArray[np.float32]:
    """Numbers, or text that says numbers, as float32.

    Raises:
        InputError: without the file's name: the first value that is no number.
    """
    try:
        return np.asarray(values, np.float32)
    except (ValueError, TypeError):
        flat = np.ravel(np.array(values, object))
        bad = next((value for value in flat if not _is_number(value)), values)
        raise InputError(f"expected numbers, found {bad!r}. Restore the file.") from None


def _is_number(value: Any) -> bool:
    try:
        np.float32(value)
    except (ValueError, TypeError):
        return False
    return True


def reason(error: Exception) -> str:
    """Why a file cannot be read, without its name: the message has that already."""
    return getattr(error, "strerror", None) or one_line(error, 100)
