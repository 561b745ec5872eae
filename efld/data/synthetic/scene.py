"""Behind and below the face: background, back hair, neck and clothes."""

import cv2
import numpy as np

from efld.data.synthetic.camera import Camera
from efld.data.synthetic.chance import Mask, Rng, between, chance, cut, noises, normal
from efld.data.synthetic.paint import polygon
from efld.data.synthetic.shape import Array
from efld.data.synthetic.surface import Surface
from efld.geometry import Picture


def background(rng: Rng, side: int) -> Picture:
    cloud, grain, strand = noises()
    level, slope = rng.uniform(0.03, 0.97), rng.normal(0, 0.25, 2)
    down, across = np.meshgrid(*[np.linspace(-1, 1, 16)] * 2, indexing="ij")
    ramp = (level + slope[0] * across + slope[1] * down).astype(np.float32)
    ramp = cv2.resize(ramp, (side, side)).astype(np.float32)
    noise = (cloud, grain, strand)[int(rng.choice(3, p=[0.7, 0.15, 0.15]))]
    ramp += cut(rng, noise, (side, side)) * np.float32(rng.choice([0.01, 0.05, 0.15]))
    canvas = np.clip(ramp * 255, 0, 255).astype(np.uint8)
    for _ in range(int(rng.integers(0, 12))):
        _clutter(rng, canvas)
    if chance(rng, 0.5):
        canvas = cv2.blur(canvas, (int(rng.integers(3, 25)),) * 2)
    return np.asarray(canvas, np.uint8)


def _clutter(rng: Rng, canvas: Picture) -> None:
    """One random line, box, oval or polygon."""
    side = canvas.shape[0]
    tone = int(rng.integers(0, 256))
    at = rng.integers(-side // 8, side + side // 8, (4, 2)).astype(np.int32)
    kind = int(rng.integers(4))
    if kind == 0:
        cv2.line(canvas, at[0].tolist(), at[1].tolist(), tone, int(rng.integers(1, side // 10)))
    elif kind == 1:
        cv2.rectangle(canvas, at[0].tolist(), at[1].tolist(), tone, -1)
    elif kind == 2:
        axes = rng.integers(side // 40, side // 4, 2).tolist()
        tilt = between(rng, 0, 180)
        cv2.ellipse(canvas, at[0].tolist(), axes, tilt, 0, 360, tone, -1, cv2.LINE_AA)
    else:
        cv2.fillPoly(canvas, [at], tone, cv2.LINE_AA)


def fill(canvas: Picture, outline: Array, tone: Mask | float, blur_px: float = 0) -> None:
    """Fills a canvas-pixel outline with a tone (0..255) or a canvas-sized texture."""
    mask = np.zeros(canvas.shape, np.uint8)
    cv2.fillPoly(mask, [np.round(outline * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    part = mask.astype(np.float32) / np.float32(255)
    if blur_px:
        part = cv2.GaussianBlur(part, (0, 0), blur_px).astype(np.float32)
    mixed = canvas + part * (tone - canvas.astype(np.float32))
    canvas[:] = np.clip(mixed, 0, 255).astype(np.uint8)


def draw_body(
    rng: Rng, canvas: Picture, camera: Camera, surface: Surface, greys: tuple[float, float]
) -> None:
    """Hair behind the head, neck and shoulders; `greys` are those of the lit skin and hair."""
    skin, hair = greys
    unit_px = camera.scale_px
    spine = np.array([[0, 0.3, 0.8], [0, surface.chin_y - 0.3, 0.75]], np.float32)
    behind, throat = camera.project(spine)[:, :2]
    if chance(rng, 0.35):
        _draw_back_hair(rng, canvas, behind, unit_px, min(hair * between(rng, 0.4, 1.1), 255))
    lean = np.array([normal(rng, 0, 0.1, -0.3, 0.3), between(rng, 0.6, 0.95)], np.float32)
    neck = np.stack([throat, throat + unit_px * lean])
    _draw_neck(rng, canvas, neck, unit_px, skin * between(rng, 0.6, 1.3))
    _draw_clothes(rng, canvas, neck[1], unit_px)


def _draw_back_hair(rng: Rng, canvas: Picture, at: Array, unit_px: float, tone: float) -> None:
    width, low = between(rng, 0.9, 1.25), between(rng, 0.9, 2.2)
    outline = polygon((-width, 0), (-0.8 * width, -0.9), (0.8 * width, -0.9), (width, 0),
                      (width, low), (-width, low))  # fmt: skip
    strand = cut(rng, noises()[2], canvas.shape)
    fill(canvas, at + unit_px * outline, tone * (1 + np.float32(0.25) * strand), 4)


def _draw_neck(rng: Rng, canvas: Picture, axis: Array, unit_px: float, tone: float) -> None:
    """A cylinder around `axis`, its top and base `(2, 2)`; darker under the chin."""
    top, base = axis
    half = between(rng, 0.48, 0.75)
    side = np.arange(canvas.shape[0], dtype=np.float32)
    across = (side - top[0]) / (unit_px * half)
    below = (side - top[1]) / unit_px
    round_shade = np.clip(1 - 0.5 * (across + rng.normal(0, 0.5)) ** 2, 0.2, 1)
    chin_shade = np.clip(between(rng, 0.4, 1) + 0.6 * below, 0.35, 1)[:, None]
    outline = np.concatenate([
        top + unit_px * polygon((half, -0.6), (-half, -0.6)),
        base + unit_px * polygon((-1.3 * half, 0.5), (1.3 * half, 0.5)),
    ])  # fmt: skip
    fill(canvas, outline, (tone * round_shade * chin_shade).astype(np.float32))


def _draw_clothes(rng: Rng, canvas: Picture, base: Array, unit: float) -> None:
    wide, drop = between(rng, 1.5, 2.2), between(rng, -0.35, 0.15)
    collar = between(rng, 0.3, 0.6)
    outline = base + unit * polygon((-collar, drop - 0.1), (0, drop + between(rng, 0, 0.7)),
                                    (collar, drop - 0.1), (wide, drop + 0.4), (1.2 * wide, 4),
                                    (-1.2 * wide, 4), (-wide, drop + 0.4))  # fmt: skip
    noise = noises()[int(rng.choice(3, p=[0.5, 0.15, 0.35]))]
    cloth = rng.uniform(5, 240) * (1 + rng.uniform(0, 0.3) * cut(rng, noise, canvas.shape))
    fill(canvas, outline, cloth.astype(np.float32), between(rng, 0.5, 2))
