"""What makes a face: its measures, and the outlines of its features as seen from the front.

All of it is formulas with our own constants, chosen by rules of thumb for drawing a face; no
picture, label or measured mean shape went in.

Flat coordinates: x to the picture's right, y down. One unit is the distance between the outer eye
corners of the neutral face; their midpoint is the origin.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Shape:
    """One face: its bones and its expression. Lengths in units; the defaults are the neutral face.

    Pairs are (picture-left, picture-right).
    """

    width: float = 0.79  # half width of the face at the eyes
    chin_y: float = 1.33
    jaw_power: float = 2.3  # larger: squarer
    jaw_taper: float = 0.53  # smaller: pointed chin
    cheeks: float = 0.0  # hollow below 0, full above
    forehead: float = 0.0  # slopes back below 0, bulges above
    chin_depth: float = 0.07
    eye_x: float = 0.34
    eye_half_width: float = 0.16
    eye_slant: float = 0.012  # inner corner below the outer one
    eye_depth: float = 0.07
    eye_open: tuple[float, float] = (0.065, 0.065)
    brow_y: tuple[float, float] = (-0.215, -0.215)
    brow_arch: float = 0.055
    brow_tilt: float = 0.03  # outer end below the inner one
    brow_inner_x: float = 0.15
    brow_outer_x: float = 0.64
    nose_y: float = 0.56  # of its base
    nose_width: float = 0.165  # half width at the wings
    nose_height: float = 0.22  # of the tip over the face
    nose_bridge: float = 0.07
    mouth_y: float = 0.85
    mouth_half_width: float = 0.285
    upper_lip: float = 0.07
    lower_lip: float = 0.10
    mouth_open: float = 0.0  # gap between the lips
    smile: float = 0.0  # corners up; below 0 down
    pout: float = 0.0
    mouth_skew: float = 0.0  # the picture-right corner goes down
    mouth_shift_x: float = 0.0


class Mouth(NamedTuple):
    """The four lip edges, each `(n, 2)` from picture-left to right."""

    outer_top: Array
    inner_top: Array
    inner_bottom: Array
    outer_bottom: Array


def stack(x: Floats, y: Floats) -> Array:
    both = np.empty((*x.shape, 2), np.float32)
    both[..., 0], both[..., 1] = x, y
    return both


def line(low: float, high: float, count: int) -> Array:
    return np.linspace(low, high, count, dtype=np.float32)


def eye_edges(shape: Shape, side: int, across: Array) -> tuple[Array, Array]:
    """Upper and lower lid, each `(n, 2)`.

    Args:
        shape: the face.
        side: 0 for the picture's left eye, 1 for the right one.
        across: `(n,)` positions, -1 at the inner corner, 1 at the outer one.
    """
    sign = (-1, 1)[side]
    x = sign * (shape.eye_x + shape.eye_half_width * across)
    base = -shape.eye_slant * across
    arch = np.maximum(1 - np.abs(across) ** 2.3, 0) ** 0.8
    opening = shape.eye_open[side]
    sag = 0.7 * max(0.0, 0.05 - opening)  # a closing upper lid meets the lower one below
    upper = base + (sag - opening * (1 - 0.08 * across)) * arch
    lower = base + (sag + 0.72 * opening * (1 + 0.12 * across)) * arch
    return stack(x, upper), stack(x, lower)


def brow_edge(shape: Shape, side: int, along: Array) -> Array:
    """Upper edge of a brow, `(n, 2)`; `along` is 0 at the inner end and 1 at the outer one."""
    sign = (-1, 1)[side]
    x = sign * (shape.brow_inner_x + (shape.brow_outer_x - shape.brow_inner_x) * along)
    arch = 1 - ((along - 0.58) / 0.58) ** 2
    y = shape.brow_y[side] - shape.brow_arch * arch + shape.brow_tilt * np.maximum(along, 0) ** 2.5
    return stack(x, y)


def lip_edges(shape: Shape, across: Array) -> Mouth:
    """The lips at `(n,)` positions from -1, the picture-left corner, to 1."""
    half_width = shape.mouth_half_width
    inner = 0.86 * across
    middle = _mouth_middle(shape, across)
    middle_inner = _mouth_middle(shape, inner)
    gap = np.maximum(1 - across**2, 0) ** 0.7
    bow = 1 - 0.16 * np.exp(-((across / 0.1) ** 2))
    top = shape.upper_lip * np.maximum(1 - np.abs(across) ** 1.5, 0) * bow
    bottom = shape.lower_lip * np.maximum(1 - across**2, 0) ** 0.75
    x, x_inner = (half_width * s + shape.mouth_shift_x for s in (across, inner))
    return Mouth(
        stack(x, middle - 0.2 * shape.mouth_open * gap - top),
        stack(x_inner, middle_inner - 0.2 * shape.mouth_open * gap),
        stack(x_inner, middle_inner + 0.8 * shape.mouth_open * gap),
        stack(x, middle + 0.8 * shape.mouth_open * gap + bottom),
    )


def _mouth_middle(shape: Shape, across: Array) -> Array:
    """Height of the line between closed lips."""
    curve = np.abs(across) ** 1.7
    return np.asarray(
        shape.mouth_y + 0.01 * curve - shape.smile * curve + shape.mouth_skew * across, np.float32
    )


def flat_points(shape: Shape) -> Array:
    """`(68, 2)` float32: the landmarks as drawn from the front; the jaw is only its heights."""
    surface_chin = shape.chin_y + 0.62 * shape.mouth_open
    jaw = np.zeros((17, 2), np.float32)
    jaw[:, 1] = surface_chin
    brow = line(0, 1, 5)
    tip_y = shape.nose_y - 0.11
    bridge = stack(np.zeros(4, np.float32), line(-0.03, tip_y, 4))
    base_x = np.array([-0.93, -0.5, 0, 0.5, 0.93], np.float32) * np.float32(shape.nose_width)
    base_y = shape.nose_y + np.array([-0.035, 0, 0.015, 0, -0.035], np.float32)
    outer = lip_edges(shape, np.array([-1, -0.62, -0.25, 0, 0.25, 0.62, 1], np.float32))
    inner = lip_edges(shape, np.array([-1, -0.45, 0, 0.45, 1], np.float32))
    return np.concatenate([
        jaw,
        brow_edge(shape, 0, brow)[::-1], brow_edge(shape, 1, brow),
        bridge, stack(base_x, base_y),
        _eye_points(shape, 0), _eye_points(shape, 1),
        outer.outer_top, outer.outer_bottom[5:0:-1],
        inner.inner_top, inner.inner_bottom[3:0:-1],
    ])  # fmt: skip


def _eye_points(shape: Shape, side: int) -> Array:
    """The six points of an eye in the scheme's order: clockwise from its picture-left corner."""
    upper, lower = eye_edges(shape, side, np.array([-1, -0.36, 0.36, 1], np.float32))
    if side == 0:
        upper, lower = upper[::-1], lower[::-1]
    return np.concatenate([upper, lower[2:0:-1]])
