"""The head as a closed surface that a face drawn flat is laid on.

A grid over longitude (0 at the nose, columns) and latitude (crown to chin, rows) carries it. Head
coordinates are the flat ones plus z, away from the viewer.
"""

import math

import numpy as np
from numpy.typing import NDArray

from efld.data.synthetic.shape import Array, Floats, Shape, stack

GRID = 256  # rows and columns of the surface
TEXTURE = 2 * GRID
MAX_LONGITUDE_RAD = 2.7  # the back of the head is left open
JAW_LONGITUDE_RAD = 1.38  # the jaw line runs just in front of the frontal silhouette
CROWN_Y = -1.3


def _smooth(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Running mean over an odd number of places; the ends stay level."""
    padded = np.pad(values, window // 2, "edge")
    return np.convolve(padded, np.full(window, 1 / window), "valid")


class Surface:
    """The head of one `Shape` as a grid, and the way from flat (x, y) to places on it.

    Attributes:
        xyz: `(GRID, GRID, 3)` float32, head coordinates.
        longitude: `(GRID,)` radians, of the columns.
        height: `(GRID,)` flat y of the rows.
    """

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        steps = (np.arange(GRID, dtype=np.float32) + 0.5) / GRID - 0.5
        self.longitude = (steps * 2 * MAX_LONGITUDE_RAD).astype(np.float32)
        latitude = np.sin(steps * np.float32(math.pi))
        self.chin_y = shape.chin_y + 0.62 * shape.mouth_open
        stretch = np.where(latitude > 0, self.chin_y, -CROWN_Y)
        self.height = (latitude * stretch).astype(np.float32)
        self._tabulate()
        self.half_width = self.half_width_at(self.height)
        self.sine: Array = np.sin(self.longitude)
        self.xyz = self._skull()
        _raise_features(self)

    def _tabulate(self) -> None:
        """Row and half width against height, so that painting looks them up."""
        latitude = np.linspace(-math.pi / 2, math.pi / 2, 1024)
        y = np.sin(latitude) * np.where(latitude > 0, self.chin_y, -CROWN_Y)
        shape = self.shape
        below, above = np.clip(y / self.chin_y, 0, 1), np.clip(y / CROWN_Y, 0, 1)
        jaw = np.maximum(1 - below**shape.jaw_power, 0) ** shape.jaw_taper
        skull = np.maximum(1 - above**2.5, 0) ** 0.5 * (1 + 0.12 * above)
        cheek = 1 + shape.cheeks * np.exp(-(((below - 0.55) / 0.25) ** 2))
        self._table_y = y
        self._table_width = shape.width * jaw * skull * cheek
        self._table_row = (latitude / math.pi + 0.5) * GRID - 0.5

    def half_width_at(self, y: Floats) -> Array:
        """Half width of the frontal silhouette at flat heights `y`, any shape."""
        return np.interp(y, self._table_y, self._table_width).astype(np.float32)

    def grid_at(self, flat: Array) -> Array:
        """Flat `(..., 2)` front-side points to fractional `(column, row)` of the grid."""
        x, y = flat[..., 0], flat[..., 1]
        sine = x / np.maximum(self.half_width_at(y), np.float32(1e-3))
        longitude = np.arcsin(np.minimum(np.maximum(sine, -0.99), 0.99))
        column = longitude * (GRID / 2 / MAX_LONGITUDE_RAD) + (GRID - 1) / 2
        return stack(column, np.interp(y, self._table_y, self._table_row))

    def points_at(self, grid: Array) -> Array:
        """Fractional `(n, 2)` grid places to `(n, 3)` head coordinates, bilinear."""
        grid = np.clip(grid, 0, GRID - 1.001)
        corner = grid.astype(np.intp)
        column, row = corner[:, 0], corner[:, 1]
        right, down = np.split(grid - corner, 2, axis=1)
        top = self.xyz[row, column] * (1 - right) + self.xyz[row, column + 1] * right
        low = self.xyz[row + 1, column] * (1 - right) + self.xyz[row + 1, column + 1] * right
        return np.asarray(top * (1 - down) + low * down, np.float32)

    def window(self, x: tuple[float, float], y: tuple[float, float]) -> tuple[slice, slice]:
        """Rows and columns that cover a flat rectangle."""
        corners = np.array([[u, v] for u in x for v in (*y, sum(y) / 2)], np.float32)
        grid = self.grid_at(corners)
        low = np.clip(np.floor(grid.min(axis=0)), 0, GRID - 2).astype(int)
        high = np.clip(np.ceil(grid.max(axis=0)), 1, GRID - 1).astype(int)
        return slice(low[1], high[1] + 1), slice(low[0], high[0] + 1)

    def bump(self, at: tuple[float, float], size: tuple[float, float], raise_by: float) -> None:
        """Pulls a Gaussian bump of `size` (standard deviations) towards the viewer."""
        reach = 2.6
        rows, columns = self.window(
            (at[0] - reach * size[0], at[0] + reach * size[0]),
            (at[1] - reach * size[1], at[1] + reach * size[1]),
        )
        x = self.xyz[rows, columns, 0]
        across = np.exp(-(((x - at[0]) / size[0]) ** 2) / 2)
        down = np.exp(-(((self.height[rows] - at[1]) / size[1]) ** 2) / 2)
        self.xyz[rows, columns, 2] -= np.float32(raise_by) * across * down[:, None]

    def _skull(self) -> Array:
        """The head without features: rounded sections between the profile and the jaw line."""
        shape, y = self.shape, self.height
        front = self._profile(y)
        below = np.clip(y / self.chin_y, 0, 1)
        side = 0.02 + 0.73 * np.sqrt(np.maximum(1 - below**2.5, 0))
        above = np.clip(y / CROWN_Y, 0, 1)
        back = 0.95 * np.sqrt(np.maximum(1 - above**2.5, 0)) * (1 - 0.75 * below**1.2)
        sine, cosine = np.abs(self.sine), np.cos(self.longitude)
        flatness = 2.15 + 0.3 * max(shape.cheeks, -0.1)
        round_front = np.sqrt(np.maximum(1 - sine**flatness, 0))
        z_front = side[:, None] - (side - front)[:, None] * round_front
        z_back = side[:, None] - back[:, None] * cosine
        grid = np.empty((GRID, GRID, 3), np.float32)
        grid[..., 0] = self.half_width[:, None] * self.sine
        grid[..., 1] = y[:, None]
        grid[..., 2] = np.where(cosine > 0, z_front, z_back)
        return grid

    def _profile(self, y: Array) -> Array:
        """z of the midline without nose and lips."""
        shape = self.shape
        knots = np.array(
            [CROWN_Y, -1.15, -0.85, -0.5, -0.2, 0.1,
             shape.nose_y, shape.mouth_y, self.chin_y - 0.12, self.chin_y]
        )  # fmt: skip
        bulge = shape.forehead
        depth = [0.55, 0.12, -0.13 - bulge, -0.25 - bulge, -0.26, -0.2, -0.3, -0.31, -0.22, 0.02]
        return _smooth(np.interp(y, knots, depth), 13).astype(np.float32)


def _raise_features(surface: Surface) -> None:
    """Sockets, brows, cheekbones, nose, lips and chin on the bare skull."""
    shape = surface.shape
    for side, sign in enumerate((-1, 1)):
        surface.bump((sign * shape.eye_x, -0.01), (0.15, 0.1), -shape.eye_depth)
        surface.bump((sign * shape.eye_x, 0.0), (0.095, 0.055), 0.06)
        brow = (sign * 0.36, shape.brow_y[side] + 0.02)
        surface.bump(brow, (0.2, 0.06), 0.35 * shape.eye_depth)
        surface.bump((sign * 0.5, 0.36), (0.16, 0.14), 0.05 + 0.25 * max(shape.smile, 0))
        surface.bump((sign * 0.42, 0.95), (0.14, 0.16), 0.6 * shape.cheeks)
        wing = (sign * (shape.nose_width - 0.045), shape.nose_y - 0.05)
        surface.bump(wing, (0.05, 0.06), 0.32 * shape.nose_height)
    _raise_nose(surface)
    _raise_mouth(surface)
    surface.bump((0, surface.chin_y - 0.13), (0.14, 0.09), shape.chin_depth)


def _raise_nose(surface: Surface) -> None:
    shape = surface.shape
    rows, columns = surface.window((-0.35, 0.35), (-0.25, shape.nose_y + 0.08))
    y = surface.height[rows]
    tip_y = shape.nose_y - 0.11
    base_y, height = shape.nose_y, shape.nose_height
    ridge = np.interp(
        y,
        [-0.22, -0.03, tip_y - 0.08, tip_y, base_y - 0.04, base_y + 0.045],
        [0, shape.nose_bridge, 0.88 * height, height, 0.62 * height, 0],
    )
    ridge = _smooth(ridge, 5)
    width = np.interp(y, [-0.2, 0, tip_y, shape.nose_y], [0.12, 0.085, 0.105, 0.1])
    width *= shape.nose_width / 0.165
    across = np.exp(-((surface.xyz[rows, columns, 0] / width[:, None]) ** 2) / 2)
    surface.xyz[rows, columns, 2] -= (ridge[:, None] * across).astype(np.float32)


def _raise_mouth(surface: Surface) -> None:
    shape = surface.shape
    x, width = shape.mouth_shift_x, 0.6 * shape.mouth_half_width
    top_y = shape.mouth_y - 0.2 * shape.mouth_open - 0.5 * shape.upper_lip
    low_y = shape.mouth_y + 0.8 * shape.mouth_open + 0.5 * shape.lower_lip
    surface.bump((x, shape.mouth_y), (0.26, 0.18), 0.03 + shape.pout)
    surface.bump((x, top_y), (width, 0.45 * shape.upper_lip + 0.012), 0.05)
    surface.bump((x, low_y), (0.85 * width, 0.45 * shape.lower_lip + 0.01), 0.055)
    surface.bump((x, low_y + 0.5 * shape.lower_lip + 0.06), (0.13, 0.04), -0.05)
    surface.bump((0, shape.nose_y + 0.09), (0.025, 0.05), -0.012)
