"""Augmentation of one face, as pure functions: the same numbers in give the same picture out.

Pictures are `(height, width)` uint8, landmarks `(points, 2)` in 0..1 over the picture's edges.
"""

import math
from dataclasses import dataclass, replace
from typing import Annotated, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from efld.data.reshape import reshape
from efld.errors import InputError
from efld.geometry import Picture, Points


@dataclass(frozen=True)
class Augmentation:
    """How strongly training faces are changed."""

    rotation_deg: Annotated[float, "rotation, standard deviation in degrees"] = 15.0
    log_scale: Annotated[float, "logarithm of the scale, standard deviation"] = 0.10
    shift: Annotated[float, "shift, standard deviation in crop sides"] = 0.06
    mirror: Annotated[float, "probability of mirroring"] = 0.5
    light: Annotated[float, "probability of another light"] = 0.5
    blur: Annotated[float, "probability of blur"] = 0.2
    noise: Annotated[float, "probability of noise"] = 0.3
    occlusion: Annotated[float, "probability of an occluding box"] = 0.35
    shape: Annotated[float, "probability of a warp towards another face's shape"] = 0.0

    def __post_init__(self) -> None:
        for name in ("mirror", "light", "blur", "noise", "occlusion", "shape"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name}={getattr(self, name)}: expected a probability, 0 to 1.")

    @property
    def unspoilt(self) -> Self:
        """Places and shapes change as before; pictures stay as they are."""
        return replace(self, light=0.0, blur=0.0, noise=0.0, occlusion=0.0)


@dataclass(frozen=True)
class Placement:
    """Where the crop lies in the stored region: a similarity transform."""

    angle_rad: float
    scale: float  # above 1: the crop sees less, the face is larger
    shift_x: float  # of the crop's side
    shift_y: float


def place(
    region: Picture, points: Points, zoom: float, placement: Placement, size_px: int
) -> tuple[Picture, Points]:
    """Cuts a rotated, scaled, shifted crop out of a square region around a face.

    Args:
        region: square picture; the unjittered crop is its middle, `1 / zoom` of its side.
        points: 0..1 over the region.
    """
    side = region.shape[0] / zoom / placement.scale
    angle = placement.angle_rad
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    linear = turn * (size_px / side)
    middle = size_px / 2 + np.array([placement.shift_x, placement.shift_y]) * size_px
    # Edge coordinates in, edge coordinates out; warpAffine wants pixel centres, half a pixel less.
    offset = middle - linear @ np.full(2, region.shape[0] / 2)
    centre_offset = offset + linear @ np.full(2, 0.5) - 0.5
    matrix = np.hstack([linear, centre_offset[:, None]])
    picture = cv2.warpAffine(region, matrix, (size_px, size_px), flags=cv2.INTER_LINEAR)
    moved = (points * region.shape[0]) @ linear.T + offset
    return picture.astype(np.uint8, copy=False), (moved / size_px).astype(np.float32)


def light(picture: Picture, gain: float, bias: float, gamma: float) -> Picture:
    """Contrast, brightness (grey levels) and gamma, by table."""
    levels = (np.arange(256) / 255.0) ** gamma * 255
    table = np.clip((levels - 128) * gain + 128 + bias, 0, 255).astype(np.uint8)
    return cv2.LUT(picture, table).astype(np.uint8, copy=False)


def blur(picture: Picture, sigma_px: float) -> Picture:
    """Gaussian blur."""
    return cv2.GaussianBlur(picture, (0, 0), sigma_px).astype(np.uint8, copy=False)


def noise(picture: Picture, pattern: NDArray[np.int8], amount: float) -> Picture:
    """Adds `amount` times a pattern of the picture's shape, whose spread is 32 levels."""
    return cv2.addWeighted(
        picture.astype(np.int16), 1.0, pattern.astype(np.int16), amount, 0
    ).clip(0, 255).astype(np.uint8)  # fmt: skip


def occlude(picture: Picture, corner: tuple[int, int], patch: Picture) -> Picture:
    """Lays an opaque patch over the picture; what reaches outside is cut off."""
    covered = picture.copy()
    x, y = corner
    window = covered[max(y, 0) : max(y + patch.shape[0], 0), max(x, 0) : max(x + patch.shape[1], 0)]
    start_y, start_x = max(-y, 0), max(-x, 0)
    window[:] = patch[start_y : start_y + window.shape[0], start_x : start_x + window.shape[1]]
    return covered


class Augmenter:
    """Draws random changes for a face from a generator and applies them."""

    def __init__(self, strength: Augmentation, size_px: int) -> None:
        self.strength = strength
        self.size_px = size_px
        # Drawing a picture of normal numbers costs more than everything else: keep a stock.
        stock = np.random.default_rng(0).normal(0, 32, (64, size_px, size_px))
        self._patterns = np.clip(stock, -127, 127).astype(np.int8)

    def placement(self, rng: np.random.Generator) -> Placement:
        s = self.strength
        angle, scale, x, y = rng.normal(size=4).tolist()
        return Placement(
            math.radians(s.rotation_deg) * angle,
            math.exp(s.log_scale * scale),
            s.shift * x,
            s.shift * y,
        )

    def reshaped(
        self, picture: Picture, points: Points, others: Points, rng: np.random.Generator
    ) -> tuple[Picture, Points]:
        """With its probability, a face warped towards one of `others`, `(faces, points, 2)`."""
        # Drawn only where it is wanted: recipes without it keep their random numbers.
        if not self.strength.shape or rng.random() >= self.strength.shape:
            return picture, points
        share = float(np.clip(0.3 * rng.normal(), -0.6, 0.6))
        return reshape(picture, points, others[rng.integers(len(others))], share)

    def spoil(self, picture: Picture, rng: np.random.Generator) -> Picture:
        """Light, blur, noise and an occluding box, each with its probability."""
        s = self.strength
        chance = rng.random(4).tolist()
        if chance[0] < s.light:
            gain, bias, gamma = rng.normal(size=3).tolist()
            picture = light(picture, math.exp(0.25 * gain), 25 * bias, math.exp(0.3 * gamma))
        if chance[1] < s.occlusion:
            picture = self._occlude(picture, rng)
        if chance[2] < s.blur:
            picture = blur(picture, rng.uniform(0.4, 2.0))
        if chance[3] < s.noise:
            pattern = self._patterns[rng.integers(len(self._patterns))]
            picture = noise(picture, pattern, rng.uniform(0.05, 0.5))
        return picture

    def _occlude(self, picture: Picture, rng: np.random.Generator) -> Picture:
        width, height = rng.integers(self.size_px // 10, self.size_px // 2, 2).tolist()
        x, y = rng.integers(-self.size_px // 5, self.size_px, 2).tolist()
        if rng.random() < 0.5:
            patch = np.full((height, width), rng.integers(256), np.uint8)
        else:  # texture: another part of the same picture
            from_x, from_y = (int(rng.integers(self.size_px - side)) for side in (width, height))
            patch = picture[from_y : from_y + height, from_x : from_x + width]
        return occlude(picture, (x, y), patch)
