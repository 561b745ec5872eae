"""Hair and hats: paint, and volume on the surface; ears, too."""

import cv2
import numpy as np

from efld.data.synthetic.chance import Mask, Rng, between, chance, cut, noises
from efld.data.synthetic.paint import Paint, polygon
from efld.data.synthetic.person import Tones
from efld.data.synthetic.shape import Array
from efld.data.synthetic.surface import CROWN_Y, GRID, MAX_LONGITUDE_RAD, TEXTURE, Surface


def dress_head(rng: Rng, surface: Surface, albedo: Mask, tones: Tones) -> None:
    """Ears, hair and hats: paint, and volume on the surface. Landmarks are taken before this."""
    _raise_ears(rng, surface)
    style = str(rng.choice(["bald", "short", "fringe", "long", "long fringe"],
                           p=[0.08, 0.42, 0.16, 0.22, 0.12]))  # fmt: skip
    cloud, _, strand = noises()
    line = _hair_line(rng, style)
    ragged = cut(rng, strand, (1, TEXTURE))[0] * rng.uniform(0.005, 0.04)
    ragged += cut(rng, cloud, (1, TEXTURE))[0] * rng.uniform(0, 0.05)
    mask = _above(surface, line + ragged, between(rng, 0.02, 0.12))
    shine = 1 + cut(rng, strand, mask.shape) * np.float32(rng.uniform(0.05, 0.35))
    shine += cut(rng, cloud, mask.shape) * np.float32(rng.uniform(0, 0.2))
    albedo += mask * (np.float32(tones.hair) * np.maximum(shine, 0.1) - albedo)
    if style != "bald" and chance(rng, 0.4):
        _hang_strands(rng, Paint(surface, albedo), tones)
    _thicken(surface, mask, 0.0 if style == "bald" else between(rng, 0.02, 0.16))
    if chance(rng, 0.13):
        _put_on_hat(rng, surface, albedo)


def _hang_strands(rng: Rng, paint: Paint, tones: Tones) -> None:
    """Loose strands over forehead and temples, sometimes down to the eyes."""
    root, side = between(rng, -0.5, 0.5), between(rng, -0.25, 0.25)
    length, tone = between(rng, 0.2, 0.6), tones.hair * between(rng, 0.9, 1.15)
    for _ in range(int(rng.integers(3, 10))):
        x = root + float(rng.normal(0, 0.12))
        drop = length * between(rng, 0.5, 1)
        lean = side + float(rng.normal(0, 0.06))
        strand = polygon((x, -0.8), (x + 0.3 * lean, -0.8 + 0.5 * drop), (x + lean, -0.8 + drop))
        paint.cover(
            strand, tone, between(rng, 0.3, 0.9), width_px=int(rng.integers(1, 5)), blur_px=0.7
        )


def _raise_ears(rng: Rng, surface: Surface) -> None:
    out = between(rng, 0.06, 0.2)
    longitude = np.abs(surface.longitude)
    across = np.exp(-(((longitude - 1.72) / 0.16) ** 2))
    down = np.exp(-(((surface.height - 0.17) / 0.3) ** 4))
    ear = (down[:, None] * across).astype(np.float32) * np.float32(out)
    surface.xyz[..., 0] += ear * np.sign(surface.longitude).astype(np.float32)


def _hair_line(rng: Rng, style: str) -> Array:
    """Flat y above which each texture column is hair, `(TEXTURE,)`."""
    front = between(rng, -0.85, -0.6)
    if "fringe" in style:
        front = between(rng, -0.5, -0.2)
    burn = between(rng, -0.05, 0.3)
    temple = min(front + between(rng, 0, 0.25), -0.15) if "fringe" in style else front + 0.12
    line = [front, front - 0.02, temple, -0.3, burn, burn, -0.15, 0.1, 0.75]
    if "long" in style:
        low = between(rng, 0.7, 1.3)
        line = [front, front, temple, -0.15, 0.4, low, low, low, low]
    if style == "bald":
        line = [-1.29] * 5 + [-0.4, -0.3, 0.0, 0.6] if chance(rng, 0.5) else [-1.3] * 9
    columns = ((np.arange(TEXTURE) + 0.5) / TEXTURE - 0.5) * 2 * MAX_LONGITUDE_RAD
    at = [0, 0.3, 0.75, 1.08, 1.3, 1.5, 1.7, 2.0, 2.7]
    slope = float(rng.normal(0, 0.12)) * np.sin(columns) * (np.abs(columns) < 1.57)
    return (np.interp(np.abs(columns), at, line) + slope).astype(np.float32)


def _above(surface: Surface, line: Array, soft: float) -> Mask:
    """1 above the line, 0 below it, over `(TEXTURE, TEXTURE)`; `soft` units wide in between."""
    rows = np.interp(np.arange(TEXTURE), np.arange(GRID) * 2 + 0.5, surface.height)
    depth = (line - rows[:, None].astype(np.float32)) / np.float32(soft)
    return np.asarray(np.clip(depth, 0, 1), np.float32)


def _thicken(surface: Surface, mask: Mask, by: float) -> None:
    """Moves the surface outwards under a texture mask, `by` units."""
    swell = cv2.resize(mask, (GRID, GRID), interpolation=cv2.INTER_AREA)
    swell = cv2.GaussianBlur(swell, (0, 0), 2) * np.float32(by)
    surface.xyz[..., 0] += swell * surface.sine
    surface.xyz[..., 1] += swell * np.minimum(surface.height / -CROWN_Y, 0)[:, None]
    surface.xyz[..., 2] -= swell * np.cos(surface.longitude)


def _put_on_hat(rng: Rng, surface: Surface, albedo: Mask) -> None:
    columns = ((np.arange(TEXTURE) + 0.5) / TEXTURE - 0.5) * 2 * MAX_LONGITUDE_RAD
    line = between(rng, -0.65, -0.32) + float(rng.normal(0, 0.08)) * np.sin(columns)
    line += np.float32(rng.uniform(0, 0.35)) * (1 - np.cos(columns)) / 2
    mask = _above(surface, line.astype(np.float32), 0.02)
    cloth = between(rng, 0.03, 0.9) * (1 + 0.15 * cut(rng, noises()[0], mask.shape))
    albedo += mask * (np.maximum(cloth, 0.01).astype(np.float32) - albedo)
    band = mask - _above(surface, (line - rng.uniform(0.08, 0.2)).astype(np.float32), 0.02)
    albedo += band * (np.float32(rng.uniform(0.02, 0.9)) - albedo)
    _thicken(surface, mask, between(rng, 0.06, 0.14))
    if chance(rng, 0.5):
        brim = band * np.maximum(np.cos(columns), 0).astype(np.float32) ** 2
        _thicken(surface, brim.astype(np.float32), between(rng, 0.15, 0.4))
