"""Where a point lies: picture, crop, mirrored crop."""

import numpy as np
import pytest

from efld import geometry
from efld.errors import InputError
from efld.geometry import Box, Picture


def dot(x: int, y: int, side: int = 200) -> Picture:
    """A soft bright dot centred on pixel (x, y)."""
    yy, xx = np.mgrid[:side, :side]
    return (255 * np.exp(-((xx - x) ** 2 + (yy - y) ** 2) / 18)).astype(np.uint8)  # fmt: skip


def centre(picture: Picture) -> tuple[float, float]:
    weight = picture.astype(np.float64)
    yy, xx = np.mgrid[: picture.shape[0], : picture.shape[1]]
    return (xx * weight).sum() / weight.sum(), (yy * weight).sum() / weight.sum()


@pytest.mark.parametrize("size_px", [112, 56, 30])  # 30: shrunk by area first
@pytest.mark.parametrize("box", [Box(20, 30, 150, 150), Box(-13.5, 40.25, 130, 130)])
def test_a_cropped_pixel_lies_where_its_point_says(box: Box, size_px: int) -> None:
    point = np.array([[90, 100]], np.float32)
    x, y = geometry.to_crop(point, box)[0] * size_px - 0.5
    found = centre(geometry.crop(dot(90, 100), box, size_px))
    assert found == pytest.approx((x, y), abs=0.06)  # bilinear sampling of an 8-bit dot


def test_crop_and_picture_are_inverse() -> None:
    points = np.random.default_rng(0).uniform(-50, 400, (68, 2)).astype(np.float32)
    box = Box(12.5, -7, 180, 180)
    np.testing.assert_allclose(
        geometry.to_picture(geometry.to_crop(points, box), box), points, atol=1e-3
    )


def test_truth_square_is_centred_and_scaled() -> None:
    points = np.array(
        [[10, 20], [50, 100]], np.float32
    )  # centres: the box is 10.5..50.5, 20.5..100.5
    assert geometry.truth_square(points, 1.25) == Box(30.5 - 50, 60.5 - 50, 100, 100)


def test_a_crop_of_colour_is_one_of_each_channel() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (90, 120, 3)).astype(np.uint8)
    for box in (Box(10.3, 5.7, 33, 33), Box(-9, 20, 80, 80)):  # the second shrinks by area first
        colour = geometry.crops(picture, [box], 16)[0]
        grey = [
            geometry.crops(np.ascontiguousarray(picture[..., i]), [box], 16)[0] for i in range(3)
        ]
        np.testing.assert_array_equal(colour, np.concatenate(grey, axis=-1))


def test_outside_is_black_and_a_sliver_is_no_crash() -> None:
    white = np.full((20, 1000), 255, np.uint8)
    crop = geometry.crop(white, Box(-2000, -2000, 4000, 4000), 112)
    assert crop.shape == (112, 112)
    assert crop[0, 0] == 0


@pytest.mark.parametrize("values", [(0, 0, 0, 5), (0, 0, 5, -1), (float("nan"), 0, 5, 5)])
def test_a_box_has_a_size(values: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="expected"):
        Box(*values)
