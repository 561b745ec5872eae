"""Small pictures of faces with points drawn on them, as they stand in a page."""

import base64

import cv2
import numpy as np

from efld import geometry
from efld.data.faces import Face
from efld.draw import Ink, mark
from efld.evaluate import truth_box
from efld.geometry import Points

SIDE_PX = 200
QUALITY = 80  # of the JPEG, 0..100
MARGIN = 1.35  # shown side over the longer side of the landmarks' box
_BLUE, _ORANGE = (233, 180, 86), (0, 159, 230)  # blue, green, red; both of Okabe & Ito (2008)
TRUTH = Ink(_BLUE, _BLUE, rim=None)
PREDICTION = Ink(_ORANGE, _ORANGE, rim=None)


def thumbnail(face: Face, predicted: Points, crop_factor: float, with_truth: bool) -> str:
    """A face as a `data:` URI, truth below prediction.

    Args:
        predicted: `(points, 2)`, 0..1 over the crop of the truth box.
        crop_factor: of that box.
    """
    shown = truth_box(face, MARGIN)
    grey = geometry.crop(face.grey(), shown, SIDE_PX)
    canvas = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR).astype(np.uint8, copy=False)
    found = geometry.to_picture(predicted, truth_box(face, crop_factor))
    if with_truth:
        mark(canvas, geometry.to_crop(face.points, shown) * SIDE_PX - 0.5, face.scheme, TRUTH)
    mark(canvas, geometry.to_crop(found, shown) * SIDE_PX - 0.5, face.scheme, PREDICTION)
    data = cv2.imencode(".jpg", canvas, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()
