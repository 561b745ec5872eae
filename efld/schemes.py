"""Point schemes: which landmark has which index, and what mirrors onto what."""

from types import MappingProxyType
from typing import TypeVar

import numpy as np

from efld.errors import InputError
from efld.scheme_tables import SCHEMES, Indices, Scheme

__all__ = ["SCHEMES", "Indices", "Scheme", "convert", "mirror", "outer_eyes", "pupils", "scheme"]

T = TypeVar("T")


def scheme(name: str) -> Scheme:
    """Looks a scheme up.

    Raises:
        InputError: unknown name.
    """
    if name not in SCHEMES:
        raise InputError(f"point scheme {name!r} is unknown, expected one of {sorted(SCHEMES)}.")
    return SCHEMES[name]


def outer_eyes(name: str) -> tuple[int, int]:
    """Indices of the outer eye corners, the picture's left one first.

    Raises:
        InputError: unknown name, or a scheme without two eyes.
    """
    return _given(scheme(name).outer_eyes, name, "outer eye corners")


def pupils(name: str) -> tuple[Indices, Indices]:
    """Indices of the points whose means are the eye centres; raises as `outer_eyes`."""
    return _given(scheme(name).pupils, name, "eye centres")


def _given(value: T | None, name: str, what: str) -> T:
    if value is None:
        raise InputError(
            f"point scheme {name!r}: has no {what}. Take points of two eyes, or go without: "
            "`benchmark accuracy` takes --normaliser box, `efld predict` --box."
        )
    return value


def mirror(points: np.ndarray, name: str) -> np.ndarray:
    """Mirrors `(..., points, 2)` landmarks in 0..1 over a crop: x -> 1 - x, indices swapped."""
    swapped = points[..., list(scheme(name).mirror), :].copy()
    swapped[..., 0] = 1 - swapped[..., 0]
    return swapped


# Which points of the source are the target's.
_SUBSETS = MappingProxyType({
    ("98", "68"): (
        *range(0, 33, 2), *range(33, 38), *range(42, 47), *range(51, 60),
        60, 61, 63, 64, 65, 67, 68, 69, 71, 72, 73, 75, *range(76, 96),
    ),
})  # fmt: skip


def converts(source: str, target: str) -> bool:
    """Whether `convert` knows the way; raises InputError for an unknown name."""
    return scheme(source) is scheme(target) or (source, target) in _SUBSETS


def convert(points: np.ndarray, source: str, target: str) -> np.ndarray:
    """Takes the points of `target` out of `(..., points, 2)` landmarks of `source`.

    98 -> 68 is the usual choice of points: WFLW's upper edge of the brows, eyelids without their
    middle. 300-W's brows run lower and its lids' points lie closer, where PIPNet's
    `convert_wflw` takes means of neighbours; so scores across the two do not compare.

    Raises:
        InputError: unknown name, no map between the two, or another number of points.
    """
    expected = scheme(source).points
    if points.shape[-2:] != (expected, 2):
        raise InputError(
            f"landmarks of shape {points.shape}: expected (..., {expected}, 2), scheme {source!r}."
        )
    if scheme(target) is scheme(source):
        return points
    if not converts(source, target):
        known = ", ".join(f"{one} -> {other}" for one, other in _SUBSETS)
        raise InputError(f"no map from scheme {source!r} to {target!r}, expected {known}.")
    return points[..., list(_SUBSETS[source, target]), :]
