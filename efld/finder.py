"""Finds a face in a picture by the landmark model alone: no detector, no foreign weights.

Windows of several sizes slide over the picture. The model looks into each three times, each time
into the square around the points it found before. Windows that touch a face end on the same points,
the others end apart: so each window has a vote, and the place that most of them end on wins. Then
the model looks at that place in several views, plain and mirrored. The mean is the answer; how far
the views lie apart says whether to believe it.

How well it finds, with two trainings of efld-small: A has an NME of 4.3 % on 300-W's common
faces, B is `python -m train 300w --data 300w --extra youtube_faces/train`. A face is right if its
NME is below 10 %, and sure if its views lie at most SURE_PERCENT apart.

- 98 faces that the 300w preset holds out, cut to 1.6 times the face: A finds 97 right, B 98.
  Without the largest windows A finds 93.
- 40 pictures of 300-W's training part as their owners give them, 300 to 2100 px: A is sure of 35,
  B of all 40; all are faces, in groups not always the annotated one. What A misses is 0.11 to
  0.13 of the shorter side, or half hidden. Windows of 0.1 find two of these five, and take thrice
  the time.
- 59 parts of pictures without their main face: A is sure of three, B of four, which are faces of
  other people. The next place is 5.6 % (A) and 3.3 % (B) apart.
- 34 faces upside down or on their side: none is sure, 3.8 % apart or more.

Votes alone do not tell: where there is no face B has up to 15, more than A for some faces. Nor
does it help to count only windows whose last look moved little: nearly all stand still.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from efld import schemes
from efld.evaluate import Landmarker
from efld.geometry import (
    Box,
    Picture,
    Points,
    crop,
    crops,
    landmark_box,
    moved,
    square,
    to_crop,
    to_picture,
    truth_square,
)
from efld.metrics import inter_ocular

LOOKS = 3  # of the model into each window
AGREEMENT = 0.05  # mean distance of the points, in sides of the square, up to which windows agree
STEP = 1 / 3  # between windows, in their sides
OUTSIDE = 0.15  # of a window's side may lie outside the picture


class Search(NamedTuple):
    """Windows that slide over the picture."""

    sizes: tuple[float, ...]  # their sides, in shorter sides of the picture
    clear: int  # votes from which a place is looked at


SEARCHES = (Search((0.28, 0.39, 0.55, 0.77, 1.08), clear=6), Search((0.14, 0.2), clear=8))
# Shifts to the right and down in sides of a square, and a scale, as `moved` takes them.
NEAR = tuple(itertools.product((-0.15, 0.0, 0.15), (-0.15, 0.0, 0.15), (0.8, 1.0, 1.25)))
CLEAR_NEAR = 14  # of these 27: around faces A has 16 or more, elsewhere 9 or fewer
SURE_PERCENT = 2.5  # where no face is, views lie 3.3 % apart or more
VIEWS = (
    (0, 0, 1), (-0.05, 0, 1), (0.05, 0, 1), (0, -0.05, 1), (0, 0.05, 1), (0, 0, 0.92), (0, 0, 1.09),
)  # fmt: skip


class Found(NamedTuple):
    """A face, and how far to believe that it is one."""

    points: Points  # (points, 2), picture pixels: the mean of the views
    box: Box  # that they span
    votes: int  # windows that ended on it
    # Mean distance of the views' points from these, in percent of that of the outer eye corners.
    disagreement_percent: float


def find(
    picture: Picture, model: Landmarker, near: Box | None = None, scout: Landmarker | None = None
) -> Found | None:
    """Finds the clearest face; small windows are tried where large ones find none for sure.

    Args:
        picture: of any size, in the channels of the models.
        near: look for the face that this box frames, as landmarks would span it; it may be off by a
            quarter of its side.
        scout: a quicker model that looks into the windows; `model` looks only where they end.

    Returns:
        None where too few windows agree. A face is sure only where the views agree, too: up to
        SURE_PERCENT.

    Raises:
        InputError: a model that computes NaN.
        ValueError: a picture of other channels than a model sees.
    """
    scout = scout or model
    best: Found | None = None
    for clear, windows in _searches(picture, scout, near):
        points, votes = _voted(picture, windows, scout)
        if votes < clear:
            continue
        found = _averaged(picture, points, votes, model)
        if best is None or found.disagreement_percent < best.disagreement_percent:
            best = found
        if best.disagreement_percent <= SURE_PERCENT:
            break
    return best


def _searches(
    picture: Picture, model: Landmarker, near: Box | None
) -> Iterator[tuple[int, list[Box]]]:
    """Windows, and how many of them must agree."""
    if near is not None:
        start = square(near, model.spec.box_factor)
        yield CLEAR_NEAR, [moved(start, *change) for change in NEAR]
        return
    height, width = picture.shape[:2]
    for sizes, clear in SEARCHES:
        sides = [size * min(height, width) for size in sizes]
        yield clear, [window for side in sides for window in _slid(width, height, side)]


def _voted(picture: Picture, windows: Sequence[Box], model: Landmarker) -> tuple[Points, int]:
    """The points that most windows end on, and how many do."""
    canvas, place = _reduced(picture, min(w.width for w in windows) / model.spec.input_px)
    frame = Box(0, 0, *canvas.shape[:2])
    boxes = [_on_canvas(window, place, frame.width / place.width) for window in windows]
    for _ in range(LOOKS):
        ends = _look(canvas, boxes, model)
        boxes = [truth_square(end, model.spec.box_factor) for end in ends]
    agreeing = _largest_group(ends, [box.width for box in boxes])
    middle = np.median(ends[agreeing], axis=0)
    return to_picture(to_crop(middle, frame), place), len(agreeing)


def _averaged(picture: Picture, points: Points, votes: int, model: Landmarker) -> Found:
    """The mean over VIEWS of a place, each plain and mirrored."""
    factor = model.spec.box_factor
    again = _look(picture, [truth_square(points, factor)], model)[0]
    views = [moved(truth_square(again, factor), *view) for view in VIEWS]
    ends = np.concatenate([_look(picture, views, model, mirrored) for mirrored in (False, True)])
    mean = ends.mean(axis=0)
    apart_px = float(np.linalg.norm(ends - mean, axis=-1).mean())
    eyes_px = max(float(inter_ocular(mean[np.newaxis], model.spec.scheme)[0]), 1e-3)
    return Found(mean, landmark_box(mean), votes, 100 * apart_px / eyes_px)


def _look(
    picture: Picture, boxes: Sequence[Box], model: Landmarker, mirrored: bool = False
) -> Points:
    """What the model finds in squares of a picture, `(boxes, points, 2)`, picture pixels.

    Args:
        mirrored: show it the crops mirrored; the points are those of the picture all the same.
    """
    squares = crops(picture, boxes, model.spec.input_px)
    if mirrored:
        found = schemes.mirror(model(squares[:, :, ::-1]), model.spec.scheme)
    else:
        found = model(squares)
    return np.stack([to_picture(one, box) for one, box in zip(found, boxes, strict=True)])


def _on_canvas(window: Box, place: Box, scale: float) -> Box:
    side = window.width * scale
    return Box((window.left - place.left) * scale, (window.top - place.top) * scale, side, side)


def _slid(width: int, height: int, side: float) -> list[Box]:
    """Squares over the whole picture."""
    return [Box(x, y, side, side) for y in _starts(height, side) for x in _starts(width, side)]


def _starts(length: int, side: float) -> list[float]:
    first, last = -OUTSIDE * side, length - (1 - OUTSIDE) * side
    if last <= first:
        return [(length - side) / 2]
    count = math.ceil((last - first) / (STEP * side)) + 1
    return [float(start) for start in np.linspace(first, last, count)]


def _reduced(picture: Picture, pixel: float) -> tuple[Picture, Box]:
    """The picture with pixels about as large as `pixel`, and the square of it that it shows.

    Each window would shrink a large picture anew.
    """
    height, width = picture.shape[:2]
    place = square(Box(0, 0, width, height), 1)
    return crop(picture, place, math.ceil(place.width / max(1, pixel))), place


def _largest_group(ends: Points, sides: Sequence[float]) -> np.ndarray:
    """Indices of the windows that agree with the one with which most agree."""
    centres = ends.mean(axis=1)
    groups = []
    for end, centre, side in zip(ends, centres, sides, strict=True):
        # No mean distance is below that of the centres, which takes less time.
        near = np.flatnonzero(np.linalg.norm(centres - centre, axis=-1) < AGREEMENT * side)
        apart = np.linalg.norm(ends[near] - end, axis=-1).mean(axis=-1)
        groups.append(near[apart < AGREEMENT * side])
    return max(groups, key=len)
