"""Point schemes: which landmark has which index, and what mirrors onto what."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

import numpy as np

from efld.errors import InputError

T = TypeVar("T")
Indices = tuple[int, ...]


@dataclass(frozen=True)
class Scheme:
    """Indices are 0-based. Left and right are the picture's, not the person's."""

    points: int
    mirror: Indices  # mirrored face: new[i] = old[mirror[i]], with x flipped
    outer_eyes: tuple[int, int] | None  # inter-ocular distance; None: a profile has no two eyes
    pupils: tuple[Indices, Indices] | None  # points whose means are the eye centres
    lines: tuple[tuple[Indices, bool], ...]  # to draw: indices, closed or not
    regions: Mapping[str, Indices]  # jaw, brows, nose, eyes, mouth: each point in exactly one


def _span(start: int, stop: int) -> Indices:
    return tuple(range(start, stop))


# iBUG / Multi-PIE 68 points: https://ibug.doc.ic.ac.uk/resources/facial-point-annotations/
_MIRROR_68 = (
    *range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1),
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), 67, 66, 65,
)  # fmt: skip

SCHEMES = MappingProxyType({
    "68": Scheme(
        points=68,
        mirror=_MIRROR_68,
        outer_eyes=(36, 45),
        pupils=(_span(36, 42), _span(42, 48)),
        lines=(
            (_span(0, 17), False), (_span(17, 22), False), (_span(22, 27), False),
            (_span(27, 31), False), (_span(31, 36), False), (_span(36, 42), True),
            (_span(42, 48), True), (_span(48, 60), True), (_span(60, 68), True),
        ),
        regions=MappingProxyType({
            "jaw": _span(0, 17),
            "brows": _span(17, 27),
            "nose": _span(27, 36),
            "eyes": _span(36, 48),
            "mouth": _span(48, 68),
        }),
    ),
})  # fmt: skip


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
        raise InputError(f"point scheme {name!r}: has no {what}. Choose the normaliser 'box'.")
    return value


def mirror(points: np.ndarray, name: str) -> np.ndarray:
    """Mirrors `(..., points, 2)` landmarks in 0..1 over a crop: x -> 1 - x, indices swapped."""
    swapped = points[..., list(scheme(name).mirror), :].copy()
    swapped[..., 0] = 1 - swapped[..., 0]
    return swapped
