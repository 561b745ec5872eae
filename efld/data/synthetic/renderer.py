"""One rendered face: a shape, paint on its surface, light, pose, then everything around it.

Points are the 3-D landmarks projected. On a turned head the hidden part of the jaw is where 300-W
annotators put it, on the visible outline of the face.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from efld.data.synthetic.camera import draw_camera, nearest, rotation, splat, unhidden
from efld.data.synthetic.chance import Rng, between, chance
from efld.data.synthetic.hair import dress_head
from efld.data.synthetic.landmarks import landmark_grid, outlined
from efld.data.synthetic.light import exposed, front, light
from efld.data.synthetic.person import draw_pose, draw_shape, draw_tones, make_uneven
from efld.data.synthetic.props import draw_glasses, draw_occluder
from efld.data.synthetic.scene import background, draw_body
from efld.data.synthetic.skin import paint_face
from efld.data.synthetic.surface import Surface
from efld.errors import InputError
from efld.geometry import Picture, Points

RENDERER_VERSION = 2  # part of the cache's name: raise it when pictures or points change
SMALLEST_PX, LARGEST_PX = 32, 256  # above it the texture is too coarse to cover the canvas
OVERSAMPLE = 2


@dataclass(frozen=True, eq=False)
class Rendered:
    """One rendered face. Angles in radians: see `camera.rotation` for their signs."""

    picture: Picture  # (size_px, size_px)
    points: Points  # (68, 2), pixel centres, 0-based
    visible: NDArray[np.bool_]  # (68,): neither behind the head nor behind glasses, hair or a hand
    yaw: float
    pitch: float
    roll: float


def render(seed: int, size_px: int = 160) -> Rendered:
    """Draws the face of `seed`; the same arguments give the same pixels.

    Args:
        seed: 0 or above.
        size_px: side of the square picture; the face fills 45 to 65 % of it.

    Raises:
        InputError: negative seed, or a picture of less than 32 or more than 256 px.
    """
    if seed < 0 or not SMALLEST_PX <= size_px <= LARGEST_PX:
        raise InputError(
            f"render: seed {seed}, size {size_px} px; expected a seed of 0 or above and "
            f"{SMALLEST_PX} to {LARGEST_PX} px."
        )
    rng = np.random.default_rng(seed)
    surface = Surface(draw_shape(rng))
    make_uneven(rng, surface)
    yaw, pitch, roll = draw_pose(rng)
    grid = landmark_grid(surface)
    bones = surface.points_at(grid)
    camera = draw_camera(rng, bones, rotation(yaw, pitch, roll), size_px * OVERSAMPLE)
    seen = camera.project(surface.points_at(outlined(surface, camera, grid)))
    tones = draw_tones(rng)
    albedo = paint_face(rng, surface, tones)
    dress_head(rng, surface, albedo, tones)
    texture = exposed(rng, albedo, light(rng, surface, camera.turn))
    skin = float(front(texture[0]).mean())
    canvas = background(rng, size_px * OVERSAMPLE)
    draw_body(rng, canvas, camera, surface, (skin, skin * tones.hair / tones.skin))
    depth = splat(canvas, surface, camera, texture)
    visible = unhidden(seen, depth)
    visible &= draw_glasses(rng, canvas, camera, surface, yaw)
    occluder = draw_occluder(rng, canvas, camera.project(bones)[:, :2], skin)
    visible &= nearest(occluder, seen) < 128
    points = (seen[:, :2] + 0.5) / OVERSAMPLE - 0.5
    picture = _photograph(rng, canvas, size_px)
    return Rendered(picture, points.astype(np.float32), visible, yaw, pitch, roll)


def _photograph(rng: Rng, canvas: Picture, size_px: int) -> Picture:
    """What a camera adds: resampling, blur, contrast, noise and sometimes JPEG."""
    grey = cv2.resize(canvas, (size_px, size_px), interpolation=cv2.INTER_AREA).astype(np.float32)
    if chance(rng, 0.6):
        grey = cv2.GaussianBlur(grey, (0, 0), between(rng, 0.3, 1.4)).astype(np.float32)
    contrast, lift = np.float32(between(rng, 0.85, 1.3)), np.float32(rng.normal(0, 12))
    grey = (grey - 128) * contrast + 128 + lift
    noise = np.float32(rng.choice([0.5, 2, 6], p=[0.5, 0.4, 0.1]))
    grey += rng.standard_normal(grey.shape, np.float32) * noise
    picture = np.clip(grey, 0, 255).astype(np.uint8)
    return _jpeg(picture, int(rng.integers(35, 90))) if chance(rng, 0.3) else picture


def _jpeg(picture: Picture, quality: int) -> Picture:
    """The picture after JPEG compression."""
    encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE), np.uint8)
