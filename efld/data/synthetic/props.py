"""Before the face: glasses, hands and other things that hide points."""

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from efld.data.synthetic.camera import Camera
from efld.data.synthetic.chance import Rng, between, chance, cut, noises
from efld.data.synthetic.paint import polygon
from efld.data.synthetic.scene import fill
from efld.data.synthetic.shape import Array
from efld.data.synthetic.surface import Surface
from efld.geometry import Picture


def draw_glasses(
    rng: Rng, canvas: Picture, camera: Camera, surface: Surface, yaw: float
) -> NDArray[np.bool_]:
    """Glasses on one face in five; the points that they leave visible, `(68,)`."""
    visible = np.ones(68, bool)
    if not chance(rng, 0.2):
        return visible
    dark = chance(rng, 0.25)
    visible[36:48] = not dark
    half_width, half_height = between(rng, 0.22, 0.28), between(rng, 0.12, 0.23)
    tone, width_px = int(rng.choice([10, 40, 120, 220])), int(rng.integers(1, 5))
    rim = _rim(half_width, half_height, between(rng, 0.5, 1.0))
    nose_z = float(surface.points_at(surface.grid_at(polygon((0, -0.02))))[0, 2]) - 0.01
    eye_x = surface.shape.eye_x + 0.01

    def seen(x: NDArray[Any], y: NDArray[Any], z: NDArray[Any]) -> Array:
        return camera.project(np.stack([x, y, z], axis=-1).astype(np.float32))[:, :2]

    for sign in (-1, 1):
        x = sign * eye_x + rim[:, 0]
        loop = seen(x, rim[:, 1], nose_z + 0.5 * x**2)
        _draw_lens(rng, canvas, loop, dark=dark)
        _polyline(canvas, loop, tone, width_px, closed=True)
        inner, outer = sign * (eye_x - half_width), sign * (eye_x + half_width)
        bridge = np.array([[0, -0.02, nose_z], [inner, 0, nose_z]])
        arm = np.array([[outer, -0.02, nose_z + 0.5 * outer**2],
                        [sign * 1.03 * surface.shape.width, -0.05, 0.75]])  # fmt: skip
        _polyline(canvas, seen(*bridge.T), tone, width_px, closed=False)
        if sign * yaw < 0.1:  # the other arm is behind the head
            _polyline(canvas, seen(*arm.T), tone, width_px, closed=False)
    return visible


def _rim(half_width: float, half_height: float, corner: float) -> Array:
    """A loop from round (`corner` 1) to square (towards 0), `(n, 2)`, centred."""
    angle = np.linspace(0, 2 * math.pi, 32, endpoint=False)
    cosine, sine = np.cos(angle), np.sin(angle)
    x = half_width * np.sign(cosine) * np.abs(cosine) ** corner
    y = half_height * np.sign(sine) * np.abs(sine) ** corner + 0.03
    return np.stack([x, y], axis=-1).astype(np.float32)


def _draw_lens(rng: Rng, canvas: Picture, loop: Array, *, dark: bool) -> None:
    if dark:
        through = np.float32(between(rng, 0, 0.15))
        fill(canvas, loop, through * canvas + np.float32(between(rng, 5, 60)))
    if chance(rng, 0.3):
        low, high = loop.min(axis=0), loop.max(axis=0)
        glint = low + (high - low) * rng.uniform(0.1, 0.9, (4, 2)).astype(np.float32)
        shiny = np.float32(between(rng, 0.1, 0.6))
        fill(canvas, cv2.convexHull(glint)[:, 0], canvas * (1 - shiny) + 255 * shiny, 1)


def _polyline(canvas: Picture, line: Array, tone: int, width_px: int, *, closed: bool) -> None:
    corners = np.round(line * 16).astype(np.int32)
    cv2.polylines(canvas, [corners], closed, tone, width_px, cv2.LINE_AA, 4)


def draw_occluder(rng: Rng, canvas: Picture, places: Array, skin: float) -> Picture:
    """A hand, box or oval before one face in five, about one of `(n, 2)` places.

    Returns:
        What it covers, the canvas's size: 255 inside, 0 outside.
    """
    mask = np.zeros(canvas.shape, np.uint8)
    if not chance(rng, 0.2):
        return mask
    size = between(rng, 0.06, 0.2) * canvas.shape[0]
    at = places[int(rng.integers(len(places)))] + rng.normal(0, 0.4, 2) * size
    kind = str(rng.choice(["hand", "box", "oval"], p=[0.5, 0.25, 0.25]))
    tilt = between(rng, 0, 360)
    if kind == "hand":
        _hand(rng, mask, at, size)
    elif kind == "box":
        box = cv2.boxPoints((at.tolist(), (2 * size, size * between(rng, 0.5, 2)), tilt))
        cv2.fillPoly(mask, [np.round(box).astype(np.int32)], 255, cv2.LINE_AA)
    else:
        axes = (int(size), int(size * rng.uniform(0.4, 1)))
        centre = np.round(at).astype(int).tolist()
        cv2.ellipse(mask, centre, axes, tilt, 0, 360, 255, -1, cv2.LINE_AA)
    tone = skin * rng.uniform(0.7, 1.4) if kind == "hand" else rng.uniform(0, 255)
    part = mask.astype(np.float32) / np.float32(255)
    rounding = cv2.GaussianBlur(part, (0, 0), max(2, size / 6)) * 0.6 + 0.4
    noise = noises()[0 if kind == "hand" else int(rng.integers(3))]
    cover = tone * rounding * (1 + rng.uniform(0.02, 0.15) * cut(rng, noise, canvas.shape))
    canvas[:] = np.clip(canvas + part * (cover - canvas), 0, 255).astype(np.uint8)
    return mask


def _hand(rng: Rng, mask: Picture, at: Array, size_px: float) -> None:
    """A palm and four fingers, drawn into a mask; thin gaps part the fingers."""
    angle = between(rng, 0, 2 * math.pi)
    along = np.array([math.cos(angle), math.sin(angle)])
    across = np.array([-along[1], along[0]])
    palm = np.round(at - along * size_px).astype(int).tolist()
    axes = (int(size_px), int(0.8 * size_px))
    cv2.ellipse(mask, palm, axes, math.degrees(angle), 0, 360, 255, -1, cv2.LINE_AA)
    fan = between(rng, 0, 0.25)
    for finger in range(4):
        root = at - along * 0.6 * size_px + across * (finger - 1.5) * 0.4 * size_px
        tip = root + (along + across * (finger - 1.5) * fan) * size_px * between(rng, 0.9, 1.5)
        ends = [np.round(end).astype(int).tolist() for end in (root, tip)]
        cv2.line(mask, ends[0], ends[1], 120, max(2, int(0.42 * size_px)), cv2.LINE_AA)
        cv2.line(mask, ends[0], ends[1], 255, max(1, int(0.36 * size_px)), cv2.LINE_AA)
