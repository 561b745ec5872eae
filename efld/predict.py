"""One picture to landmarks."""

from pathlib import Path

import cv2
import numpy as np

from efld import geometry
from efld.data.faces import read_grey
from efld.draw import ColourPicture
from efld.errors import InputError
from efld.geometry import Box, Picture, Points
from efld.runtime import LandmarkModel
from efld.spec import Channels

MOST_TIMES_PICTURE = 4  # a larger box is a slip: the face would be a few pixels of the crop


def read_colour(path: Path) -> ColourPicture:
    """Decodes a picture the way a viewer shows it: turned as its EXIF orientation says.

    Returns:
        `(height, width, 3)` uint8: blue, green, red.

    Raises:
        InputError: what `read_grey` refuses.
    """
    read_grey(path)
    data = np.frombuffer(path.read_bytes(), np.uint8)
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def to_grey(picture: ColourPicture) -> Picture:
    """`(height, width, 3)` blue, green, red to `(height, width)`, as the datasets are read."""
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)


def seen(picture: ColourPicture, channels: Channels) -> Picture:
    """The picture as a model of these channels sees it."""
    if channels == "grey":
        return to_grey(picture)
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def predict(model: LandmarkModel, picture: Picture, face: Box) -> Points:
    """Finds the landmarks of one face.

    The model was trained on squares `spec.box_factor` times the longer side of the box that the
    landmarks span (brows to chin, ear to ear). `face` is that box; the square is made here.

    Args:
        picture: in the channels of the model, as `seen` makes it.
        face: pixel edges; may reach outside the picture, which counts as black there.

    Returns:
        `(points, 2)` float32, picture pixels: centres, 0-based, x before y.

    Raises:
        InputError: a box outside the picture or far larger than it.
        ValueError: a picture of other channels.
    """
    check_box(face, picture.shape[1], picture.shape[0])
    crop_box = geometry.square(face, model.spec.box_factor)
    crops = geometry.crops(picture, [crop_box], model.spec.input_px)
    return geometry.to_picture(model(crops)[0], crop_box)


def check_box(face: Box, width_px: int, height_px: int) -> None:
    """
    Raises:
        InputError: a box outside a picture of that size, or far larger than it.
    """
    largest_px = MOST_TIMES_PICTURE * max(width_px, height_px)
    if not face.overlaps(width_px, height_px) or max(face.width, face.height) > largest_px:
        raise InputError(
            f"box {face.left:g},{face.top:g},{face.width:g},{face.height:g}: expected x,y,w,h "
            f"around a face of the picture, which is {width_px}x{height_px} pixels."
        )


def parse_box(text: str) -> Box:
    """Parses `x,y,w,h`, pixels.

    Raises:
        InputError: not four finite numbers, or no positive size.
    """
    try:
        left, top, width, height = map(float, text.split(","))
    except ValueError:
        raise InputError(f"box {text!r}: expected four numbers x,y,w,h in pixels.") from None
    return Box(left, top, width, height)
