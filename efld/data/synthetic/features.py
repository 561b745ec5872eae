"""Eyes, brows and mouth, painted."""

import math

import numpy as np

from efld.data.synthetic.chance import Rng, between, chance, cut, noises
from efld.data.synthetic.paint import Paint, oval
from efld.data.synthetic.person import Tones
from efld.data.synthetic.shape import Array, brow_edge, eye_edges, lip_edges

CLOSED_EYE = 0.012  # half-opening below which only lashes show, units
CLOSED_LIPS = 0.015  # gap below which no inside of the mouth shows, units


def paint_eye(rng: Rng, paint: Paint, tones: Tones, side: int, gaze: tuple[float, float]) -> None:
    shape = paint.surface.shape
    sign = (-1, 1)[side]
    upper, lower = eye_edges(shape, side, np.linspace(-1, 1, 17, dtype=np.float32))
    outline = np.concatenate([upper, lower[::-1]])
    lid = upper - np.array([0, 0.035 + 0.25 * shape.eye_open[side]], np.float32)
    shadow = between(rng, 0, 0.3)
    paint.darken(oval(sign * shape.eye_x, -0.07, 0.2, 0.09), between(rng, -0.05, 0.2), blur_px=7)
    paint.darken(np.concatenate([lid, lower[::-1]]), shadow, blur_px=4)
    paint.darken(lid[2:], between(rng, 0.1, 0.5), width_px=2, blur_px=between(rng, 0.8, 2.2))
    paint.darken(lower[4:] + np.array([0, 0.05], np.float32), between(rng, 0, 0.2),
                 width_px=3, blur_px=2)  # fmt: skip
    if shape.eye_open[side] > CLOSED_EYE:
        with paint.only_inside(outline, 0):
            centre = (sign * shape.eye_x + gaze[0], gaze[1] - 0.008)
            _paint_eyeball(rng, paint, tones, outline, centre)
    lash, soft = between(rng, 0.4, 1.0), between(rng, 0.7, 1.5)
    paint.cover(upper, 0.3 * tones.brow, lash, width_px=int(rng.integers(2, 6)), blur_px=soft)
    paint.darken(lower, between(rng, 0.1, 0.6), width_px=1, blur_px=0.6)


