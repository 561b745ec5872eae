"""The brush: flat outlines filled or stroked on the texture of a surface."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from efld.data.synthetic.chance import Mask
from efld.data.synthetic.shape import Array
from efld.data.synthetic.surface import TEXTURE, Surface

Window = tuple[slice, slice]


class Paint:
    """Reflectance over the surface, painted with flat (x, y) outlines."""

    def __init__(self, surface: Surface, base: Mask) -> None:
        self.surface = surface
        self.albedo = base

    def mask(self, flat: Array, width_px: int, blur_px: float) -> tuple[Window, Mask]:
        """Coverage of an outline: filled, or stroked when `width_px` is above 0.

        Widths and blur (standard deviation) are in texture pixels.
        """
        place = (self.surface.grid_at(flat) + 0.5) * 2 - 0.5
        pad = 2 + width_px + 2.5 * blur_px
        low = [min(max(int(start - pad), 0), TEXTURE - 2) for start in place.min(axis=0).tolist()]
        high = [min(max(int(end + pad) + 1, 2), TEXTURE) for end in place.max(axis=0).tolist()]
        canvas = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
        local = ((place - np.array(low, np.float32)) * 16 + 0.5).astype(np.int32)
        if width_px:
            cv2.polylines(canvas, [local], False, 255, width_px, cv2.LINE_AA, 4)
        else:
            cv2.fillPoly(canvas, [local], 255, cv2.LINE_AA, 4)
        mask = canvas.astype(np.float32) / np.float32(255)
        if blur_px:
            mask = cv2.GaussianBlur(mask, (0, 0), blur_px).astype(np.float32)
        return (slice(low[1], high[1]), slice(low[0], high[0])), mask

    @contextmanager
    def only_inside(self, flat: Array, blur_px: float) -> Iterator[None]:
        """What is painted in here, around a feature, stays inside its outline."""
        (rows, columns), inside = self.mask(flat, 0, blur_px)
        reach = 64  # farther than features are painted beyond it
        around = (slice(max(rows.start - reach, 0), rows.stop + reach),
                  slice(max(columns.start - reach, 0), columns.stop + reach))  # fmt: skip
        before = self.albedo[around].copy()
        yield
        after = self.albedo[rows, columns].copy()
        self.albedo[around] = before
        self.albedo[rows, columns] += inside * (after - self.albedo[rows, columns])

    def cover(
        self, flat: Array, tone: float, opacity: float, *, width_px: int = 0, blur_px: float = 0
    ) -> None:
        """Mixes `tone` in under the outline."""
        window, mask = self.mask(flat, width_px, blur_px)
        mask *= np.float32(opacity)
        self.albedo[window] += mask * (np.float32(tone) - self.albedo[window])

    def darken(self, flat: Array, by: float, *, width_px: int = 0, blur_px: float = 0) -> None:
        """Multiplies by `1 - by` under the outline; a negative `by` lightens."""
        window, mask = self.mask(flat, width_px, blur_px)
        self.albedo[window] *= 1 - np.float32(by) * mask


def polygon(*points: tuple[float, float]) -> Array:
    return np.array(points, np.float32)


@lru_cache(maxsize=1)
def _circle() -> NDArray[np.float64]:
    angle = np.linspace(0, 2 * math.pi, 24, endpoint=False)
    return np.stack([np.cos(angle), np.sin(angle)])


def oval(x: float, y: float, radius_x: float, radius_y: float, tilt: float = 0.0) -> Array:
    cosine, sine = _circle()
    across, down = radius_x * cosine, radius_y * sine
    cos, sin = math.cos(tilt), math.sin(tilt)
    turned = [x + cos * across - sin * down, y + sin * across + cos * down]
    return np.stack(turned, axis=-1).astype(np.float32)


def mirrored(flat: Array, sign: int) -> Array:
    return flat * np.array([sign, 1], np.float32)
