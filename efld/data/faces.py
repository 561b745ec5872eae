"""The record that every dataset yields, and the one place that decodes a picture."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from efld.errors import InputError
from efld.geometry import Picture, Points

Part = Literal["train", "common", "challenging", "test", "none"]  # "none": dataset without a split
TEST_PARTS: frozenset[Part] = frozenset({"common", "challenging", "test"})


@dataclass(frozen=True, eq=False)
class Face:
    """One annotated face."""

    id: str  # stable and unique in its dataset: "lfpw/trainset/image_0001"
    picture: Path | Picture  # a file, or pixels for a rendered face
    points: Points  # (68, 2), pixels of the picture
    part: Part
    group: str  # faces of one group stay on one side of a validation split

    def grey(self) -> Picture:
        """The decoded picture, `(height, width)` uint8."""
        return read_grey(self.picture) if isinstance(self.picture, Path) else self.picture


def read_grey(path: Path) -> Picture:
    """Decodes a picture to `(height, width)` uint8 grey. Colour, grey and opaque RGBA are accepted.

    Raises:
        InputError: missing, undecodable, not 8 bits a channel, or with transparent pixels (they
            have no grey value).
    """
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}). Expected a picture."
        ) from None
    picture = (
        cv2.imdecode(data, cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
        if data.size
        else None
    )
    if picture is None:
        raise InputError(
            f"{path}: {data.size} bytes that decode to no picture. Expected JPEG, PNG or BMP; "
            "is the file cut off?"
        )
    if picture.dtype != np.uint8:
        raise InputError(
            f"{path}: {picture.dtype} pixels, expected 8 bits a channel. Convert it first."
        )
    return _to_grey(picture, path)


def _to_grey(picture: np.ndarray, path: Path) -> Picture:
    if picture.ndim == 2:
        return picture.astype(np.uint8, copy=False)
    if picture.shape[2] == 4:
        if picture[..., 3].min() < 255:
            raise InputError(
                f"{path}: has transparent pixels, expected an opaque picture. "
                "Flatten it onto a background first."
            )
        picture = picture[..., :3]
    return cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)
