"""Skin, and what shows on it: nose, creases, beard."""

import cv2
import numpy as np

from efld.data.synthetic.chance import Mask, Rng, between, chance, cut, noises
from efld.data.synthetic.features import paint_brows, paint_eye, paint_mouth
from efld.data.synthetic.paint import Paint, mirrored, oval, polygon
from efld.data.synthetic.person import Tones
from efld.data.synthetic.shape import Array, Shape
from efld.data.synthetic.surface import JAW_LONGITUDE_RAD, MAX_LONGITUDE_RAD, TEXTURE, Surface


def paint_face(rng: Rng, surface: Surface, tones: Tones) -> Mask:
    """Reflectance of the whole head's skin, `(TEXTURE, TEXTURE)`."""
    cloud, grain, _ = noises()
    base = cut(rng, cloud, (TEXTURE, TEXTURE)) * np.float32(rng.uniform(0.01, 0.06))
    pores = cut(rng, grain, (TEXTURE, TEXTURE))
    base += pores * np.float32(rng.uniform(0, 0.045))
    if chance(rng, 0.12):  # freckles
        base -= between(rng, 0.05, 0.25) * np.clip(pores - 1.3, 0, 1)
    base = np.float32(tones.skin) * (1 + base)
    paint = Paint(surface, base)
    _paint_beard(rng, paint, tones)
    _paint_creases(rng, paint)
    _paint_nose(rng, paint)
    paint_mouth(rng, paint, tones)
    gaze = rng.normal(0, [0.04, 0.012])
    for side in (0, 1):
        x, y = (gaze + rng.normal(0, 0.005, 2)).tolist()
        paint_eye(rng, paint, tones, side, (x, y))
    paint_brows(rng, paint, tones)
    return paint.albedo


def _paint_nose(rng: Rng, paint: Paint) -> None:
    shape = paint.surface.shape
    width, base = shape.nose_width, shape.nose_y
    dark = between(rng, 0.4, 0.85)
    crease = between(rng, 0.05, 0.35)
    for sign in (-1, 1):
        nostril = oval(0.48 * width, base - 0.018, 0.24 * width, 0.014, 0.3)
        paint.darken(mirrored(nostril, sign), dark, blur_px=1)
        wing = polygon((0.8 * width, base - 0.13), (width, base - 0.08),
                       (1.02 * width, base - 0.035), (0.85 * width, base - 0.005))  # fmt: skip
        paint.darken(mirrored(wing, sign), crease, width_px=2, blur_px=1.2)
    under = polygon((-0.8 * width, base), (0, base + 0.025), (0.8 * width, base))
    paint.darken(under, between(rng, 0, 0.25), width_px=3, blur_px=3)


def _paint_creases(rng: Rng, paint: Paint) -> None:
    """Folds from nose to mouth; with age also lines on the forehead, a frown and crow's feet."""
    shape = paint.surface.shape
    corner_x = shape.mouth_half_width + 0.07
    fold = polygon((shape.nose_width + 0.02, shape.nose_y - 0.08),
                   (0.62 * corner_x + 0.09, shape.nose_y + 0.06),
                   (corner_x, shape.mouth_y - 0.1),
                   (corner_x + 0.01, shape.mouth_y + 0.03))  # fmt: skip
    depth = between(rng, 0, 0.16) + 2 * max(shape.smile, 0)
    age = between(rng, 0, 0.35) if chance(rng, 0.4) else 0.0
    frown = polygon((0.05, -0.2), (0.06, -0.1))
    for sign in (-1, 1):
        paint.darken(mirrored(fold, sign), min(depth, 0.35), width_px=4, blur_px=3.5)
        if age:
            paint.darken(mirrored(frown, sign), age, width_px=2, blur_px=1)
            paint.darken(mirrored(_crows_feet(rng, shape), sign), age, width_px=1, blur_px=0.9)
    for line in range(3 if age else 0):
        paint.darken(_forehead_line(rng, line), age * between(rng, 0.3, 1), width_px=2, blur_px=1.2)


def _crows_feet(rng: Rng, shape: Shape) -> Array:
    """Three rays from the outer corner of the right eye, in one stroke."""
    x = shape.eye_x + shape.eye_half_width + 0.03
    ends = [(x + between(rng, 0.05, 0.13), 0.05 * ray + float(rng.normal(0, 0.01)))
            for ray in (-1, 0.2, 1.4)]  # fmt: skip
    return polygon(*(place for end in ends for place in ((x, 0.0), end, (x, 0.0))))


def _forehead_line(rng: Rng, number: int) -> Array:
    """A wavy line; the lowest is number 0."""
    x = np.linspace(-between(rng, 0.2, 0.42), between(rng, 0.2, 0.42), 7, dtype=np.float32)
    y = -0.38 - 0.11 * number + 0.25 * x**2 + rng.normal(0, 0.012, 7)
    return np.stack([x, y + float(rng.normal(0, 0.02))], axis=-1).astype(np.float32)


def _paint_beard(rng: Rng, paint: Paint, tones: Tones) -> None:
    """Stubble to full beard, moustache or chin only, in three of ten faces."""
    if not chance(rng, 0.3):
        return
    shape, chin = paint.surface.shape, paint.surface.chin_y
    density = between(rng, 0.15, 0.95)
    tone = between(rng, 0.5, 1.1) * min(tones.hair, 0.7 * tones.skin)
    mouth, corner = shape.mouth_y, shape.mouth_half_width
    kind = rng.choice(["full", "moustache", "chin"], p=[0.65, 0.2, 0.15])
    top = shape.nose_y + 0.05
    lip = polygon((-corner - 0.06, mouth + 0.02), (-0.16, top), (0, top + 0.01), (0.16, top),
                  (corner + 0.06, mouth + 0.02))  # fmt: skip
    cheek = between(rng, 0.4, 0.75)
    outlines = {
        "full": [np.concatenate([polygon((-2, 0.15), (-0.62, cheek)), lip,
                                 polygon((0.62, cheek), (2, 0.15), (2, chin), (-2, chin))])],
        "moustache": [lip],
        "chin": [lip, oval(0, chin - 0.08, 0.22, 0.2)],
    }  # fmt: skip
    mask = np.zeros((TEXTURE, TEXTURE), np.float32)
    for outline in outlines[str(kind)]:
        window, part = paint.mask(outline, 0, 4)
        mask[window] = np.maximum(mask[window], part)
    rim = int((0.5 - JAW_LONGITUDE_RAD / 2 / MAX_LONGITUDE_RAD) * TEXTURE) + 8
    mask[:, rim - 40 : rim] = mask[:, rim, None]  # flat outlines end there, beards do not
    mask[:, -rim : 40 - rim] = mask[:, -rim - 1, None]
    grain = cut(rng, noises()[1], (TEXTURE, TEXTURE))
    grain = cv2.GaussianBlur(grain, (0, 0), between(rng, 0.6, 1.6)).astype(np.float32)
    mask *= np.clip(density + 0.2 * grain, 0, 1)
    paint.albedo += mask * (np.float32(tone) - paint.albedo)
