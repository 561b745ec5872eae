"""The record that every dataset yields, and the one place that decodes a picture."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from efld.errors import InputError
from efld.geometry import Box, Picture, Points

# "none": a dataset that has no split of its own.
Part = Literal["train", "validation", "common", "challenging", "test", "none"]
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
TEST_PARTS: frozenset[Part] = frozenset({"common", "challenging", "test"})


class Pose(NamedTuple):
    """How a head is turned, radians. Roll is applied after pitch, pitch after yaw."""

    yaw: float  # positive: the nose points to the picture's right
    pitch: float  # positive: down
    roll: float  # positive: clockwise in the picture


class Stored(Protocol):
    """A picture inside a larger file; its other fields say where: a frame, a row."""

    @property
    def path(self) -> Path:
        """The larger file."""
        ...

    def grey(self) -> Picture:
        """Reads it, `(height, width)`; raises InputError where it cannot."""
        ...


@dataclass(frozen=True, eq=False)
class Face:
    """One annotated face. What a dataset does not say is None, never guessed."""

    id: str  # stable and unique in its dataset: "lfpw/trainset/image_0001"
    picture: Path | Picture | Stored  # a file, pixels of a rendered face, or a part of a file
    points: Points  # (points of `scheme`, 2), pixels of the picture; NaN where not annotated
    part: Part
    group: str  # faces of one group (person, video) stay on one side of a validation split
    scheme: str = "68"  # efld.schemes
    visible: NDArray[np.bool_] | None = None  # (points,): False where something hides the point
    box: Box | None = None  # the face as the dataset's own detector or annotator framed it
    attributes: frozenset[str] | None = None  # the dataset's flags that are set: "blur", ...
    pose: Pose | None = None
    source: str = ""  # the file, and the place in it, that the points come from

    def grey(self) -> Picture:
        """The decoded picture, `(height, width)` uint8."""
        if isinstance(self.picture, Path):
            return read_grey(self.picture)
        return self.picture if isinstance(self.picture, np.ndarray) else self.picture.grey()


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
