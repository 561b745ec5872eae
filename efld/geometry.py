"""Boxes, square crops and the maps between picture and crop.

Two conventions meet here and nowhere else. Points are pixel *centres*, 0-based: the first pixel's
centre is 0. Boxes are pixel *edges*: the first pixel reaches from 0 to 1. Points relative to a crop
are 0..1 over its edges, so mirroring is x -> 1 - x whatever the crop's size.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from efld.errors import InputError

Points = NDArray[np.float32]  # (..., points, 2), x before y
Picture = NDArray[np.uint8]  # (height, width) grey, or (height, width, 3) red, green, blue


@dataclass(frozen=True)
class Box:
    """A rectangle over pixel edges, in pixels of its picture; may reach outside it."""

    left: float
    top: float
    width: float
    height: float

    def __post_init__(self) -> None:
        sides = (self.left, self.top, self.width, self.height)
        if not all(map(math.isfinite, sides)) or self.width <= 0 or self.height <= 0:
            found = ",".join(f"{side:g}" for side in sides)
            raise InputError(f"box {found}: expected x,y,w,h, finite, w and h above 0.")

    def overlaps(self, width_px: int, height_px: int) -> bool:
        """Whether any of it lies inside a picture of that size."""
        return (
            self.left < width_px
            and self.top < height_px
            and self.left + self.width > 0
            and self.top + self.height > 0
        )


def landmark_box(points: Points) -> Box:
    """The box that `(points, 2)` landmarks span."""
    low, high = points.min(axis=0), points.max(axis=0)
    left, top = (low + 0.5).tolist()
    width, height = np.maximum(high - low, 1e-3).tolist()
    return Box(left, top, width, height)


def square(box: Box, factor: float) -> Box:
    """The centred square whose side is `factor` times the longer side of `box`."""
    side = factor * max(box.width, box.height)
    centre_x, centre_y = box.left + box.width / 2, box.top + box.height / 2
    return Box(centre_x - side / 2, centre_y - side / 2, side, side)


def moved(box: Box, right: float, down: float, scale: float) -> Box:
    """A square scaled about its centre, then shifted by parts of its former side."""
    side = box.width * scale
    grown = (box.width - side) / 2
    return Box(box.left + grown + right * box.width, box.top + grown + down * box.width, side, side)


def truth_square(points: Points, factor: float) -> Box:
    """The `truth` box of the protocols: square around the landmarks' box."""
    return square(landmark_box(points), factor)


def to_crop(points: Points, box: Box) -> Points:
    """Picture pixels -> 0..1 over the edges of `box`."""
    origin = np.array([box.left, box.top], np.float32)
    size = np.array([box.width, box.height], np.float32)
    return ((points + np.float32(0.5) - origin) / size).astype(np.float32)


def to_picture(points: Points, box: Box) -> Points:
    """0..1 over the edges of `box` -> picture pixels. Inverse of `to_crop`."""
    origin = np.array([box.left, box.top], np.float32)
    size = np.array([box.width, box.height], np.float32)
    return (points * size + origin - np.float32(0.5)).astype(np.float32)


def crop(picture: Picture, box: Box, size_px: int) -> Picture:
    """Resamples a square box to `size_px` by `size_px`; black outside the picture.

    A face more than twice as large as the crop is shrunk by area first: bilinear sampling alone
    would skip pixels.
    """
    shrink = min(int(box.width / size_px), *picture.shape[:2])
    if shrink >= 2:
        return crop(*_shrunk(picture, box, shrink), size_px)
    scale = size_px / box.width
    matrix = np.array(
        [
            [scale, 0, (0.5 - box.left) * scale - 0.5],
            [0, scale, (0.5 - box.top) * scale - 0.5],
        ]
    )
    return cv2.warpAffine(picture, matrix, (size_px, size_px), flags=cv2.INTER_LINEAR).astype(
        np.uint8, copy=False
    )


def crops(picture: Picture, boxes: Sequence[Box], size_px: int) -> NDArray[np.uint8]:
    """What a model sees of several squares, `(boxes, size_px, size_px, channels)`."""
    return np.stack([np.atleast_3d(crop(picture, box, size_px)) for box in boxes])


def _shrunk(picture: Picture, box: Box, factor: int) -> tuple[Picture, Box]:
    """The part of `picture` under `box`, its sides divided by `factor`, and the box there."""
    height, width = (side - side % factor for side in picture.shape[:2])
    smaller = cv2.resize(
        picture[:height, :width], (width // factor, height // factor), interpolation=cv2.INTER_AREA
    )
    scaled = Box(box.left / factor, box.top / factor, box.width / factor, box.height / factor)
    return smaller.astype(np.uint8, copy=False), scaled
