"""Point schemes: which landmark has which index, and what mirrors onto what."""

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from efld.errors import InputError

Slice = tuple[int, int]


@dataclass(frozen=True)
class Scheme:
    """Indices are 0-based. Left and right are the picture's, not the person's."""

    points: int
    mirror: tuple[int, ...]  # mirrored face: new[i] = old[mirror[i]], with x flipped
    outer_eyes: tuple[int, int]  # inter-ocular distance
    pupils: tuple[Slice, Slice]  # half-open ranges whose means are the eye centres
    lines: tuple[tuple[tuple[int, ...], bool], ...]  # to draw: indices, closed or not


def _span(start: int, stop: int) -> tuple[int, ...]:
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
        pupils=((36, 42), (42, 48)),
        lines=(
            (_span(0, 17), False), (_span(17, 22), False), (_span(22, 27), False),
            (_span(27, 31), False), (_span(31, 36), False), (_span(36, 42), True),
            (_span(42, 48), True), (_span(48, 60), True), (_span(60, 68), True),
        ),
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


def mirror(points: np.ndarray, name: str) -> np.ndarray:
    """Mirrors `(..., points, 2)` landmarks in 0..1 over a crop: x -> 1 - x, indices swapped."""
    swapped = points[..., list(scheme(name).mirror), :].copy()
    swapped[..., 0] = 1 - swapped[..., 0]
    return swapped
