"""Where the 68 points lie on the surface.

A landmark is a flat point looked up on the surface, so picture and points cannot disagree.
"""

import math

import numpy as np
from numpy.typing import NDArray

from efld.data.synthetic.camera import Camera
from efld.data.synthetic.shape import Array, Shape, flat_points, line, stack
from efld.data.synthetic.surface import GRID, JAW_LONGITUDE_RAD, MAX_LONGITUDE_RAD, Surface
from efld.geometry import Points, to_crop, truth_square
from efld.schemes import scheme

TRUTH_FACTOR = 1.25
OUTLINE_STEPS = 24  # places tried between the bone and the middle of the face


def _jaw_grid(surface: Surface) -> Array:
    """Grid places of the 17 jaw points: equal steps along the frontal jaw line."""
    latitude = line(0, math.pi / 2, 200)
    y = surface.chin_y * np.sin(latitude)
    x = surface.half_width_at(y)
    length = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    at = np.interp(line(0, 1, 9) * length[-1], length, latitude)
    latitudes = np.concatenate([at, at[-2::-1]])
    sign = np.repeat([-1.0, 0.0, 1.0], [8, 1, 8])
    column = (sign * JAW_LONGITUDE_RAD / (2 * MAX_LONGITUDE_RAD) + 0.5) * GRID - 0.5
    row = (latitudes / math.pi + 0.5) * GRID - 0.5
    return stack(column.astype(np.float32), row.astype(np.float32))


def landmark_grid(surface: Surface) -> Array:
    """Grid places of the 68 landmarks, fractional `(68, 2)`: column, row."""
    grid = surface.grid_at(flat_points(surface.shape))
    grid[:17] = _jaw_grid(surface)
    return grid


def _neutral_face() -> NDArray[np.float64]:
    surface = Surface(Shape())
    points = surface.points_at(landmark_grid(surface)).astype(np.float64)
    points -= (points[36] + points[45]) / 2
    points /= np.linalg.norm(points[45] - points[36])
    mirrored = points[list(scheme("68").mirror)] * [-1, 1, 1]
    symmetric = (points + mirrored) / 2  # rounding differs between the sides
    symmetric.setflags(write=False)
    return symmetric


# (68, 3): head coordinates of the neutral face, outer eye corners 1 apart; exactly symmetric.
NEUTRAL_FACE = _neutral_face()


def neutral_points() -> Points:
    """The neutral face from the front, `(68, 2)` in 0..1 over its truth square (factor 1.25)."""
    flat = NEUTRAL_FACE[:, :2].astype(np.float32)
    return to_crop(flat, truth_square(flat, TRUTH_FACTOR))


def outlined(surface: Surface, camera: Camera, grid: Array) -> Array:
    """`landmark_grid` with the jaw on the visible outline of the face, as in 300-W.

    A jaw point that the face itself hides slides along its row of the surface towards the front,
    to the first place that faces the camera. Where the whole row is hidden, as under the chin of a
    bowed head, it slides towards the mouth instead.
    """
    slid = grid.copy()
    mouth = surface.grid_at(np.array([0, surface.shape.mouth_y], np.float32))
    inwards = np.stack(np.broadcast_arrays(mouth[0], grid[:17, 1]), axis=-1)
    hidden = np.arange(17)
    for goals in (inwards, np.broadcast_to(mouth, (17, 2))):
        share = line(0, 1, OUTLINE_STEPS)[:, None]
        paths = grid[hidden, None] + (goals - grid[:17])[hidden, None] * share
        facing = _facing(surface, camera, paths)
        slid[hidden] = paths[np.arange(len(hidden)), facing.argmax(axis=1)]
        hidden = hidden[~facing.any(axis=1)]
        if not hidden.size:
            break
    return slid


def _facing(surface: Surface, camera: Camera, places: Array) -> NDArray[np.bool_]:
    """Whether the surface faces the camera at `(n, steps, 2)` grid places; `(n, steps)`."""
    right, left, down, up = (
        camera.project(surface.points_at((places + step).reshape(-1, 2)))[:, :2].T
        for step in np.array([[1, 0], [-1, 0], [0, 1], [0, -1]], np.float32)
    )
    across, along = right - left, down - up
    turn = across[0] * along[1] - across[1] * along[0]
    return np.asarray(turn.reshape(places.shape[:2]) > 0)
