"""From head coordinates to pixels: pose, projection and what hides what."""

import math
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from efld.data.synthetic.chance import Mask, Rng, between
from efld.data.synthetic.shape import Array
from efld.data.synthetic.surface import TEXTURE, Surface
from efld.geometry import Picture


def rotation(yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    """Head to camera, `(3, 3)`, radians; roll after pitch after yaw.

    Positive yaw turns the nose to the picture's right, positive pitch turns it down, positive roll
    turns the picture clockwise.
    """
    cos_y, sin_y = math.cos(yaw), math.sin(yaw)
    cos_p, sin_p = math.cos(pitch), math.sin(pitch)
    cos_r, sin_r = math.cos(roll), math.sin(roll)
    turn = np.array([[cos_y, 0, -sin_y], [0, 1, 0], [sin_y, 0, cos_y]])
    nod = np.array([[1, 0, 0], [0, cos_p, -sin_p], [0, sin_p, cos_p]])
    tilt = np.array([[cos_r, -sin_r, 0], [sin_r, cos_r, 0], [0, 0, 1]])
    return np.asarray(tilt @ nod @ turn)


class Camera(NamedTuple):
    """Head coordinates to pixels of the oversampled canvas."""

    turn: NDArray[np.float64]
    distance: float  # units; small is strong perspective
    scale_px: float  # pixels a unit, at depth 0
    shift_px: tuple[float, float]

    def project(self, xyz: Array) -> Array:
        """`(..., 3)` head coordinates to `(..., 3)`: pixel-centre x, y and depth in units."""
        seen = cv2.transform(xyz.reshape(-1, 1, 3), self.turn).reshape(xyz.shape)
        near = self.scale_px * self.distance / (self.distance + seen[..., 2])
        seen[..., 0] = seen[..., 0] * near + self.shift_px[0]
        seen[..., 1] = seen[..., 1] * near + self.shift_px[1]
        return np.asarray(seen, np.float32)


def draw_camera(rng: Rng, landmarks: Array, turn: NDArray[np.float64], side_px: int) -> Camera:
    """Places the face: its landmarks' box fills 45 to 65 % of the side, about centred."""
    plain = Camera(turn, between(rng, 7, 30), 1.0, (0.0, 0.0))
    flat = plain.project(landmarks)[:, :2]
    low, high = flat.min(axis=0), flat.max(axis=0)
    scale = between(rng, 0.45, 0.65) * side_px / float((high - low).max())
    centre = (side_px - 1) / 2 + rng.normal(0, 0.02, 2) * side_px - scale * (low + high) / 2
    return plain._replace(scale_px=scale, shift_px=(float(centre[0]), float(centre[1])))


def splat(
    canvas: Picture,
    surface: Surface,
    camera: Camera,
    texture: tuple[Picture, NDArray[np.bool_]],
) -> Mask:
    """Draws the head: every texture place lands on one pixel, the nearest wins.

    Returns:
        Depth of each canvas pixel in units; 9 where there is no head.
    """
    shade, facing = texture
    side = canvas.shape[0]
    seen = camera.project(surface.xyz)
    big = cv2.resize(seen, (TEXTURE, TEXTURE), interpolation=cv2.INTER_LINEAR)
    column, row = (np.round(big[..., i]).astype(np.int32) for i in (0, 1))
    inside = facing & (column >= 0) & (column < side) & (row >= 0) & (row < side)
    nearness = np.clip((2.5 - big[..., 2]) * 13000, 1, 65000).astype(np.int32)
    key = (nearness << 8) | shade
    buffer = np.zeros(side * side, np.int32)
    np.maximum.at(buffer, (row * side + column)[inside], key[inside])
    found = buffer.reshape(side, side).astype(np.float32)
    closed = cv2.morphologyEx(found, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    merged = np.where(closed - found > 256 * 600, closed, found).astype(np.int32)
    head = merged > 0
    canvas[head] = (merged & 255)[head]
    return np.where(head, 2.5 - merged.astype(np.float32) / (13000 << 8), 9).astype(np.float32)


def nearest(canvas: NDArray[Any], seen: Array) -> NDArray[Any]:
    """The canvas's values at projected `(n, 2 or 3)` points; beside the canvas, of its border."""
    column, row = np.clip(np.round(seen[:, :2]), 0, canvas.shape[0] - 1).astype(int).T
    return np.asarray(canvas[row, column])


def unhidden(seen: Array, depth: Mask) -> NDArray[np.bool_]:
    """Which projected `(n, 3)` points lie on the drawn surface and not behind it."""
    head = np.where(depth > 8, -9, depth).astype(np.float32)
    farthest = cv2.dilate(head, np.ones((5, 5), np.uint8))
    surface = nearest(farthest, seen)
    return np.asarray((surface < -8) | (seen[:, 2] < surface + 0.15))
