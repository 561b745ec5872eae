"""Changes that a model should stand: a box that is off, blur, little light, a covered part."""

import math
import zlib
from dataclasses import dataclass

import numpy as np

from efld.data import augment
from efld.geometry import Box, Picture, moved

MIDDLE_GREY = 128


@dataclass(frozen=True)
class Condition:
    """One change, the same for every face but for its direction or place, drawn by the face's id.

    Strengths are relative to the crop, so they mean the same for every input size.
    """

    name: str
    shift: float = 0.0  # of the crop's side; left, right, up or down
    scale: float = 1.0  # factor on the crop's side
    blur: float = 0.0  # standard deviation, of the crop's side
    light: float = 1.0  # factor on every grey level
    covered: float = 0.0  # share of the crop's area, a grey square that lies inside

    def box(self, box: Box, face_id: str) -> Box:
        """The crop's square as a poor detector would give it."""
        turn = int(self._rng(face_id).integers(4)) * math.pi / 2
        right, down = round(math.cos(turn)) * self.shift, round(math.sin(turn)) * self.shift
        return moved(box, right, down, self.scale)

    def picture(self, crop: Picture, face_id: str) -> Picture:
        """The crop, `(side, side)`, as a poor camera would give it."""
        side_px = crop.shape[0]
        if self.light != 1:
            crop = augment.light(crop, self.light, 128 * (self.light - 1), 1)
        if self.blur:
            crop = augment.blur(crop, self.blur * side_px)
        if self.covered:
            patch_px = round(math.sqrt(self.covered) * side_px)
            x, y = self._rng(face_id).integers(side_px - patch_px + 1, size=2).tolist()
            patch = np.full((patch_px, patch_px), MIDDLE_GREY, np.uint8)
            crop = augment.occlude(crop, (x, y), patch)
        return crop

    def _rng(self, face_id: str) -> np.random.Generator:
        """Depends on names alone: another face in the dataset changes nothing here."""
        return np.random.default_rng(zlib.crc32(f"{self.name}/{face_id}".encode()))


UNCHANGED = Condition("unchanged")
CONDITIONS = (
    Condition("box shifted by 10 % of its side", shift=0.10),
    Condition("box 10 % smaller", scale=0.90),
    Condition("box 10 % larger", scale=1.10),
    Condition("blur of 2 % of the side", blur=0.02),
    Condition("a quarter of the light", light=0.25),
    Condition("20 % covered", covered=0.20),
)