def _paint_eyeball(
    rng: Rng, paint: Paint, tones: Tones, outline: Array, centre: tuple[float, float]
) -> None:
    """White, iris, pupil and highlight."""
    white = tones.white * (0.55 + 0.45 * tones.skin)
    paint.cover(outline, white, 1.0, blur_px=2)
    radius = between(rng, 0.064, 0.078)
    paint.cover(oval(*centre, radius, radius), 0.6 * tones.iris, 1.0, blur_px=0.6)
    paint.cover(oval(*centre, 0.8 * radius, 0.8 * radius), tones.iris, 0.9, blur_px=1)
    paint.cover(oval(*centre, 0.4 * radius, 0.4 * radius), 0.01, 1.0)
    upper = outline[: len(outline) // 2]
    paint.darken(upper + np.array([0, 0.012], np.float32), 0.45, width_px=3, blur_px=1.5)
    if chance(rng, 0.75):
        spot = (centre[0] + float(rng.normal(0, 0.02)), centre[1] - between(rng, 0, 0.03))
        paint.cover(oval(*spot, 0.014, 0.014), 1.3, between(rng, 0.5, 1), blur_px=0.5)


def paint_brows(rng: Rng, paint: Paint, tones: Tones) -> None:
    shape = paint.surface.shape
    thick = between(rng, 0.035, 0.095)
    opacity, blur = between(rng, 0.3, 0.95), between(rng, 1, 2.5)
    hairy = np.float32(between(rng, 0, 0.12))
    along = np.linspace(-0.03, 1.03, 12, dtype=np.float32)
    body = thick * (1 - 0.75 * np.clip(along, 0, 1) ** 1.7)
    for side in (0, 1):
        upper = brow_edge(shape, side, along)
        upper[:, 1] -= 0.2 * body
        lower = upper + np.stack([np.zeros(12), body], -1).astype(np.float32)
        window, mask = paint.mask(np.concatenate([upper, lower[::-1]]), 0, blur)
        mask *= np.clip(opacity + hairy * cut(rng, noises()[1], mask.shape), 0, 1)
        paint.albedo[window] += mask * (np.float32(tones.brow) - paint.albedo[window])


def paint_mouth(rng: Rng, paint: Paint, tones: Tones) -> None:
    shape = paint.surface.shape
    lips = lip_edges(shape, np.linspace(-1, 1, 25, dtype=np.float32))
    blur = between(rng, 0.6, 2)
    strength = between(rng, 0.65, 1)
    top = np.concatenate([lips.outer_top, lips.inner_top[::-1]])
    bottom = np.concatenate([lips.inner_bottom, lips.outer_bottom[::-1]])
    paint.cover(top, 0.85 * tones.lip, strength, blur_px=blur)
    paint.cover(bottom, tones.lip, strength, blur_px=blur)
    shine = lips.outer_bottom[8:17] - np.array([0, 0.55 * shape.lower_lip], np.float32)
    paint.darken(shine, -between(rng, 0, 0.4), width_px=3, blur_px=2)
    paint.darken(lips.outer_bottom[6:19] + np.array([0, 0.02], np.float32),
                 between(rng, 0, 0.3), width_px=3, blur_px=2.5)  # fmt: skip
    if shape.mouth_open > CLOSED_LIPS:
        gap = np.concatenate([lips.inner_top, lips.inner_bottom[::-1]])
        with paint.only_inside(gap, 0.5):
            _paint_mouth_inside(rng, paint, lips.inner_top, lips.inner_bottom)
    else:
        paint.darken(lips.inner_top, between(rng, 0.4, 0.85), width_px=2, blur_px=0.8)
    for end in (0, -1):
        corner = lips.outer_top[end]
        paint.darken(oval(float(corner[0]), float(corner[1]), 0.02, 0.015),
                     between(rng, 0, 0.5), blur_px=1.5)  # fmt: skip


def _paint_mouth_inside(rng: Rng, paint: Paint, top: Array, bottom: Array) -> None:
    """The dark of an open mouth, the tongue, and teeth that hang from behind the upper lip."""
    paint.cover(
        np.concatenate([top, bottom[::-1]]), between(rng, 0.01, 0.08), 1, width_px=0, blur_px=0.5
    )
    middle = bottom[len(bottom) // 2]
    if chance(rng, 0.5):
        paint.cover(oval(float(middle[0]), float(middle[1]), 0.13, 0.06), 0.25, 0.8, blur_px=3)
    tone = between(rng, 0.5, 0.95)
    if chance(rng, 0.85):
        _paint_teeth(rng, paint, top, tone)
    if chance(rng, 0.3):
        up = np.array([0, rng.uniform(0.02, 0.05)], np.float32)
        paint.cover(np.concatenate([bottom - up, bottom[::-1]]), 0.8 * tone, 0.8, blur_px=1)
    for end in (top[:5], top[-5:]):
        paint.darken(end, 0.5, width_px=6, blur_px=4)


def _paint_teeth(rng: Rng, paint: Paint, top: Array, tone: float) -> None:
    """The upper row: a wavy edge, and dark lines where one tooth ends."""
    middle, width = top[len(top) // 2], float(top[-1, 0] - top[0, 0])
    x = np.linspace(top[0, 0], top[-1, 0], 49, dtype=np.float32)
    lip = np.interp(x, top[:, 0], top[:, 1])
    low = 0.4 * lip + 0.6 * float(middle[1]) + between(rng, 0.05, 0.13)  # flatter than the lip
    tooth = between(rng, 0.06, 0.085)
    phase = (x - float(middle[0])) / tooth
    low -= between(rng, 0, 0.02) * (1 - np.abs(np.sin(math.pi * phase)))
    edge = np.stack([x, low], axis=-1).astype(np.float32)
    row = np.concatenate([top - np.array([0, 0.05], np.float32), edge[::-1]])
    paint.cover(row, tone, 1.0, blur_px=between(rng, 0.6, 1.4))
    ends = [float(middle[0]) + tooth * n for n in range(-4, 5) if abs(tooth * n) < 0.45 * width]
    up, down = float(middle[1]) - 0.08, float(low.min()) + 0.015
    comb = [(end, y) for end in ends for y in (up, down, up)]
    paint.darken(np.array(comb, np.float32), between(rng, 0, 0.5), width_px=1, blur_px=0.7)
