"""The record that every dataset yields, and the one place that decodes a picture."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from efld.errors import InputError, one_line
from efld.geometry import Box, Picture, Points

# "none": a dataset that has no split of its own.
Part = Literal["train", "validation", "common", "challenging", "test", "none"]
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
LONGEST_PX = 32766  # cv2.warpAffine counts pixels in 16 bits
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

    def rgb(self) -> Picture:
        """The decoded picture, `(height, width, 3)` uint8; a grey one has three equal channels.

        Raises:
            InputError: as `read_rgb`, or a picture inside a larger file: those are read as grey.
        """
        if isinstance(self.picture, Path):
            return read_rgb(self.picture)
        if isinstance(self.picture, np.ndarray):
            return _converted(self.picture, cv2.COLOR_GRAY2RGB)
        raise InputError(
            f"{self.picture.path}: its pictures are read as grey, expected picture files for a "
            "model of channels 'rgb'. Save them as PNG with a .pts beside each."
        )


def read_grey(path: Path) -> Picture:
    """Decodes a picture to `(height, width)` uint8 grey. Colour, grey and opaque RGBA are accepted.

    Raises:
        InputError: missing, undecodable, not 8 bits a channel, or with transparent pixels (they
            have no value of their own).
    """
    picture = _decoded(path)
    return picture if picture.ndim == 2 else _converted(picture, cv2.COLOR_BGR2GRAY)


def read_rgb(path: Path) -> Picture:
    """Decodes a picture to `(height, width, 3)` uint8: red, green, blue; raises as `read_grey`."""
    picture = _decoded(path)
    return _converted(picture, cv2.COLOR_GRAY2RGB if picture.ndim == 2 else cv2.COLOR_BGR2RGB)


def _converted(picture: Picture, code: int) -> Picture:
    return cv2.cvtColor(picture, code).astype(np.uint8, copy=False)


def _decoded(path: Path) -> Picture:
    """As the file has it: `(height, width)`, or `(height, width, 3)` blue, green, red."""
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}). Expected a picture."
        ) from None
    how = cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        picture = cv2.imdecode(data, how) if data.size else None
    except cv2.error as error:
        raise InputError(
            f"{path}: OpenCV does not decode it ({one_line(error)}). Make it smaller."
        ) from None
    if picture is None:
        raise InputError(
            f"{path}: {data.size} bytes that decode to no picture. Expected JPEG, PNG or BMP; "
            "is the file cut off?"
        )
    if max(picture.shape[:2]) > LONGEST_PX:
        raise InputError(
            f"{path}: {picture.shape[1]} x {picture.shape[0]} px, expected sides of at most "
            f"{LONGEST_PX}: OpenCV cuts faces out of no longer ones. Make it smaller."
        )
    if picture.dtype != np.uint8:
        raise InputError(
            f"{path}: {picture.dtype} pixels, expected 8 bits a channel. Convert it first."
        )
    return _opaque(picture.astype(np.uint8, copy=False), path)


def _opaque(picture: Picture, path: Path) -> Picture:
    if picture.ndim == 2 or picture.shape[2] < 4:
        return picture
    if picture[..., 3].min() < 255:
        raise InputError(
            f"{path}: has transparent pixels, expected an opaque picture. "
            "Flatten it onto a background first."
        )
    return picture[..., :3]
