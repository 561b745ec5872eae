"""Who is drawn: bones, expression, pose and tones of one face, by chance."""

import math
from typing import Any, NamedTuple

import cv2
import numpy as np

from efld.data.synthetic.chance import Rng, around, between, chance, normal
from efld.data.synthetic.shape import Shape
from efld.data.synthetic.surface import GRID, Surface


def draw_pose(rng: Rng) -> tuple[float, float, float]:
    """Yaw, pitch, roll in radians; mostly moderate, up to 60, 25 and 25 degrees."""
    yaw = normal(rng, 0, 0.4, -1.05, 1.05)
    pitch = normal(rng, 0, 0.16, -0.43, 0.43)
    roll = normal(rng, 0, 0.15, -0.43, 0.43)
    return yaw, pitch, roll


# Mean and deviation of what varies on its own.
_BONES = {
    "width": (0.79, 0.035), "jaw_power": (2.3, 0.25), "jaw_taper": (0.53, 0.045),
    "cheeks": (0.02, 0.05), "forehead": (0, 0.03), "chin_depth": (0.07, 0.025),
    "eye_x": (0.34, 0.012), "eye_half_width": (0.163, 0.01), "eye_slant": (0.01, 0.018),
    "eye_depth": (0.06, 0.022), "brow_arch": (0.05, 0.022), "brow_tilt": (0.03, 0.025),
    "brow_inner_x": (0.145, 0.025), "brow_outer_x": (0.63, 0.03),
    "nose_width": (0.168, 0.02), "nose_height": (0.205, 0.035), "nose_bridge": (0.05, 0.022),
    "upper_lip": (0.07, 0.018), "lower_lip": (0.1, 0.02),
    "mouth_skew": (0, 0.012), "mouth_shift_x": (0, 0.012),
}  # fmt: skip


def draw_shape(rng: Rng) -> Shape:
    bones: dict[str, Any] = {name: around(rng, *spread) for name, spread in _BONES.items()}
    nose_y = around(rng, 0.56, 0.045)
    mouth_y = nose_y + around(rng, 0.285, 0.03)
    smile, gap, pout, stretch = _draw_mouth(rng)
    squint = 1 - 2.5 * max(smile, 0)  # raised cheeks narrow the eyes
    return Shape(
        **bones,
        chin_y=mouth_y + around(rng, 0.48, 0.045),
        eye_open=_draw_eyes(rng, squint),
        brow_y=_draw_brows(rng),
        nose_y=nose_y,
        mouth_y=mouth_y,
        mouth_half_width=around(rng, 0.285, 0.024) * stretch,
        mouth_open=gap,
        smile=smile,
        pout=pout,
    )


class _Expression(NamedTuple):
    """Ranges of smile, gap between the lips and pout, units, and of the factor on the width."""

    share: float
    smile: tuple[float, float]
    gap: tuple[float, float]
    pout: tuple[float, float]
    stretch: tuple[float, float]


_EXPRESSIONS = (
    #           share  smile          gap           pout         stretch
    _Expression(0.26, (-0.04, 0.03), (0.0, 0.0),   (0.0, 0.0),  (0.9, 1.1)),      # neutral
    _Expression(0.16, (0.02, 0.10),  (0.0, 0.0),   (0.0, 0.0),  (1.05, 1.25)),    # smile
    _Expression(0.32, (0.03, 0.12),  (0.04, 0.2),  (0.0, 0.0),  (1.1, 1.38)),     # laugh
    _Expression(0.12, (-0.04, 0.04), (0.02, 0.14), (0.0, 0.02), (0.85, 1.05)),    # talk
    _Expression(0.08, (-0.06, 0.04), (0.15, 0.42), (0.0, 0.0),  (0.8, 1.1)),      # shout
    _Expression(0.06, (-0.01, 0.01), (0.0, 0.02),  (0.03, 0.06), (0.6, 0.78)),    # kiss
)  # fmt: skip


def _draw_mouth(rng: Rng) -> tuple[float, float, float, float]:
    """Smile, gap, pout and stretch of one expression."""
    chosen = _EXPRESSIONS[int(rng.choice(len(_EXPRESSIONS), p=[e.share for e in _EXPRESSIONS]))]
    smile, gap, pout, stretch = (between(rng, *limits) for limits in chosen[1:])
    return smile, gap, pout, stretch


def _draw_eyes(rng: Rng, squint: float) -> tuple[float, float]:
    """Half-opening of both eyes, units: mostly alike; closed, wide or winking now and then."""
    opening = squint * normal(rng, 0.07, 0.016, 0.03, 0.115)
    if chance(rng, 0.07):
        opening = between(rng, 0.0, 0.02)
    left, right = (opening * between(rng, 0.92, 1.08) for _ in range(2))
    if chance(rng, 0.03):
        return (0.006, right) if chance(rng, 0.5) else (left, 0.006)
    return left, right


def _draw_brows(rng: Rng) -> tuple[float, float]:
    height = normal(rng, -0.21, 0.035, -0.3, -0.13)
    lift = normal(rng, 0, 0.012, -0.05, 0.05)
    return height + lift, height - lift


def make_uneven(rng: Rng, surface: Surface) -> None:
    """Smooth random shifts of the whole head: no face is symmetric. Landmarks shift along."""
    knots = rng.normal(0, between(rng, 0.003, 0.016), (9, 9, 3)).astype(np.float32)
    shift = cv2.resize(knots, (GRID, GRID), interpolation=cv2.INTER_CUBIC)
    latitude = ((np.arange(GRID) + 0.5) / GRID - 0.5) * math.pi
    calm = np.minimum(3 * np.cos(latitude), 1)  # all columns meet at crown and chin
    surface.xyz += shift * calm[:, None, None].astype(np.float32)


class Tones(NamedTuple):
    """Reflectances, 0..1."""

    skin: float
    hair: float
    brow: float
    lip: float
    iris: float
    white: float


def draw_tones(rng: Rng) -> Tones:
    skin = between(rng, 0.5, 0.85) if chance(rng, 0.7) else between(rng, 0.12, 0.5)
    shades = [(0.02, 0.15), (0.15, 0.45), (0.45, 0.8)]
    hair = between(rng, *shades[int(rng.choice(3, p=[0.55, 0.3, 0.15]))])
    return Tones(
        skin,
        hair,
        brow=min(hair, 0.7 * skin) * between(rng, 0.6, 1.2),
        lip=skin * between(rng, 0.35, 0.85),
        iris=normal(rng, 0.06, 0.12, 0.02, 0.4),
        white=between(rng, 0.6, 0.95),
    )
