"""A face is found by the landmark model alone; here by one that sees bright squares."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from efld import finder, runtime, schemes
from efld.data import datasets
from efld.geometry import Box, Picture, Points, to_picture
from efld.metrics import nme_percent
from efld.spec import ModelSpec
from tests.tiny_files import ANSWER

FACE, DARK = 220, 40
# Mirrors onto itself and spans 0..1, so the landmarks' box is the bright square.
_EVEN = (ANSWER + schemes.mirror(ANSWER, "68")) / 2
SHAPE = ((_EVEN - _EVEN.min(axis=0)) / np.ptp(_EVEN, axis=0)).astype(np.float32)


class BrightSquare:
    """Finds landmarks over the bright square of a crop, elsewhere a mean shape as nets do."""

    spec = ModelSpec(model="bright", input_px=32, licence="terms of the teacher")

    def __init__(self, lean: float = 0.0) -> None:
        self.lean = lean  # to the right, in crops: a flaw that mirroring turns round

    def __call__(self, crops: NDArray[Any]) -> Points:
        found = np.stack([self._one(crop[..., 0]) for crop in crops])
        return found + np.array([self.lean, 0], np.float32)

    def _one(self, crop: Picture) -> Points:
        light = np.clip(crop.astype(np.float32) - 130, 0, None)
        middle, side = np.full(2, 0.5), np.full(2, 0.8)
        if light.mean() > 1:
            at = (np.arange(len(crop)) + 0.5) / len(crop)
            for axis in (0, 1):  # mean and spread of the light: a square's side is sqrt(12) spreads
                share = light.sum(axis=axis) / light.sum()
                middle[axis] = share @ at
                side[axis] = max(0.05, np.sqrt(12 * (share @ (at - middle[axis]) ** 2)))
        return (middle + (SHAPE - 0.5) * side).astype(np.float32)


def picture_of(width: int, height: int, *faces: Box) -> Picture:
    """Bright squares before a dark ground."""
    picture = np.full((height, width), DARK, np.uint8)
    for face in faces:
        x, y, side = (round(value) for value in (face.left, face.top, face.width))
        picture[y : y + side, x : x + side] = FACE
    return picture


def off(points: Points, face: Box) -> float:
    """Mean distance of points from where they belong, in sides of the face."""
    truth = to_picture(SHAPE, face)
    return float(np.linalg.norm(points - truth, axis=-1).mean()) / face.width


@pytest.mark.parametrize(
    ("width", "height", "face"),
    [
        (90, 80, Box(20, 30, 36, 36)),
        (300, 200, Box(160, 40, 100, 100)),
        (400, 1000, Box(30, 700, 160, 160)),
        (2400, 1800, Box(900, 300, 1100, 1100)),
        (500, 500, Box(300, 80, 75, 75)),  # so small that only the second search sees it
    ],
)
def test_a_face_is_found_in_pictures_of_any_size(width: int, height: int, face: Box) -> None:
    found = finder.find(picture_of(width, height, face), BrightSquare())
    assert found is not None
    assert off(found.points, face) < 0.03  # a pixel of the crop
    assert found.box.width == pytest.approx(face.width, rel=0.05)


def test_no_face_is_found_where_none_is() -> None:
    noise = np.random.default_rng(0).integers(0, 120, (200, 300), dtype=np.uint8)
    for picture in (noise, np.zeros((60, 80), np.uint8), np.zeros((1, 1), np.uint8)):
        assert finder.find(picture, BrightSquare()) is None


def test_of_several_faces_the_one_near_the_box_is_taken() -> None:
    faces = [Box(60, 60, 100, 100), Box(300, 200, 60, 60)]
    picture = picture_of(450, 320, *faces)
    for face in faces:
        rough = Box(face.left + 0.15 * face.width, face.top - 6, 0.9 * face.width, face.width)
        found = finder.find(picture, BrightSquare(), near=rough)
        assert found is not None
        assert off(found.points, face) < 0.03
    assert finder.find(picture, BrightSquare(), near=Box(200, 200, 50, 50)) is None


def test_a_scout_spares_the_model_the_windows() -> None:
    class Counting(BrightSquare):
        crops = 0

        def __call__(self, crops: NDArray[Any]) -> Points:
            self.crops += len(crops)
            return super().__call__(crops)

    model, face = Counting(), Box(160, 40, 100, 100)
    found = finder.find(picture_of(300, 200, face), model, scout=BrightSquare(lean=0.02))
    assert found is not None
    assert off(found.points, face) < 0.02
    assert model.crops == 1 + 2 * len(finder.VIEWS)


def test_views_average_a_flaw_out_and_show_it() -> None:
    face = Box(60, 40, 100, 100)
    picture = picture_of(240, 200, face)
    exact, leaning = (finder.find(picture, BrightSquare(lean)) for lean in (0.0, 0.04))
    assert exact is not None
    assert leaning is not None
    assert exact.disagreement_percent < finder.SURE_PERCENT
    assert off(exact.points, face) < 0.01
    assert off(leaning.points, face) < 0.01
    eyes = SHAPE[45, 0] - SHAPE[36, 0]  # in faces; a crop is 1.25 faces
    # Half of the views lean to either side; 1: what the views differ by anyway.
    assert leaning.disagreement_percent == pytest.approx(100 * 0.04 * 1.25 / eyes, abs=1)


def test_a_model_for_colour_finds_faces_in_colours() -> None:
    model, face = BrightSquare(), Box(60, 40, 100, 100)
    model.spec = replace(model.spec, channels="rgb")
    other = picture_of(240, 200)
    found = finder.find(np.dstack([picture_of(240, 200, face), other, other]), model)
    assert found is not None
    assert off(found.points, face) < 0.01


def test_real_faces_are_found(real_data: Path) -> None:
    model = runtime.load(Path(__file__).parent.parent / "pretrained/efld-small/model.keras")
    for face in datasets.training_faces(real_data / "300w", limit=2):
        found = finder.find(face.grey(), model)
        assert found is not None
        assert nme_percent(found.points[None], face.points[None], "68")[0] < 10
