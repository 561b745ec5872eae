"""What a user says of a foreign landmark file: how pictures go in, and how points come out."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from efld.errors import InputError
from efld.spec import CENTRE_PX, Channels


class Preprocess(NamedTuple):
    """What the graph is fed: `(pixel - mean) / std`, pixels 0..255.

    `mean` and `std` have one value, or one for each of red, green, blue.
    """

    channels: Channels
    mean: tuple[float, ...]
    std: tuple[float, ...]
    reverse: bool = False  # blue comes first, as OpenCV reads pictures

    def __call__(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Crops `(batch, height, width, channels)`, as the graph wants them."""
        mean, std = (np.array(values, np.float32) for values in (self.mean, self.std))
        fed = ((crops - mean) / std).astype(np.float32, copy=False)
        return fed[..., ::-1] if self.reverse else fed


_RANGES = {"255": (0.0, 1.0), "01": (0.0, 255.0), "-11": (127.5, 127.5)}
# Means and deviations of ImageNet's pixels, times 255: https://docs.pytorch.org/vision/stable/models
_MEAN, _STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
PREPROCESS: MappingProxyType[str, Preprocess] = MappingProxyType(
    {f"grey{name}": Preprocess("grey", (mean,), (std,)) for name, (mean, std) in _RANGES.items()}
    | {f"rgb{name}": Preprocess("rgb", (mean,), (std,)) for name, (mean, std) in _RANGES.items()}
    | {f"bgr{name}": Preprocess("rgb", (m,), (s,), True) for name, (m, s) in _RANGES.items()}
    | {"imagenet": Preprocess("rgb", _MEAN, _STD)}
)

# What a coordinate means, as multiples of 1 and of the crop's side: 0..1 = found * scale + shift.
UNITS: MappingProxyType[str, tuple[float, float]] = MappingProxyType({
    "01": (1.0, 0.0), "-11": (0.5, 0.5), "px": (1.0, 0.0),
})  # fmt: skip
ORIGINS_PX = (0.0, CENTRE_PX, 1.0)


@dataclass(frozen=True, kw_only=True)
class Told:
    """Everything that a foreign file does not say of itself."""

    preprocess: str
    scheme: str
    box_factor: float
    units: str = "01"
    # Where the middle of the crop's first pixel lies in the model's coordinates. 0.5 is exact; 0 if
    # its authors counted pixels from 0 and divided by the side, 1 if they counted from 1.
    origin_px: float = CENTRE_PX
    output: str = ""  # empty: the only one that can be meant
    licence: str = "as the authors of the foreign file say"

    def __post_init__(self) -> None:
        for flag, value, table in (
            ("preprocess", self.preprocess, PREPROCESS), ("units", self.units, UNITS),
        ):  # fmt: skip
            if value not in table:
                raise InputError(f"--{flag} {value!r} is unknown, expected {', '.join(table)}.")
        if not 0 < self.box_factor < np.inf:
            raise InputError(f"--box {self.box_factor:g}: expected a number above 0.")

    @property
    def fed(self) -> Preprocess:
        return PREPROCESS[self.preprocess]

    def affine(self, input_px: int) -> tuple[float, float]:
        """`(scale, shift)` that take the model's numbers to 0..1 over the crop's edges."""
        scale, shift = UNITS[self.units]
        if self.units == "px":
            scale /= input_px
        return scale, shift - (self.origin_px - CENTRE_PX) / input_px
