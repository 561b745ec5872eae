"""Landmarks drawn on a picture."""

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from efld import schemes
from efld.geometry import Points

Colour = tuple[int, int, int]  # blue, green, red
ColourPicture = NDArray[np.uint8]  # (height, width, 3), blue, green, red

SHORTER_SIDE_PX = 480  # smaller pictures are enlarged: lines would hide the face
LONGER_SIDE_PX = 4096  # no picture is enlarged beyond this
SUBPIXEL_BITS = 4  # OpenCV draws at 1/16 px
# cv2.circle makes diamonds of circles this small.
_ANGLES = np.linspace(0, 2 * np.pi, 24, endpoint=False)
CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)  # (24, 2), radius 1


def draw(picture: NDArray[np.uint8], points: Points, scheme_name: str) -> ColourPicture:
    """Draws a scheme's lines and points, antialiased, in proportion to the face.

    Args:
        picture: `(height, width)` grey or `(height, width, 3)` blue, green, red. Left as it is.
        points: `(points, 2)`, picture pixels; points outside the picture are cut off.

    Returns:
        A new picture, enlarged by a whole factor when its shorter side is under 480 px.
    """
    shorter_px, longer_px = sorted(picture.shape[:2])
    factor = max(1, min(math.ceil(SHORTER_SIDE_PX / shorter_px), LONGER_SIDE_PX // longer_px))
    canvas = _enlarged(picture, factor)
    mark(canvas, (points + 0.5) * factor - 0.5, scheme_name)  # 0.5: pixel centres
    return canvas


class Ink(NamedTuple):
    """Colours of the landmarks; a rim keeps points apart from bright skin."""

    line: Colour = (255, 190, 60)
    point: Colour = (255, 255, 255)
    rim: Colour | None = (60, 30, 0)


INK = Ink()


def mark(canvas: ColourPicture, points: Points, scheme_name: str, ink: Ink = INK) -> None:
    """Draws on the picture itself, in its own size; points that are NaN are left out."""
    face_px = float(np.ptp(points[np.isfinite(points).all(axis=1)], axis=0).max(initial=0))
    for indices, closed in schemes.scheme(scheme_name).lines:
        _line(canvas, points[list(indices)], closed, ink.line, max(1, round(face_px / 200)))
    for centre in points[np.isfinite(points).all(axis=1)]:
        _dot(canvas, centre, ink, radius_px=max(1, face_px / 130))


def _enlarged(picture: NDArray[np.uint8], factor: int) -> ColourPicture:
    colour = picture if picture.ndim == 3 else cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)
    if factor > 1:
        colour = cv2.resize(colour, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    return np.array(colour, np.uint8)


def _line(
    canvas: ColourPicture, points: Points, closed: bool, colour: Colour, thickness_px: int
) -> None:
    ends = np.roll(points, -1, axis=0)
    segments = np.stack([points, ends], axis=1)[: None if closed else -1]
    segments = segments[np.isfinite(segments).all(axis=(1, 2))]
    paths = list(np.rint(segments * (1 << SUBPIXEL_BITS)).astype(np.int32))
    cv2.polylines(canvas, paths, False, colour, thickness_px, cv2.LINE_AA, SUBPIXEL_BITS)


def _dot(canvas: ColourPicture, centre: Points, ink: Ink, radius_px: float) -> None:
    for colour, radius in ((ink.rim, 1.5 * radius_px), (ink.point, radius_px)):
        if colour is None:
            continue
        rim = np.rint((centre + radius * CIRCLE) * (1 << SUBPIXEL_BITS)).astype(np.int32)
        cv2.fillConvexPoly(canvas, rim, colour, cv2.LINE_AA, SUBPIXEL_BITS)
