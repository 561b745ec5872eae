"""Lamps, shadows and the film: from reflectance to grey values."""

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from efld.data.synthetic.chance import Mask, Rng, between
from efld.data.synthetic.shape import Array
from efld.data.synthetic.surface import GRID, MAX_LONGITUDE_RAD, TEXTURE, Surface
from efld.geometry import Picture


def _normals(xyz: Array) -> Array:
    """Outward unit normals of the surface grid, `(GRID, GRID, 3)`."""
    planes = np.ascontiguousarray(xyz.transpose(2, 0, 1))
    across, down = np.empty_like(planes), np.empty_like(planes)
    across[:, :, 1:-1] = planes[:, :, 2:] - planes[:, :, :-2]
    across[:, :, 0], across[:, :, -1] = across[:, :, 1], across[:, :, -2]
    down[:, 1:-1] = planes[:, 2:] - planes[:, :-2]
    down[:, 0], down[:, -1] = down[:, 1], down[:, -2]
    (a, b, c), (d, e, f) = across, down
    normal = np.stack([c * e - b * f, a * f - c * d, b * d - a * e])
    normal /= np.sqrt((normal * normal).sum(axis=0)) + np.float32(1e-9)
    return np.ascontiguousarray(normal.transpose(1, 2, 0))


def _toward_light(rng: Rng, spread: float) -> NDArray[np.float64]:
    """A unit vector in camera coordinates from the face to a lamp, mostly above and in front."""
    direction = np.array([rng.normal(0, spread), rng.normal(-0.45, 0.4), -1.0])
    return np.asarray(direction / np.linalg.norm(direction))


def light(rng: Rng, surface: Surface, turn: NDArray[np.float64]) -> Array:
    """What each place of the grid sends to the camera, `(GRID, GRID, 3)`.

    The last axis is: factor on the reflectance, gloss to add, cosine between normal and view.
    """
    lamp = turn.T @ _toward_light(rng, 0.9)
    other = turn.T @ _toward_light(rng, 1.5)
    view = turn.T @ np.array([0.0, 0.0, -1.0])
    half = (lamp + view) / (np.linalg.norm(lamp + view) + 1e-9)
    normal = _normals(surface.xyz)
    *lights, facing = cv2.split(cv2.transform(normal, np.stack([lamp, other, half, view])))
    diffuse, fill, gloss = (np.maximum(cosine, 0) for cosine in lights)
    strength, ambient = between(rng, 0.3, 1), between(rng, 0.2, 0.9)
    shadow = np.float32(rng.uniform(0, 0.8)) * _cast_shadow(surface, lamp)
    sky = 0.75 - 0.25 * normal[..., 1]
    lit = strength * diffuse * (1 - shadow) + ambient * sky
    lit += between(rng, 0, 0.3) * fill
    lit *= _crevices(surface, between(rng, 0.5, 2.5))
    for _ in range(int(rng.integers(3, 6))):  # exponents 8, 16 and 32
        gloss *= gloss
    gloss *= strength * float(rng.choice([0.05, 0.15, 0.35], p=[0.5, 0.35, 0.15]))
    return cv2.merge([lit, gloss, facing]).astype(np.float32)


def _crevices(surface: Surface, strength: float) -> Mask:
    """Ambient light lost in hollows, from how deep a place lies under its surroundings."""
    z = surface.xyz[..., 2]
    coarse = cv2.resize(z, (GRID // 4, GRID // 4), interpolation=cv2.INTER_AREA)
    around = cv2.resize(cv2.GaussianBlur(coarse, (0, 0), 7 / 4), (GRID, GRID))
    hollow = z - around
    return np.asarray(np.clip(1 - strength * np.maximum(hollow, 0), 0.35, 1), np.float32)


def _cast_shadow(surface: Surface, lamp: NDArray[np.float64]) -> Mask:
    """How much of the lamp the nose, brows and chin take from places behind them, 0..1.

    Works on the front as a height field, a quarter of the grid's resolution.
    """
    coarse = cv2.resize(surface.xyz[..., 2], (GRID // 4, GRID // 4), interpolation=cv2.INTER_AREA)
    shadow = np.zeros_like(coarse)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    column_px = GRID / 4 / (2 * MAX_LONGITUDE_RAD) / surface.shape.width
    row_px = GRID / 4 / math.pi / surface.chin_y
    for reach in (0.06, 0.12, 0.18, 0.26, 0.36, 0.5):
        shift = np.array([[1, 0, reach * lamp[0] * column_px], [0, 1, reach * lamp[1] * row_px]])
        blocker = cv2.warpAffine(coarse, shift, (GRID // 4, GRID // 4), flags=flags, borderValue=9)
        above = coarse + np.float32(reach * lamp[2]) - blocker
        shadow = np.maximum(shadow, np.clip(above / 0.1, 0, 1))
    return cv2.resize(cv2.GaussianBlur(shadow, (0, 0), 1.2), (GRID, GRID)).astype(np.float32)


def front(texture: NDArray[Any]) -> NDArray[Any]:
    """A coarse sample of the middle of the face, from brows to chin."""
    half = TEXTURE // 2
    return texture[half - 40 : half + 160 : 4, half - 60 : half + 60 : 4]


def exposed(rng: Rng, albedo: Mask, light: Array) -> tuple[Picture, NDArray[np.bool_]]:
    """Grey values of the texture, `(TEXTURE, TEXTURE)`, and which places face the camera."""
    lit, gloss, facing = (cv2.resize(plane, (TEXTURE, TEXTURE)) for plane in cv2.split(light))
    bright = albedo * lit + gloss
    bright *= between(rng, 0.1, 0.75) / float(front(bright).mean())
    film = 1 - np.exp(-1.6 * np.linspace(0, 2, 256))  # a soft shoulder instead of clipped white
    table = (255 * film ** between(rng, 0.7, 1.2)).astype(np.uint8)
    steps = cv2.convertScaleAbs(bright, alpha=127.5)  # saturates
    return cv2.LUT(steps, table).astype(np.uint8), facing > 0
