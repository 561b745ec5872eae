"""The point schemes as tables. `efld.schemes` is the door to them."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

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


def _down(start: int, stop: int) -> Indices:
    """From `start` down to `stop`, both included."""
    return tuple(range(start, stop - 1, -1))


# iBUG / Multi-PIE 68 points: https://ibug.doc.ic.ac.uk/resources/facial-point-annotations/
_68 = Scheme(
    points=68,
    mirror=(
        *_down(16, 0), *_down(26, 17), *_span(27, 31), *_down(35, 31),
        *_down(45, 42), 47, 46, *_down(39, 36), 41, 40,
        *_down(54, 48), *_down(59, 55), *_down(64, 60), *_down(67, 65),
    ),
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
)  # fmt: skip

# WFLW: https://wywu.github.io/projects/LAB/WFLW.html; mirror and edges as in STAR's
# conf/alignment.py and mmpose's configs/_base_/datasets/wflw.py.
_98 = Scheme(
    points=98,
    mirror=(
        *_down(32, 0), *_down(46, 42), *_down(50, 47), *_down(37, 33), *_down(41, 38),
        *_span(51, 55), *_down(59, 55), *_down(72, 68), *_down(75, 73),
        *_down(64, 60), *_down(67, 65), *_down(82, 76), *_down(87, 83),
        *_down(92, 88), *_down(95, 93), 97, 96,
    ),
    outer_eyes=(60, 72),
    pupils=((96,), (97,)),
    lines=(
        (_span(0, 33), False), (_span(33, 42), True), (_span(42, 51), True),
        (_span(51, 55), False), (_span(55, 60), False), (_span(60, 68), True),
        (_span(68, 76), True), (_span(76, 88), True), (_span(88, 96), True),
    ),
    regions=MappingProxyType({
        "jaw": _span(0, 33),
        "brows": _span(33, 51),
        "nose": _span(51, 60),
        "eyes": (*_span(60, 76), 96, 97),
        "mouth": _span(76, 96),
    }),
)  # fmt: skip

# LaPa: https://github.com/JDAI-CV/lapa-dataset; mirror as in mmpose's
# configs/_base_/datasets/lapa.py, eye corners as in PIPNet. 74 and 83 are the pupils once more.
_106 = Scheme(
    points=106,
    mirror=(
        *_down(32, 0), *_down(46, 42), *_down(50, 47), *_down(37, 33), *_down(41, 38),
        *_span(51, 55), *_down(65, 55), *_down(79, 75), *_down(82, 80), 83,
        *_down(70, 66), *_down(73, 71), 74, *_down(90, 84), *_down(95, 91),
        *_down(100, 96), *_down(103, 101), 105, 104,
    ),
    outer_eyes=(66, 79),
    pupils=((104,), (105,)),
    lines=(
        (_span(0, 33), False), (_span(33, 42), True), (_span(42, 51), True),
        (_span(51, 55), False), (_span(55, 66), False), (_span(66, 74), True),
        (_span(75, 83), True), (_span(84, 96), True), (_span(96, 104), True),
    ),
    regions=MappingProxyType({
        "jaw": _span(0, 33),
        "brows": _span(33, 51),
        "nose": _span(51, 66),
        "eyes": (*_span(66, 84), 104, 105),
        "mouth": _span(84, 104),
    }),
)  # fmt: skip

# COFW: Burgos-Artizzu et al., ICCV 2013; mirror and edges as in STAR's conf/alignment.py.
_29 = Scheme(
    points=29,
    mirror=(
        1, 0, 3, 2, 6, 7, 4, 5, 9, 8, 11, 10, 14, 15, 12, 13, 17, 16, 19, 18, 20, 21, 23, 22,
        *_span(24, 29),
    ),
    outer_eyes=(8, 9),
    pupils=((16,), (17,)),
    lines=(
        ((0, 4, 2, 5), True), ((1, 6, 3, 7), True), ((8, 12, 10, 13), True),
        ((9, 14, 11, 15), True), ((18, 20, 19, 21), True), ((22, 24, 23, 25), True),
        ((22, 26, 23, 27), True),
    ),
    regions=MappingProxyType({
        "jaw": (28,),
        "brows": _span(0, 8),
        "nose": _span(18, 22),
        "eyes": _span(8, 18),
        "mouth": _span(22, 28),
    }),
)  # fmt: skip

# AFLW as revised by Zhu et al., CVPR 2016 (AFLWinfo_release.mat): AFLW's 21 without the ears;
# mirror as in mmpose's configs/_base_/datasets/aflw.py.
_19 = Scheme(
    points=19,
    mirror=(*_down(5, 0), *_down(11, 6), 14, 13, 12, 17, 16, 15, 18),
    outer_eyes=(6, 11),
    pupils=((7,), (10,)),
    lines=(
        (_span(0, 3), False), (_span(3, 6), False), (_span(6, 9), False),
        (_span(9, 12), False), (_span(12, 15), False), (_span(15, 18), False),
    ),
    regions=MappingProxyType({
        "jaw": (18,),
        "brows": _span(0, 6),
        "nose": _span(12, 15),
        "eyes": _span(6, 12),
        "mouth": _span(15, 18),
    }),
)  # fmt: skip

# AFLW: Koestinger et al., BeFIT 2011, table FeatureCoordTypes of aflw.sqlite, ids 1..21. The ears
# and the chin count as jaw.
_21 = Scheme(
    points=21,
    mirror=(*_down(5, 0), *_down(11, 6), 16, 15, 14, 13, 12, 19, 18, 17, 20),
    outer_eyes=(6, 11),
    pupils=((7,), (10,)),
    lines=(
        (_span(0, 3), False), (_span(3, 6), False), (_span(6, 9), False),
        (_span(9, 12), False), (_span(13, 16), False), (_span(17, 20), False),
        ((12, 20, 16), False),
    ),
    regions=MappingProxyType({
        "jaw": (12, 16, 20),
        "brows": _span(0, 6),
        "nose": _span(13, 16),
        "eyes": _span(6, 12),
        "mouth": _span(17, 20),
    }),
)  # fmt: skip

# Menpo 2017 profile faces (Zafeiriou et al., CVPRW 2017), in the order of Multi-PIE's profile set:
# from the ear along the jaw to the fold under the lip, brow outside in, nose downwards, eye, outer
# lip, inner lip. Both sides share the order. The owners print it as a figure only; the regions
# agree with what others read in MultiPIE_profile_train.txt (Mini-FaceIQ's user-custom.txt).
_39 = Scheme(
    points=39,
    mirror=_span(0, 39),
    outer_eyes=None,
    pupils=None,
    lines=(
        (_span(0, 12), False), (_span(12, 16), False), (_span(16, 22), False),
        (_span(22, 27), False), (_span(27, 34), False), (_span(34, 39), False),
    ),
    regions=MappingProxyType({
        "jaw": _span(0, 12),
        "brows": _span(12, 16),
        "nose": _span(16, 22),
        "eyes": _span(22, 27),
        "mouth": _span(27, 39),
    }),
)  # fmt: skip

SCHEMES = MappingProxyType({
    "68": _68, "98": _98, "106": _106, "29": _29, "19": _19, "21": _21, "39": _39,
})  # fmt: skip
